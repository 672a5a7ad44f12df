//! `GET /v1/events`: the change log as server-sent events.

use super::caller::Caller;
use super::convert;
use super::extract::Params;
use super::problem::Fault;
use super::server::Shared;
use super::table::Resync;
use crate::runtime::Told;
use crate::telling;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;
use waxwing_protocol::query::{self, Change, ChangeView};

/// A comment this often shows the client, and any proxy, that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Where the stream begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// The cursor of the last event that was seen.
    after: Option<u64>,
}

/// Changes after `Last-Event-ID` or `?after=`, in this order; without either, from the present on.
/// A cursor that the log no longer reaches, or never reached, is answered with 410 `resync`.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(
        After,
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, and before it."),
    ),
    responses(
        (
            status = 200,
            description = "A stream that does not end by itself. It begins with a bare `id`, the cursor that \
                it goes on from. Each event has `id` (its cursor), `event` \
                (its kind) and one line of `data`, which is an `Event`; a comment comes every 15 seconds. \
                An event `resync` with the data `{}` ends a stream that the log no longer reaches.",
            body = String,
            content_type = "text/event-stream",
        ),
        Resync
    )
)]
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    headers: HeaderMap,
    Params(after): Params<After>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let wanted = match last_event_id(&headers)? {
        Some(cursor) => Some(cursor),
        None => after.after,
    };
    let newest = shared.handle.query(query::status).await?.cursor;
    let from = wanted.unwrap_or(newest);
    if from > newest {
        return Err(resync());
    }
    let (ended, slot) = match &caller {
        Caller::Owner => (None, None),
        Caller::Program(program) => {
            let slot = Arc::clone(&program.token.streams).try_acquire_owned();
            let slot = slot.map_err(|_| too_many())?;
            (Some(program.token.ended()), Some(slot))
        }
    };
    let feed = Feed {
        caller,
        revoked: ended,
        _slot: slot,
        // Subscribed before the first page is read: a change in between is not missed.
        cursor: shared.handle.cursor(),
        told: shared.handle.told(),
        stop: shared.stop.clone(),
        after: from,
        ready: VecDeque::new(),
        ended: false,
        shared,
    };
    let mut feed = feed;
    if !feed.fill().await? {
        return Err(resync());
    }
    // An id without data is no event, but every client notes it: it can go on from here even if
    // nothing comes before it breaks off.
    let place = Event::default().id(from.to_string());
    let place = stream::once(std::future::ready(Ok(place)));
    let stream = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(place.chain(stream)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    text.parse().map(Some).map_err(|_| {
        Fault::invalid(
            "invalid_cursor",
            "Last-Event-ID has to be the number of an event.",
        )
    })
}

fn resync() -> Fault {
    Fault::new(
        StatusCode::GONE,
        "resync",
        "The change log does not reach back to that cursor.",
    )
    .hint("read what you need anew and go on from the cursor of `status`")
}

fn too_many() -> Fault {
    let detail = "This token has too many event streams open.";
    Fault::too_many("too_many_streams", detail, 0).hint("close one of them first")
}

/// One client's place in the change log.
struct Feed {
    caller: Caller,
    /// Becomes true when the program's token ends.
    revoked: Option<watch::Receiver<bool>>,
    _slot: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared>,
    cursor: watch::Receiver<u64>,
    told: broadcast::Receiver<Arc<Told>>,
    stop: watch::Receiver<bool>,
    after: u64,
    ready: VecDeque<ChangeView>,
    ended: bool,
}

impl Feed {
    /// Reads the next page; false if the log no longer reaches back.
    async fn fill(&mut self) -> Result<bool, Fault> {
        // Marked as seen before reading: what comes later wakes us again.
        let newest = *self.cursor.borrow_and_update();
        let after = self.after;
        let only = self.caller.only();
        let (page, contact) = self
            .shared
            .handle
            .query(move |store| {
                let page = telling::page(store, after, newest)?;
                let name = only.map(|account| query::contact_of(store, &account));
                Ok((page, name.transpose()?))
            })
            .await?;
        let Some(Told { upto, mut rows, .. }) = page else {
            return Ok(false);
        };
        self.after = upto;
        if let (Some(contact), Some(only)) = (contact, only) {
            let name = contact.map(|contact| contact.name);
            rows.retain(|row| match &row.change {
                Change::Removed { account, .. } => *account == only,
                change => name.is_some() && whose(change) == name.as_deref(),
            });
        }
        self.ready.extend(rows);
        Ok(true)
    }

    /// Takes over what the engine told, as far as it follows on what is there. A program that may
    /// see one contact only reads by itself: who that is is looked up together with the rows.
    fn take(&mut self, told: &Told) {
        if self.caller.only().is_some() {
            return;
        }
        if told.after <= self.after && self.after < told.upto {
            let new = told.rows.iter().filter(|row| row.cursor > self.after);
            self.ready.extend(new.cloned());
            self.after = told.upto;
        }
    }

    /// There is more to read without waiting.
    fn behind(&self) -> bool {
        self.after < *self.cursor.borrow()
    }

    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended || *self.stop.borrow() || self.caller.is_over() {
                return None;
            }
            if let Some(view) = self.ready.pop_front() {
                return render(view);
            }
            if !self.behind() {
                tokio::select! {
                    // What is told comes before word that there is something.
                    biased;
                    told = self.told.recv() => match told {
                        Ok(told) => self.take(&told),
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return None,
                    },
                    changed = self.cursor.changed() => changed.ok()?,
                    _ = self.stop.changed() => return None,
                    () = ends(&mut self.revoked) => return None,
                }
                continue;
            }
            match self.fill().await {
                Ok(true) => {}
                // The client slept through a sweep of the log: told once, in the stream's own words.
                Ok(false) => {
                    self.ended = true;
                    return Some(Event::default().event("resync").data("{}"));
                }
                Err(_) => return None,
            }
        }
    }
}

/// Resolves when the token ends; never without one.
async fn ends(revoked: &mut Option<watch::Receiver<bool>>) {
    match revoked {
        // Its sender lives as long as the caller's token.
        Some(revoked) => _ = revoked.wait_for(|revoked| *revoked).await,
        None => std::future::pending().await,
    }
}

/// The contact that a change is about.
fn whose(change: &Change) -> Option<&str> {
    match change {
        Change::Message(message) => Some(&message.contact),
        Change::Contact(contact) => Some(&contact.name),
        Change::Request(request) => Some(&request.name),
        Change::State { contact, .. } | Change::Reach { contact, .. } => Some(contact),
        Change::Notice { contact, .. } => contact.as_deref(),
        // It has none any more; its name may be another's by now.
        Change::Removed { .. } => None,
    }
}

pub(super) fn render(view: ChangeView) -> Option<Event> {
    let event = convert::event(view);
    let data = serde_json::to_string(&event).ok()?;
    Some(
        Event::default()
            .id(event.cursor.to_string())
            .event(event.change.kind())
            .data(data),
    )
}
