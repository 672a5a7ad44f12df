//! Routes about one contact: who it is, how it is kept, what its owner was told.

use super::convert;
use super::extract::{Body, IdemKey, Name};
use super::model;
use super::problem::Fault;
use super::routes::{Node, Reply, command, no_contact};
use super::server::Shared;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::Arc;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;
use waxwing_protocol::query;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/contacts/{name}/safety", get(safety))
        .route("/v1/contacts/{name}/verify", post(verify))
        .route("/v1/contacts/{name}/unverify", post(unverify))
        .route("/v1/contacts/{name}/notices", get(notices))
}

async fn safety(State(node): Node, Name(name): Name) -> Reply<model::Safety> {
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

async fn verify(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::VerifyRequest>,
) -> Reply<model::Contact> {
    let compared = Some(body.safety_number);
    contact(&node, key, Command::Verify { name, compared }).await
}

async fn unverify(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
) -> Reply<model::Contact> {
    let compared = None;
    contact(&node, key, Command::Verify { name, compared }).await
}

async fn notices(State(node): Node, Name(name): Name) -> Reply<model::NoticeList> {
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
