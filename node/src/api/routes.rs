//! The routes under `/v1`: JSON to commands, views to JSON.

mod bridges;
mod contacts;
mod draft;
mod find;
mod history;
mod keep;
mod own;
mod people;
mod talk;
mod tokens;

use super::events;
use super::extract::BODY_BYTES_MAX;
use super::openapi;
use super::problem::Fault;
use super::process;
use super::server::Shared;
use super::table::{Scope, Table};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::{Json, Router};
use std::sync::Arc;
use utoipa_axum::routes;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;

pub(super) type Reply<T> = Result<Json<T>, Fault>;
pub(super) type Node = State<Arc<Shared>>;

/// Every route, with what it needs of who asks.
pub(super) fn table() -> Table {
    Table::new(openapi::frame())
        .route(Scope::Read, routes!(own::status))
        .route(Scope::Read.filtered(), routes!(own::id))
        .route(Scope::Owner, routes!(own::words))
        .route(Scope::Owner, routes!(own::words_written))
        .route(Scope::Admin, routes!(people::invite))
        .route(Scope::Read.filtered(), routes!(people::contacts))
        .route(Scope::Admin, routes!(people::add))
        .route(Scope::Read, routes!(people::contact))
        .route(Scope::Admin, routes!(people::block))
        .route(Scope::Read, routes!(contacts::safety))
        .route(Scope::Admin, routes!(contacts::verify))
        .route(Scope::Admin, routes!(contacts::unverify))
        .route(Scope::Read, routes!(contacts::notices))
        .route(Scope::Admin, routes!(contacts::rename))
        .route(Scope::Admin, routes!(contacts::clear))
        .route(Scope::Admin, routes!(contacts::remove))
        .route(Scope::Admin, routes!(contacts::mute))
        .route(Scope::Admin, routes!(contacts::unmute))
        .route(Scope::Read.filtered(), routes!(people::requests))
        .route(Scope::Admin, routes!(people::accept))
        .route(Scope::Admin, routes!(people::decline))
        .route(Scope::Admin, routes!(keep::disappear))
        .route(Scope::Read, routes!(keep::compaction))
        .route(Scope::Admin.dear(), routes!(keep::compact))
        .route(Scope::Read, routes!(talk::messages))
        .route(Scope::Send, routes!(talk::send))
        .route(Scope::Send, routes!(talk::mark_read))
        .route(Scope::Read, routes!(talk::message))
        .route(Scope::Send, routes!(talk::react))
        .route(Scope::Send, routes!(talk::edit))
        .route(Scope::Send, routes!(talk::delete))
        .route(Scope::Read, routes!(talk::why))
        .route(Scope::Read, routes!(draft::draft))
        .route(Scope::Send, routes!(draft::keep_draft))
        .route(Scope::Send, routes!(draft::forget_draft))
        .route(Scope::Send, routes!(draft::send_draft))
        .route(Scope::Read.dear(), routes!(history::history))
        .route(Scope::Admin.dear(), routes!(history::import))
        .route(Scope::Read.dear(), routes!(find::search))
        .route(Scope::Read.filtered(), routes!(events::events))
        .route(Scope::Read, routes!(bridges::bridges))
        .route(Scope::Admin, routes!(bridges::add_bridge))
        .route(Scope::Admin, routes!(bridges::remove_bridge))
        .route(Scope::Read, routes!(bridges::bridge))
        .route(Scope::Admin.dear(), routes!(tokens::create))
        .route(Scope::Admin, routes!(tokens::list))
        .route(Scope::Admin.dear(), routes!(tokens::revoke))
        .route(Scope::Admin, routes!(process::stop))
        .route(Scope::Admin, routes!(process::log))
        .route(Scope::Admin, routes!(process::set_log))
        .route(Scope::Read.filtered(), routes!(openapi::openapi))
}

/// Everything under `/v1`, without the guard.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let (router, _) = table().finish();
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

pub(super) fn no_contact() -> Fault {
    Fault::not_found("There is no contact of that name.").hint("`waxwing contacts` lists them")
}

pub(super) fn no_message() -> Fault {
    Fault::not_found("There is no message with that id.")
}

pub(super) fn created<T>(made: Option<T>) -> Result<(StatusCode, Json<T>), Fault> {
    made.map(|made| (StatusCode::CREATED, Json(made)))
        .ok_or_else(Fault::unexpected)
}

pub(super) async fn command(
    node: &Shared,
    key: Option<String>,
    command: Command,
) -> Result<Answer, Fault> {
    Ok(node.handle.command(key, command).await??)
}
