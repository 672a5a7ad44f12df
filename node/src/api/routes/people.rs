//! Contacts, requests, invites.

use super::{Node, Reply, command, created, no_contact};
use crate::api::caller::Caller;
use crate::api::convert;
use crate::api::extract::{Body, IdemKey, Name};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::server::Shared;
use crate::api::span;
use crate::api::table::{Forbidden, NoContact};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;
use waxwing_protocol::query::{self, ContactView, RequestView};

/// Makes an invite link.
#[utoipa::path(
    post,
    path = "/v1/invites",
    tag = "people",
    params(IdemKey),
    request_body = Option<model::InviteRequest>,
    responses((status = 201, body = model::Invite), Forbidden)
)]
pub(super) async fn invite(
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

/// All contacts, in order of name.
#[utoipa::path(
    get,
    path = "/v1/contacts",
    tag = "people",
    responses((status = 200, body = model::ContactList))
)]
pub(super) async fn contacts(State(node): Node, caller: Caller) -> Reply<model::ContactList> {
    let views = node.handle.query(query::contacts).await?;
    let only = caller.only();
    let shown = |view: &ContactView| only.is_none_or(|account| view.account == account);
    let contacts = views
        .into_iter()
        .filter(shown)
        .map(convert::contact)
        .collect();
    Ok(Json(model::ContactList { contacts }))
}

/// Takes up an invite link.
#[utoipa::path(
    post,
    path = "/v1/contacts",
    tag = "people",
    params(IdemKey),
    request_body = model::AddRequest,
    responses((status = 201, body = model::Added), Forbidden)
)]
pub(super) async fn add(
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

/// One contact.
#[utoipa::path(
    get,
    path = "/v1/contacts/{name}",
    tag = "people",
    params(Name),
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn contact(State(node): Node, Name(name): Name) -> Reply<model::Contact> {
    let found = node
        .handle
        .query(move |store| query::contact(store, &name))
        .await?;
    found
        .map(|view| Json(convert::contact(view)))
        .ok_or_else(no_contact)
}

/// Requests that wait for a word, in order of arrival.
#[utoipa::path(
    get,
    path = "/v1/requests",
    tag = "people",
    responses((status = 200, body = model::RequestList))
)]
pub(super) async fn requests(State(node): Node, caller: Caller) -> Reply<model::RequestList> {
    let views = node.handle.query(query::requests).await?;
    let only = caller.only();
    let shown = |view: &RequestView| only.is_none_or(|account| view.account == account);
    let requests = views
        .into_iter()
        .filter(shown)
        .map(convert::request)
        .collect();
    Ok(Json(model::RequestList { requests }))
}

/// Accepts a contact request, or takes a block back.
#[utoipa::path(
    post,
    path = "/v1/requests/{name}/accept",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Added), NoContact)
)]
pub(super) async fn accept(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Added> {
    let answer = command(&node, key, Command::Accept { name }).await?;
    stands(&node, answer).await.map(Json)
}

/// Declines a contact request; the sender is not told.
#[utoipa::path(
    post,
    path = "/v1/requests/{name}/decline",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Added), NoContact)
)]
pub(super) async fn decline(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Added> {
    let answer = command(&node, key, Command::Decline { name }).await?;
    stands(&node, answer).await.map(Json)
}

/// Blocks a contact or a requester; the other side is not told.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/block",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Added), NoContact)
)]
pub(super) async fn block(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Added> {
    let answer = command(&node, key, Command::Block { name }).await?;
    stands(&node, answer).await.map(Json)
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
