//! `GET /v1/openapi.json`: the API as an OpenAPI document.

use super::model;
use super::routes;
use axum::http::{HeaderName, header};
use std::sync::LazyLock;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa::{Modify, OpenApi as _};

/// Text of the document, made when somebody first asks for it.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let (_, document) = routes::table().finish();
    // The document is made of plain strings and maps: writing it cannot fail.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

/// What the document says beside its routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Waxwing, local API",
        description = "What a node of Waxwing offers to programs of its owner, on loopback TCP and on a \
            Unix socket in its home. Every error is an `application/problem+json`; an unknown path is a \
            404, an unknown method a 405 of that kind. A request that is no HTTP/1.1, or whose head is \
            larger than 32 KiB, is refused before it reaches a route, without a body.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "node", description = "The node and its process"),
        (name = "account", description = "This account"),
        (name = "people", description = "Contacts, requests, invites"),
        (name = "messages", description = "Conversations"),
        (name = "events", description = "What changes"),
        (name = "bridges", description = "Where letters wait while a node is away"),
        (name = "tokens", description = "What programs may do"),
    ),
    components(schemas(model::Event, model::Problem)),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Frame;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The token in `api-token` of the home, or one that `POST /v1/tokens` made. The Unix socket needs \
                none of the node's own user; one that is shown counts there too.",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The document before any route is in it.
pub(super) fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    document.info.contact = None;
    // The last kind of change is for readers of newer nodes; no node says it.
    let schemas = document.components.as_mut().map(|all| &mut all.schemas);
    if let Some(RefOr::T(Schema::OneOf(kinds))) = schemas.and_then(|all| all.get_mut("Change")) {
        kinds.items.pop();
    }
    document
}

/// This document.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "node",
    responses((status = 200, description = "An OpenAPI document.", body = Object))
)]
pub(super) async fn openapi() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], &TEXT)
}
