//! Errors as `application/problem+json` (RFC 9457).

use super::model::Problem;
use crate::runtime::EngineError;
use crate::tokens::bucket;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use waxwing_protocol::output::{Refusal, RefusalKind};
use waxwing_protocol::store::StoreError;
use waxwing_protocol::time::Millis;

/// A request that came to nothing. Boxed: it is the rare side of every `Result`.
#[derive(Debug)]
pub(super) struct Fault(Box<Problem>, Option<u64>);

impl Fault {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        let problem = Problem {
            kind: format!("urn:waxwing:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            hint: None,
        };
        Self(Box::new(problem), None)
    }

    /// Too fast: to be asked again after so many milliseconds.
    pub(super) fn too_many(code: &str, detail: &str, wait: Millis) -> Self {
        let mut fault = Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
        fault.1 = Some(bucket::seconds(wait));
        fault
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(super) fn invalid(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// The engine answered a command with an answer of another kind: a mistake in this program.
    pub(super) fn unexpected() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The node gave an answer that does not fit the question.",
        )
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.1 {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Policy if refusal.code == "text_too_long" => StatusCode::PAYLOAD_TOO_LARGE,
            RefusalKind::Policy => StatusCode::FORBIDDEN,
        };
        let fault = Self::new(status, &refusal.code, refusal.message);
        match refusal.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Gone => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "shutting_down",
                "The node is shutting down.",
            ),
            EngineError::ReadOnly | EngineError::Store(StoreError::Full) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                "The disk is nearly full: reading works, writing does not.",
            )
            .hint("free some space; the node goes on by itself"),
            // What the disk said may name paths and rows: it stays in the log.
            EngineError::Store(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_failed",
                "The node's store failed while reading.",
            )
            .hint("see the node's log"),
        }
    }
}
