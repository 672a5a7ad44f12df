//! One contact: who it is, how it is kept, what its owner was told.

use super::{Node, Reply, command, no_contact};
use crate::api::convert;
use crate::api::extract::{Body, IdemKey, Name};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::server::Shared;
use crate::api::span;
use crate::api::table::{KeysUnknown, NoContact};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use waxwing_protocol::input::{Command, Mute};
use waxwing_protocol::output::Answer;
use waxwing_protocol::query;

/// What to compare with a contact to know that it is who it says.
#[utoipa::path(
    get,
    path = "/v1/contacts/{name}/safety",
    tag = "people",
    params(Name),
    responses((status = 200, body = model::Safety), NoContact, KeysUnknown)
)]
pub(super) async fn safety(State(node): Node, Name(name): Name) -> Reply<model::Safety> {
    let found = node
        .handle
        .query(move |store| query::safety(store, &name))
        .await?
        .ok_or_else(no_contact)?;
    let view = found.ok_or_else(|| {
        Fault::new(
            StatusCode::CONFLICT,
            "keys_unknown",
            "This contact's keys are not known yet.",
        )
        .hint("they come when your nodes meet for the first time")
    })?;
    Ok(Json(convert::safety(view)))
}

/// Marks a contact as verified: its safety number was compared.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/verify",
    tag = "people",
    params(Name, IdemKey),
    request_body = model::VerifyRequest,
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn verify(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::VerifyRequest>,
) -> Reply<model::Contact> {
    let compared = Some(body.safety_number);
    contact(&node, key, Command::Verify { name, compared }).await
}

/// Takes the verified mark back.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/unverify",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn unverify(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Contact> {
    let compared = None;
    contact(&node, key, Command::Verify { name, compared }).await
}

/// Gives a contact another petname.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/rename",
    tag = "people",
    params(Name, IdemKey),
    request_body = model::RenameRequest,
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn rename(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::RenameRequest>,
) -> Reply<model::Contact> {
    let new = body.name;
    contact(&node, key, Command::NameContact { name, new }).await
}

/// Has clients notify of nothing that a contact writes. It is shown and counted all the same.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/mute",
    tag = "people",
    params(Name, IdemKey),
    request_body = Option<model::MuteRequest>,
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn mute(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::MuteRequest>,
) -> Reply<model::Contact> {
    let mute = match body.span {
        Some(text) => Mute::For(
            span::parse(&text)
                .ok_or_else(|| {
                    Fault::invalid("invalid_duration", "`for` is no duration.")
                        .hint("write it as 8h or 7d")
                })?
                .as_secs(),
        ),
        None => Mute::Always,
    };
    contact(&node, key, Command::Mute { name, mute }).await
}

/// Takes the muting of a contact back.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/unmute",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn unmute(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Contact> {
    let mute = Mute::Off;
    contact(&node, key, Command::Mute { name, mute }).await
}

/// Erases the history with a contact in this home. What still waits for delivery stays.
#[utoipa::path(
    post,
    path = "/v1/contacts/{name}/clear",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Contact), NoContact)
)]
pub(super) async fn clear(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Contact> {
    contact(&node, key, Command::Clear { name }).await
}

/// Forgets a contact altogether: history, outbox, keys. It is a stranger from then on, and not told.
#[utoipa::path(
    delete,
    path = "/v1/contacts/{name}",
    tag = "people",
    params(Name, IdemKey),
    responses((status = 200, body = model::Removed), NoContact)
)]
pub(super) async fn remove(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Removed> {
    let answer = command(&node, key, Command::Remove { name }).await?;
    convert::removed(answer)
        .map(Json)
        .ok_or_else(Fault::unexpected)
}

/// What was told about a contact, oldest first, at most 64.
#[utoipa::path(
    get,
    path = "/v1/contacts/{name}/notices",
    tag = "people",
    params(Name),
    responses((status = 200, body = model::NoticeList), NoContact)
)]
pub(super) async fn notices(State(node): Node, Name(name): Name) -> Reply<model::NoticeList> {
    let views = node
        .handle
        .query(move |store| query::notices(store, &name))
        .await?
        .ok_or_else(no_contact)?;
    let notices = views.into_iter().map(convert::notice).collect();
    Ok(Json(model::NoticeList { notices }))
}

/// Has something done with a contact and says how it is kept from then on.
async fn contact(node: &Shared, key: Option<String>, wish: Command) -> Reply<model::Contact> {
    let Answer::Contact { account, .. } = command(node, key, wish).await? else {
        return Err(Fault::unexpected());
    };
    let found = node
        .handle
        .query(move |store| query::contact_of(store, &account))
        .await?;
    found
        .map(|view| Json(convert::contact(view)))
        .ok_or_else(no_contact)
}
