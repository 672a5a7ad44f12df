//! How long things are kept.

use super::{Node, Reply, command};
use crate::api::convert;
use crate::api::extract::{Body, IdemKey, Name};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::span;
use crate::api::table::{Forbidden, NoContact};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;
use waxwing_protocol::query;

/// Sets after which time what is sent from now on disappears, on both sides.
#[utoipa::path(
    put,
    path = "/v1/contacts/{name}/disappear",
    tag = "people",
    params(Name, IdemKey),
    request_body = model::DisappearRequest,
    responses((status = 200, body = model::Disappear), NoContact, Forbidden)
)]
pub(super) async fn disappear(
    State(node): Node,
    Name(name): Name,
    IdemKey(key): IdemKey,
    Body(body): Body<model::DisappearRequest>,
) -> Reply<model::Disappear> {
    let secs = match body.after.as_str() {
        "off" => 0,
        text => span::parse(text)
            .map(|span| span.as_secs())
            .ok_or_else(|| {
                Fault::invalid("invalid_duration", "`after` is no duration.")
                    .hint("write it as 30s, 10m, 24h or 7d, or `off`")
            })?,
    };
    let wish = Command::Disappear {
        name: name.clone(),
        secs,
    };
    let Answer::Timer { secs, .. } = command(&node, key, wish).await? else {
        return Err(Fault::unexpected());
    };
    // An address was understood too: the answer says the petname.
    let asked = name.clone();
    let found = node
        .handle
        .query(move |store| query::contact(store, &asked))
        .await?;
    Ok(Json(model::Disappear {
        name: found.map_or(name, |view| view.name),
        disappear_s: (secs > 0).then_some(secs),
    }))
}

/// Begins to copy the live rows of the database into a new one, so that nothing is left on the disk
/// of what was deleted; the node goes on meanwhile. `GET` tells when it is through.
#[utoipa::path(
    post,
    path = "/v1/compact",
    tag = "node",
    params(IdemKey),
    responses((status = 202, body = model::Compaction))
)]
pub(super) async fn compact(
    State(node): Node,
    // Twice is once: while one is under way no other is begun.
    IdemKey(_): IdemKey,
) -> Result<(StatusCode, Json<model::Compaction>), Fault> {
    let state = node.handle.compact().await?;
    Ok((StatusCode::ACCEPTED, Json(convert::compaction(state))))
}

/// How the compaction of the database stands.
#[utoipa::path(
    get,
    path = "/v1/compact",
    tag = "node",
    responses((status = 200, body = model::Compaction))
)]
pub(super) async fn compaction(State(node): Node) -> Json<model::Compaction> {
    Json(convert::compaction(node.handle.compaction()))
}
