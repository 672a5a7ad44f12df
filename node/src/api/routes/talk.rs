//! Conversations.

use super::{Node, Reply, command, created, no_contact, no_message};
use crate::api::convert;
use crate::api::extract::{Body, Id, IdemKey, Name, Params, mid};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::table::{Forbidden, NoContact, NoContactOrMessage, NoMessage, TooLong};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::time::{SystemTime, UNIX_EPOCH};
use utoipa::IntoParams;
use waxwing_protocol::input::Command;
use waxwing_protocol::limits::{READ_DEFAULT, READ_MAX};
use waxwing_protocol::query::{self, Page};

/// Sends a text.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/messages",
    tag = "messages",
    params(Name, IdemKey),
    request_body = model::SendRequest,
    responses((status = 201, body = model::Sent), Forbidden, NoContactOrMessage, TooLong)
)]
pub(super) async fn send(
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

/// Which part of a conversation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// So many at most; 50 if missing.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Only what the change log names after this cursor.
    after: Option<u64>,
    /// Only what sorts before this message.
    #[param(value_type = Option<model::MessageId>)]
    before: Option<String>,
}

/// The newest messages of a conversation, oldest first; marks nothing as read.
#[utoipa::path(
    get,
    path = "/v1/contacts/{name}/messages",
    tag = "messages",
    params(Name, PageParams),
    responses((status = 200, body = model::MessageList), NoContact)
)]
pub(super) async fn messages(
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

/// Marks messages as read, all or up to one.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/read",
    tag = "messages",
    params(Name, IdemKey),
    request_body = Option<model::ReadRequest>,
    responses((status = 200, body = model::Marked), NoContactOrMessage)
)]
pub(super) async fn mark_read(
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

/// One message.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    tag = "messages",
    params(Id),
    responses((status = 200, body = model::Message), NoMessage)
)]
pub(super) async fn message(State(node): Node, Id(id): Id) -> Reply<model::Message> {
    let found = node
        .handle
        .query(move |store| query::message(store, &id))
        .await?;
    found
        .map(|view| Json(convert::message(view)))
        .ok_or_else(no_message)
}

/// Reacts to a message, or takes the reaction back.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/reactions",
    tag = "messages",
    params(Id, IdemKey),
    request_body = model::ReactRequest,
    responses((status = 201, body = model::Sent), Forbidden, NoMessage)
)]
pub(super) async fn react(
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

/// Puts another text in place of that of a message of ours.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/edit",
    tag = "messages",
    params(Id, IdemKey),
    request_body = model::EditRequest,
    responses((status = 200, body = model::Sent), Forbidden, NoMessage, TooLong)
)]
pub(super) async fn edit(
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

/// Deletes a message of ours here, and asks the other side to do the same.
#[utoipa::path(
    post,
    path = "/v1/messages/{id}/delete",
    tag = "messages",
    params(Id, IdemKey),
    responses((status = 200, body = model::Sent), Forbidden, NoMessage)
)]
pub(super) async fn delete(
    State(node): Node,
    Id(of): Id,
    IdemKey(key): IdemKey,
) -> Reply<model::Sent> {
    let answer = command(&node, key, Command::Delete { of }).await?;
    convert::sent(answer)
        .map(Json)
        .ok_or_else(Fault::unexpected)
}

/// Where a message is, who holds it, what happens next.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}/why",
    tag = "messages",
    params(Id),
    responses((status = 200, body = model::Why), NoMessage)
)]
pub(super) async fn why(State(node): Node, Id(id): Id) -> Reply<model::Why> {
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
