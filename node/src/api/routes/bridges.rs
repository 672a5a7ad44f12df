//! Bridges: those where this account keeps a mailbox, and this node as one for others.

use super::{Node, Reply, command};
use crate::api::convert;
use crate::api::extract::{Body, IdemKey, Pick};
use crate::api::model;
use crate::api::problem::Fault;
use crate::api::table::{BadDescriptor, Forbidden, NoBridge, NotBridge};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::time::Instant;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;
use waxwing_protocol::query;

/// The bridges at which this account keeps a mailbox.
#[utoipa::path(
    get,
    path = "/v1/bridges",
    tag = "bridges",
    responses((status = 200, body = model::BridgeList))
)]
pub(super) async fn bridges(State(node): Node) -> Reply<model::BridgeList> {
    let views = node.handle.query(query::bridges).await?;
    let bridges = views.into_iter().map(convert::bridge).collect();
    Ok(Json(model::BridgeList { bridges }))
}

/// Keeps a mailbox at a bridge from now on. Adding one that is there takes its newer descriptor.
#[utoipa::path(
    post,
    path = "/v1/bridges",
    tag = "bridges",
    params(IdemKey),
    request_body = model::BridgeRequest,
    responses((status = 201, body = model::Bridge), BadDescriptor, Forbidden)
)]
pub(super) async fn add_bridge(
    State(node): Node,
    IdemKey(key): IdemKey,
    Body(body): Body<model::BridgeRequest>,
) -> Result<(StatusCode, Json<model::Bridge>), Fault> {
    let descriptor = body.descriptor.trim().to_owned();
    let wish = Command::AddBridge { descriptor };
    let Answer::Bridge { bridge, .. } = command(&node, key, wish).await? else {
        return Err(Fault::unexpected());
    };
    let views = node.handle.query(query::bridges).await?;
    let added = views.into_iter().find(|view| view.bridge == bridge);
    // Under a key of yesterday it may have been given up since.
    let added = added.map(convert::bridge).ok_or_else(no_bridge)?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Gives up the mailbox at a bridge. What it still holds is fetched for a while yet.
#[utoipa::path(
    delete,
    path = "/v1/bridges/{bridge}",
    tag = "bridges",
    params(Pick, IdemKey),
    responses((status = 200, body = model::BridgeRemoved), NoBridge)
)]
pub(super) async fn remove_bridge(
    State(node): Node,
    Pick(bridge): Pick,
    IdemKey(key): IdemKey,
) -> Reply<model::BridgeRemoved> {
    let answer = command(&node, key, Command::RemoveBridge { bridge }).await?;
    convert::bridge_removed(answer)
        .map(Json)
        .ok_or_else(Fault::unexpected)
}

/// This node as a bridge for others.
#[utoipa::path(
    get,
    path = "/v1/bridge",
    tag = "bridges",
    responses((status = 200, body = model::Host), NotBridge)
)]
pub(super) async fn bridge(State(node): Node) -> Reply<model::Host> {
    let none = || {
        Fault::new(
            StatusCode::NOT_FOUND,
            "not_a_bridge",
            "This node is no bridge.",
        )
        .hint("`waxwing bridge up` starts one; `waxwing bridges` lists those that you use")
    };
    let settings = node.info.bridge.as_ref().ok_or_else(none)?;
    let view = node.handle.query(query::bridge).await?.ok_or_else(none)?;
    Ok(Json(model::Host {
        deposits_per_second: node.pace.per_second(Instant::now(), view.deposits),
        uptime_s: node.info.started.elapsed().as_secs(),
        connections: (node.info.connections)(),
        listen: node.info.listen.borrow().clone(),
        disk: node.disk.as_ref().and_then(|probe| probe()),
        ..convert::host(view, settings)
    }))
}

fn no_bridge() -> Fault {
    Fault::not_found("There is no such bridge.").hint("`waxwing bridges` lists those that you use")
}
