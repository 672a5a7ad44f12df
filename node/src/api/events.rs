//! `GET /v1/events`: the change log as server-sent events.

use super::convert;
use super::extract::Params;
use super::problem::Fault;
use super::server::Shared;
use super::table::Resync;
use crate::runtime::Told;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use utoipa::IntoParams;
use waxwing_protocol::query::{self, ChangeView, Changes};

/// Rows read at once: enough to catch up fast, few enough that a query stays short.
const PAGE_ROWS: usize = 128;
/// The same as a distance between cursors.
const PAGE_SPAN: u64 = PAGE_ROWS as u64;
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
            description = "A stream that does not end by itself. Each event has `id` (its cursor), `event` \
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
    let feed = Feed {
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
    let stream = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
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

/// One client's place in the change log.
struct Feed {
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
        let page = self
            .shared
            .handle
            .query(move |store| query::changes(store, after, PAGE_ROWS))
            .await?;
        match page {
            Changes::Rows(rows) => {
                match rows.last() {
                    Some(last) => self.after = last.cursor,
                    // Changes whose objects are gone by now have no view: a whole page of them is
                    // passed over. One cursor has one row at most, so none of another kind is.
                    None => self.after = newest.min(after + PAGE_SPAN).max(after),
                }
                self.ready.extend(rows);
                Ok(true)
            }
            Changes::Gone { .. } => Ok(false),
        }
    }

    /// Takes over what the engine told, as far as it follows on what is there.
    fn take(&mut self, told: &Told) {
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
            if self.ended || *self.stop.borrow() {
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
