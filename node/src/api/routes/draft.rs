//! Drafts.

use super::{Node, Reply, command, created, no_contact};
use crate::api::convert;
use crate::api::extract::{Body, IdemKey, Name};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::server::Shared;
use crate::api::table::{Forbidden, NoContact, NoContactOrDraft, TooLong};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;
use waxwing_protocol::query;

/// What was begun to a contact and not sent.
#[utoipa::path(
    get,
    path = "/v1/contacts/{name}/draft",
    tag = "messages",
    params(Name),
    responses((status = 200, body = model::Draft), NoContact)
)]
pub(super) async fn draft(State(node): Node, Name(name): Name) -> Reply<model::Draft> {
    read(&node, name).await
}

/// Keeps a text for later, in place of what was kept before.
#[utoipa::path(
    put,
    path = "/v1/contacts/{name}/draft",
    tag = "messages",
    params(Name, IdemKey),
    request_body = model::DraftRequest,
    responses((status = 200, body = model::Draft), NoContact, TooLong)
)]
pub(super) async fn keep_draft(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::DraftRequest>,
) -> Reply<model::Draft> {
    let text = Some(body.text);
    change(&node, key, Command::Draft { name, text }).await
}

/// Forgets what was kept.
#[utoipa::path(
    delete,
    path = "/v1/contacts/{name}/draft",
    tag = "messages",
    params(Name, IdemKey),
    responses((status = 200, body = model::Draft), NoContact)
)]
pub(super) async fn forget_draft(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Draft> {
    change(&node, key, Command::Draft { name, text: None }).await
}

/// Sends what was kept, and forgets it in the same moment.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/draft/send",
    tag = "messages",
    params(Name, IdemKey),
    responses((status = 201, body = model::Sent), Forbidden, NoContactOrDraft)
)]
pub(super) async fn send_draft(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Result<(StatusCode, Json<model::Sent>), Fault> {
    created(convert::sent(
        command(&node, key, Command::SendDraft { name }).await?,
    ))
}

async fn change(node: &Shared, key: Option<String>, wish: Command) -> Reply<model::Draft> {
    match command(node, key, wish).await? {
        Answer::Contact { name, .. } => read(node, name).await,
        _ => Err(Fault::unexpected()),
    }
}

async fn read(node: &Shared, name: String) -> Reply<model::Draft> {
    let found = node
        .handle
        .query(move |store| query::draft(store, &name))
        .await?;
    let draft = found.ok_or_else(no_contact)?;
    let (text, at) = draft.map(|row| (row.text, row.at)).unzip();
    Ok(Json(model::Draft {
        text,
        kept_at: at.map(convert::rfc3339),
    }))
}
