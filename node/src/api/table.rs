//! The table of routes: each with what it needs of its caller, and with its place in the document.
//!
//! A route gets in here or nowhere. `routes!` takes a handler only with its `#[utoipa::path]`, and
//! [`Table::route`] only with a [`Scope`]: what forgets one of the two does not compile. What all
//! routes may answer is added to the document here, so that a handler's annotation names only
//! what is its own.

use super::caller;
pub(super) use super::caller::{Needs, Scope};
use super::problem::Fault;
use super::server::Shared;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::IntoResponses;
use utoipa::Number;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, Header, Object, OpenApi, Ref, RefOr, Response, Schema, Type};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// Routes and their document.
pub(super) struct Table(OpenApiRouter<Arc<Shared>>);

impl Table {
    pub(super) fn new(document: OpenApi) -> Self {
        Self(OpenApiRouter::with_openapi(document))
    }

    /// Adds the routes of one path.
    pub(super) fn route(
        self,
        needs: impl Into<Needs>,
        (schemas, mut paths, methods): UtoipaMethodRouter<Arc<Shared>>,
    ) -> Self {
        let needs = needs.into();
        for item in paths.paths.values_mut() {
            for operation in operations(item) {
                complete(operation);
                tell(needs, operation);
            }
        }
        let methods = methods.route_layer(middleware::from_fn_with_state(needs, caller::allow));
        Self(self.0.routes((schemas, paths, methods)))
    }

    /// The routes, and the document that describes them.
    pub(super) fn finish(self) -> (Router<Arc<Shared>>, OpenApi) {
        let (router, mut document) = self.0.split_for_parts();
        let components = document.components.get_or_insert_default();
        for (name, schema) in &mut components.schemas {
            // The one answer with a field that may be missing.
            if name != "Problem" {
                require_all(schema);
            }
            count(schema);
        }
        for (status, name, text) in COMMON {
            let mut response = problem(text);
            if status == 429 {
                response
                    .headers
                    .insert("Retry-After".to_owned(), retry_after());
            }
            components
                .responses
                .insert(name.to_owned(), response.into());
        }
        let router = router
            .method_not_allowed_fallback(async || {
                Fault::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    "This path knows other methods.",
                )
            })
            .fallback(async || Fault::not_found("There is nothing at this path."));
        (router, document)
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// What every route of its kind may answer: status, name in the document, words.
const COMMON: [(u16, &str, &str); 12] = [
    (
        400,
        "Invalid",
        "A parameter or the body does not fit, or makes no sense.",
    ),
    (
        401,
        "Unauthorized",
        "No token, one that this node does not know, or one that has expired.",
    ),
    (
        403,
        "NotAllowed",
        "A host, origin or site that may not ask this node, or a token that allows less.",
    ),
    (
        409,
        "Conflict",
        "The key was used for another command, or this clashes with what is there.",
    ),
    (413, "TooLarge", "The body is larger than 256 KiB."),
    (415, "NotJson", "The body is not `application/json`."),
    (
        422,
        "Misshapen",
        "The body is JSON, but not of the right shape.",
    ),
    (
        429,
        "TooFast",
        "This token may not ask that often, or too many wrong ones were shown.",
    ),
    (500, "Failed", "The node failed: its log says how."),
    (503, "NotReady", "The node is starting or ending."),
    (504, "Late", "The node did not answer in time."),
    (
        507,
        "DiskFull",
        "The disk is nearly full: reading works, writing does not.",
    ),
];

/// Adds what every route of its kind may answer.
fn complete(operation: &mut Operation) {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let fitted = !parameters.is_empty() || operation.request_body.is_some();
    let keyed = parameters.iter().any(|parameter| {
        matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Header && it.name == KEY)
    });
    let bodied = operation.request_body.is_some();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            if let RefOr::T(Content {
                schema: Some(schema),
                ..
            }) = content
            {
                not_null(schema);
            }
        }
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(Parameter {
            schema: Some(schema),
            ..
        }) = parameter
        {
            count(schema);
        }
    }
    for (status, name, _) in COMMON {
        let may = match status {
            400 => fitted,
            409 | 507 => keyed,
            413 | 415 | 422 => bodied,
            _ => true,
        };
        if may {
            let responses = &mut operation.responses.responses;
            let common = || Ref::from_response_name(name).into();
            responses.entry(status.to_string()).or_insert_with(common);
        }
    }
    name_success(operation);
}

/// A body that may be left out is not one that may be `null`.
fn not_null(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::OneOf(any)) = schema {
        let it = any.items.iter().find(|item| matches!(item, RefOr::Ref(_)));
        *schema = it.cloned().unwrap_or_else(|| schema.clone());
    }
}

/// Counts are 64 bits without a sign.
fn count(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            if object.format == Some(SchemaFormat::KnownFormat(KnownFormat::Int64)) {
                object.format = Some(SchemaFormat::Custom("uint64".to_owned()));
                object.maximum.get_or_insert(Number::UInt(usize::MAX));
            }
            object.properties.values_mut().for_each(count);
        }
        RefOr::T(Schema::OneOf(any)) => any.items.iter_mut().for_each(count),
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(count),
        _ => {}
    }
}

/// Says which scope an operation needs.
fn tell(needs: Needs, operation: &mut Operation) {
    let scope = needs.scope;
    let mut text = match scope {
        Scope::Owner => "For the owner alone; no token of a program will do.".to_owned(),
        scope => format!("Needs the scope `{}`.", scope.word()),
    };
    if needs.dear {
        text.push_str(" Costly: counts tenfold against a token's rate.");
    }
    let told = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{told}\n\n{text}").trim().to_owned());
    operation.security = Some(vec![SecurityRequirement::new("token", [scope.word()])]);
}

/// What has no value is `null` in an answer, never missing; only bodies of requests, which take no
/// unknown fields, leave things out.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) if object.additional_properties.is_none() => {
            object.required = object.properties.keys().cloned().collect();
        }
        RefOr::T(Schema::OneOf(any)) => any.items.iter_mut().for_each(require_all),
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        _ => {}
    }
}

/// A success that says nothing of itself is named by its status.
fn name_success(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let reason = status
            .parse()
            .ok()
            .and_then(|status: u16| StatusCode::from_u16(status).ok()?.canonical_reason());
        if let (RefOr::T(response), Some(reason)) = (response, reason)
            && response.description.is_empty()
        {
            response.description = format!("{reason}.");
        }
    }
}

/// The header that makes a POST act once.
pub(super) const KEY: &str = "Idempotency-Key";

/// An answer that is a problem.
fn problem(text: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    Response::builder()
        .description(text)
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}

fn retry_after() -> RefOr<Header> {
    let seconds = Object::builder()
        .schema_type(Type::Integer)
        .minimum(Some(1));
    let mut header = Header::new(seconds);
    header.description = Some("Seconds to wait.".to_owned());
    header.into()
}

/// Answers of handlers that came to nothing, for `responses(…)` of an annotation.
macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:literal;)+) => {$(
        $(#[doc = $doc])+
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let text = [$($doc.trim()),+].join(" ");
                BTreeMap::from([($status.to_string(), problem(&text).into())])
            }
        }
    )+};
}

problems! {
    /// There is no contact of that name.
    NoContact = 404;
    /// There is no message with that id.
    NoMessage = 404;
    /// There is no contact of that name, or no message with that id.
    NoContactOrMessage = 404;
    /// There is no contact of that name, or no draft to it.
    NoContactOrDraft = 404;
    /// The recovery words are no longer in the home.
    NoWords = 404;
    /// A rule or a limit forbids it: blocked, not accepted yet, too many already.
    Forbidden = 403;
    /// The text is longer than 32 KiB, or the body larger than 256 KiB.
    TooLong = 413;
    /// The change log does not reach back, or not yet forward, to that cursor.
    Resync = 410;
    /// The keys of the contact are not known yet.
    KeysUnknown = 409;
    /// The process of this node does not log.
    NoLog = 409;
    /// There is no token with that id.
    NoToken = 404;
    /// The token would be allowed more than the one that asks, or there are too many.
    Beyond = 403;
    /// That is no bridge's descriptor, or one that is out of date.
    BadDescriptor = 400;
    /// No bridge of that id or operator is used.
    NoBridge = 404;
    /// This node is no bridge.
    NotBridge = 404;
    /// The disk is nearly full.
    DiskFull = 507;
}
