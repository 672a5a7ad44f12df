//! This account, its node, its recovery words.

use super::{Node, Reply, command};
use crate::api::convert;
use crate::api::extract::IdemKey;
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::table::NoWords;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use waxwing_protocol::input::Command;
use waxwing_protocol::query::{self, Me};

/// This node in figures.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "node",
    responses((status = 200, body = model::Status))
)]
pub(super) async fn status(State(node): Node) -> Reply<model::Status> {
    let (me, figures) = node
        .handle
        .query(|store| Ok((query::me(store)?, query::status(store)?)))
        .await?;
    let me = account(me)?;
    let listen = node.info.listen.borrow().clone();
    let reach = node.info.reachability.borrow().clone();
    Ok(Json(model::Status {
        account: me.address,
        name: me.name,
        peer: convert::peer_id(&me.peer),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: node.info.started.elapsed().as_secs(),
        reachability: reach.reachable.word().to_owned(),
        reachability_why: reach.why,
        nat: reach.nat.word().to_owned(),
        relays: convert::relays(reach.relays),
        roles: node
            .info
            .roles
            .names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
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

/// This account and device.
#[utoipa::path(
    get,
    path = "/v1/id",
    tag = "account",
    responses((status = 200, body = model::Id))
)]
pub(super) async fn id(State(node): Node) -> Reply<model::Id> {
    let me = account(node.handle.query(query::me).await?)?;
    Ok(Json(convert::id(&me)))
}

/// The recovery words, while the home still has them.
#[utoipa::path(
    get,
    path = "/v1/words",
    tag = "account",
    responses((status = 200, body = model::Words), NoWords)
)]
pub(super) async fn words(State(node): Node) -> Reply<model::Words> {
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

/// The recovery words are on paper: erases them from the home.
#[utoipa::path(
    post,
    path = "/v1/words/written",
    tag = "account",
    params(IdemKey),
    responses((status = 200, body = model::WordsWritten))
)]
pub(super) async fn words_written(
    State(node): Node,
    IdemKey(key): IdemKey,
) -> Reply<model::WordsWritten> {
    command(&node, key, Command::WordsWritten).await?;
    Ok(Json(model::WordsWritten { erased: true }))
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
