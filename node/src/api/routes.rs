//! The routes under `/v1`: JSON to commands, views to JSON.

use super::convert;
use super::events::events;
use super::extract::{BODY_BYTES_MAX, Body, Id, IdemKey, Name, Params, mid};
use super::keep;
use super::model;
use super::problem::Fault;
use super::process;
use super::server::Shared;
use super::span;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use waxwing_protocol::input::Command;
use waxwing_protocol::limits::{READ_DEFAULT, READ_MAX};
use waxwing_protocol::output::Answer;
use waxwing_protocol::query::{self, Me, Page};

pub(super) type Reply<T> = Result<Json<T>, Fault>;
pub(super) type Node = State<Arc<Shared>>;

/// Everything under `/v1`, without the guard.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/id", get(id))
        .route("/v1/words", get(words))
        .route("/v1/words/written", post(words_written))
        .route("/v1/invites", post(invite))
        .route("/v1/contacts", get(contacts).post(add))
        .route("/v1/contacts/{name}", get(contact))
        .route("/v1/contacts/{name}/block", post(block))
        .route("/v1/contacts/{name}/disappear", put(keep::disappear))
        .route("/v1/contacts/{name}/messages", get(messages).post(send))
        .route("/v1/contacts/{name}/read", post(mark_read))
        .route("/v1/requests", get(requests))
        .route("/v1/requests/{name}/accept", post(accept))
        .route("/v1/requests/{name}/decline", post(decline))
        .route("/v1/messages/{id}", get(message))
        .route("/v1/messages/{id}/reactions", post(react))
        .route("/v1/messages/{id}/edit", post(edit))
        .route("/v1/messages/{id}/delete", post(delete))
        .route("/v1/messages/{id}/why", get(why))
        .route("/v1/events", get(events))
        .route("/v1/stop", post(process::stop))
        .route("/v1/log", get(process::log).put(process::set_log))
        .method_not_allowed_fallback(async || {
            Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path knows other methods.",
            )
        })
        .fallback(async || Fault::not_found("There is nothing at this path."))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

fn account(me: Option<Me>) -> Result<Me, Fault> {
    me.ok_or_else(|| {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            "The node has no account yet.",
        )
    })
}

async fn status(State(node): Node) -> Reply<model::Status> {
    let (me, figures) = node
        .handle
        .query(|store| Ok((query::me(store)?, query::status(store)?)))
        .await?;
    let me = account(me)?;
    let listen = node.info.listen.borrow().clone();
    Ok(Json(model::Status {
        account: me.address,
        name: me.name,
        peer: convert::peer_id(&me.peer),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: node.info.started.elapsed().as_secs(),
        reachability: convert::reachability(&listen).to_owned(),
        listen,
        contacts: figures.contacts,
        connected: figures.connected,
        requests: figures.requests,
        outbox: figures.outbox,
        cursor: figures.cursor,
        words_kept: me.words_kept,
        bridges: Vec::new(),
        disk: node.disk.as_ref().and_then(|probe| probe()),
    }))
}

async fn id(State(node): Node) -> Reply<model::Id> {
    let me = account(node.handle.query(query::me).await?)?;
    Ok(Json(convert::id(&me)))
}

async fn words(State(node): Node) -> Reply<model::Words> {
    match node.handle.query(query::words).await? {
        Some(words) => Ok(Json(model::Words { words })),
        None => Err(Fault::new(
            StatusCode::NOT_FOUND,
            "words_erased",
            "The recovery words are no longer in this home.",
        )
        .hint("they were erased when you said that you had written them down")),
    }
}

async fn words_written(State(node): Node, IdemKey(key): IdemKey) -> Reply<model::WordsWritten> {
    command(&node, key, Command::WordsWritten).await?;
    Ok(Json(model::WordsWritten { erased: true }))
}

async fn invite(
    State(node): Node,
    IdemKey(key): IdemKey,
    Body(body): Body<model::InviteRequest>,
) -> Result<(StatusCode, Json<model::Invite>), Fault> {
    let life = match body.expires {
        Some(text) => Some(
            span::parse(&text)
                .ok_or_else(|| {
                    Fault::invalid("invalid_duration", "`expires` is no duration.")
                        .hint("write it as 12h or 7d")
                })?
                .as_secs(),
        ),
        None => None,
    };
    let uses = body.uses.unwrap_or(1);
    let answer = command(&node, key, Command::Invite { uses, life }).await?;
    created(convert::invite(answer))
}

async fn contacts(State(node): Node) -> Reply<model::ContactList> {
    let views = node.handle.query(query::contacts).await?;
    let contacts = views.into_iter().map(convert::contact).collect();
    Ok(Json(model::ContactList { contacts }))
}

async fn add(
    State(node): Node,
    IdemKey(key): IdemKey,
    Body(body): Body<model::AddRequest>,
) -> Result<(StatusCode, Json<model::Added>), Fault> {
    let wish = Command::Add {
        link: body.link,
        name: body.name,
        note: body.note,
    };
    let answer = command(&node, key, wish).await?;
    Ok((StatusCode::CREATED, Json(stands(&node, answer).await?)))
}

async fn contact(State(node): Node, Name(name): Name) -> Reply<model::Contact> {
    let found = node
        .handle
        .query(move |store| query::contact(store, &name))
        .await?;
    found
        .map(|view| Json(convert::contact(view)))
        .ok_or_else(no_contact)
}

async fn requests(State(node): Node) -> Reply<model::RequestList> {
    let views = node.handle.query(query::requests).await?;
    let requests = views.into_iter().map(convert::request).collect();
    Ok(Json(model::RequestList { requests }))
}

async fn accept(State(node): Node, Name(name): Name, IdemKey(key): IdemKey) -> Reply<model::Added> {
    let answer = command(&node, key, Command::Accept { name }).await?;
    stands(&node, answer).await.map(Json)
}

async fn decline(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Added> {
    let answer = command(&node, key, Command::Decline { name }).await?;
    stands(&node, answer).await.map(Json)
}

async fn block(State(node): Node, Name(name): Name, IdemKey(key): IdemKey) -> Reply<model::Added> {
    let answer = command(&node, key, Command::Block { name }).await?;
    stands(&node, answer).await.map(Json)
}

async fn send(
    State(node): Node,
    Name(to): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::SendRequest>,
) -> Result<(StatusCode, Json<model::Sent>), Fault> {
    let reply_to = body.reply_to.as_deref().map(mid).transpose()?;
    let wish = Command::Send {
        to,
        text: body.text,
        reply_to,
    };
    created(convert::sent(command(&node, key, wish).await?))
}

#[derive(Deserialize)]
struct PageParams {
    limit: Option<usize>,
    after: Option<u64>,
    before: Option<String>,
}

async fn messages(
    State(node): Node,
    Name(name): Name,
    Params(params): Params<PageParams>,
) -> Reply<model::MessageList> {
    let limit = params.limit.unwrap_or(READ_DEFAULT);
    if !(1..=READ_MAX).contains(&limit) {
        return Err(Fault::invalid(
            "invalid_limit",
            format!("`limit` is 1 to {READ_MAX}."),
        ));
    }
    let page = Page {
        limit,
        after: params.after,
        before: params.before.as_deref().map(mid).transpose()?,
    };
    let views = node
        .handle
        .query(move |store| query::messages(store, &name, &page))
        .await?
        .ok_or_else(no_contact)?;
    let messages = views.into_iter().map(convert::message).collect();
    Ok(Json(model::MessageList { messages }))
}

async fn mark_read(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::ReadRequest>,
) -> Reply<model::Marked> {
    let upto = body.upto.as_deref().map(mid).transpose()?;
    let answer = command(&node, key, Command::MarkRead { name, upto }).await?;
    convert::marked(answer)
        .map(Json)
        .ok_or_else(Fault::unexpected)
}

async fn message(State(node): Node, Id(id): Id) -> Reply<model::Message> {
    let found = node
        .handle
        .query(move |store| query::message(store, &id))
        .await?;
    found
        .map(|view| Json(convert::message(view)))
        .ok_or_else(no_message)
}

async fn react(
    State(node): Node,
    Id(to): Id,
    IdemKey(key): IdemKey,
    Body(body): Body<model::ReactRequest>,
) -> Result<(StatusCode, Json<model::Sent>), Fault> {
    let emoji = body.emoji;
    created(convert::sent(
        command(&node, key, Command::React { to, emoji }).await?,
    ))
}

async fn edit(
    State(node): Node,
    Id(of): Id,
    IdemKey(key): IdemKey,
    Body(body): Body<model::EditRequest>,
) -> Reply<model::Sent> {
    let text = body.text;
    let answer = command(&node, key, Command::Edit { of, text }).await?;
    convert::sent(answer)
        .map(Json)
        .ok_or_else(Fault::unexpected)
}

async fn delete(State(node): Node, Id(of): Id, IdemKey(key): IdemKey) -> Reply<model::Sent> {
    let answer = command(&node, key, Command::Delete { of }).await?;
    convert::sent(answer)
        .map(Json)
        .ok_or_else(Fault::unexpected)
}

async fn why(State(node): Node, Id(id): Id) -> Reply<model::Why> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    let found = node
        .handle
        .query(move |store| query::why(store, &id, now))
        .await?;
    found
        .map(|view| Json(convert::why(view)))
        .ok_or_else(no_message)
}

fn no_contact() -> Fault {
    Fault::not_found("There is no contact of that name.").hint("`waxwing contacts` lists them")
}

fn no_message() -> Fault {
    Fault::not_found("There is no message with that id.")
}

fn created<T>(made: Option<T>) -> Result<(StatusCode, Json<T>), Fault> {
    made.map(|made| (StatusCode::CREATED, Json(made)))
        .ok_or_else(Fault::unexpected)
}

async fn command(node: &Shared, key: Option<String>, command: Command) -> Result<Answer, Fault> {
    Ok(node.handle.command(key, command).await??)
}

/// Where a contact stands after a command. The answer knows the account id; its address is read.
async fn stands(node: &Shared, answer: Answer) -> Result<model::Added, Fault> {
    let Answer::Contact {
        name,
        account,
        state,
    } = answer
    else {
        return Err(Fault::unexpected());
    };
    let asked = name.clone();
    let found = node
        .handle
        .query(move |store| query::contact(store, &asked))
        .await?
        .filter(|view| view.account == account);
    Ok(model::Added {
        name,
        account: found.map_or_else(|| account.to_text(), |view| view.address),
        state: convert::contact_state(state),
    })
}
