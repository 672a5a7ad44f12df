//! Reading requests: bodies, queries, headers, ids. Every refusal is a problem, never plain text.

use super::caller::{Caller, OnlyAbout};
use super::model;
use super::problem::Fault;
use super::table::KEY;
use crate::tokens::TokenId;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};
use utoipa::{IntoParams, PartialSchema};
use waxwing_protocol::crypto::derive::COMMAND;
use waxwing_protocol::crypto::hash::hash;
use waxwing_protocol::id::{Mid, to_base32};
use waxwing_protocol::limits::KEY_BYTES_MAX;

/// Largest request body. The longest text is 32 KiB; written in JSON escapes it takes six times
/// that.
pub(super) const BODY_BYTES_MAX: usize = 256 * 1024;

/// A JSON body. An empty one reads as `{}`, so that a POST without wishes needs none.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        if bytes.is_empty() {
            return parse(b"{}").map(Self);
        }
        // A form of another site can post text without asking; it cannot post JSON.
        if !json {
            return Err(Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "The body has to be JSON.",
            )
            .hint("send `Content-Type: application/json`"));
        }
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let essence = text.and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn unread(rejection: BytesRejection) -> Fault {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("The body is larger than {BODY_BYTES_MAX} bytes."),
        )
    } else {
        Fault::invalid("body_unread", "The body could not be read.")
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    // Derived readers take an array for an object with its fields in order: nobody may rely on that.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Fault::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_body",
            "The body has to be a JSON object.",
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let status = match error.classify() {
            Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            Category::Io | Category::Syntax | Category::Eof => StatusCode::BAD_REQUEST,
        };
        Fault::new(
            status,
            "invalid_body",
            format!("The body does not fit: {error}."),
        )
    })
}

/// Parameters after `?`.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Fault::invalid(
                "invalid_query",
                format!("The query does not fit: {}.", rejection.body_text()),
            )),
        }
    }
}

/// The one variable part of a path: a name.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        if let Some(OnlyAbout(address)) = parts.extensions.get() {
            return Ok(Self(address.clone()));
        }
        part(parts, state).await.map(Self)
    }
}

/// The one variable part of a path.
async fn part<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Fault> {
    match Path::<String>::from_request_parts(parts, state).await {
        Ok(Path(part)) => Ok(part),
        Err(_) => Err(Fault::invalid(
            "invalid_path",
            "The path holds a name that is no UTF-8.",
        )),
    }
}

/// The one variable part of a path: a message id.
pub(super) struct Id(pub(super) Mid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let text = part(parts, state).await?;
        mid(&text).map(Self)
    }
}

/// The one variable part of a path: a token's id.
pub(super) struct Which(pub(super) TokenId);

impl<S: Send + Sync> FromRequestParts<S> for Which {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let text = part(parts, state).await?;
        TokenId::from_text(&text).map(Self).ok_or_else(|| {
            Fault::invalid("invalid_id", "That is no token's id.")
                .hint("ids are 16 characters of a-z and 2-7, as `waxwing token list` shows them")
        })
    }
}

/// The one variable part of a path: what picks a bridge out of those that are used.
pub(super) struct Pick(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Pick {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        part(parts, state).await.map(Self)
    }
}

/// A message id from its text.
pub(super) fn mid(text: &str) -> Result<Mid, Fault> {
    Mid::from_text(text).ok_or_else(|| {
        Fault::invalid("invalid_id", "That is no message id.")
            .hint("ids are 26 characters of a-z and 2-7, as `read --json` shows them")
    })
}

/// The `Idempotency-Key` header.
pub(super) struct IdemKey(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdemKey {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let Some(value) = parts.headers.get(KEY) else {
            return Ok(Self(None));
        };
        match value.to_str() {
            Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => {
                let caller = parts.extensions.get::<Caller>();
                Ok(Self(Some(match caller.and_then(Caller::token) {
                    Some(token) => own_key(token.id, key),
                    None => key.to_owned(),
                })))
            }
            _ => Err(Fault::invalid(
                "invalid_key",
                format!("An Idempotency-Key is 1 to {KEY_BYTES_MAX} visible ASCII characters."),
            )),
        }
    }
}

/// A program's keys are its own: what others did under the same key is not for it to see.
fn own_key(token: TokenId, key: &str) -> String {
    to_base32(&hash(COMMAND, &[b"token", &token.0, key.as_bytes()]).0)
}

impl IntoParams for Name {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1));
        let name = Parameter::builder()
            .name("name")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("A petname; case does not matter. Where something is to be done, the address of an account is understood too."))
            .schema(Some(schema));
        vec![name.build()]
    }
}

impl IntoParams for Id {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = Parameter::builder()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(model::MessageId::schema()));
        vec![id.build()]
    }
}

impl IntoParams for Which {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = Parameter::builder()
            .name("token")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(model::TokenId::schema()));
        vec![id.build()]
    }
}

impl IntoParams for Pick {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1));
        let bridge = Parameter::builder()
            .name("bridge")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(
                "Its id, the beginning of it, or its operator if no other bridge has that one.",
            ))
            .schema(Some(schema));
        vec![bridge.build()]
    }
}

impl IntoParams for IdemKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(KEY_BYTES_MAX))
            .pattern(Some("^[\t -~]*[!-~][\t -~]*$"));
        let key = Parameter::builder()
            .name(KEY)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "The same key gives the same answer and acts once, for 24 hours.",
            ))
            .schema(Some(schema));
        vec![key.build()]
    }
}
