//! The process itself: its end and its log.

use super::extract::Body;
use super::model;
use super::problem::Fault;
use super::routes::{Node, Reply};
use super::table::NoLog;
use crate::logs::{self, LogsError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// Asks the node to end well; it answers before it does.
#[utoipa::path(
    post,
    path = "/v1/stop",
    tag = "node",
    responses((status = 202, body = model::Stopping))
)]
pub(super) async fn stop(State(node): Node) -> (StatusCode, Json<model::Stopping>) {
    node.end.notify_one();
    (
        StatusCode::ACCEPTED,
        Json(model::Stopping { stopping: true }),
    )
}

/// What is logged.
#[utoipa::path(
    get,
    path = "/v1/log",
    tag = "node",
    responses((status = 200, body = model::Log), NoLog)
)]
pub(super) async fn log() -> Reply<model::Log> {
    let level = logs::level().ok_or(LogsError::NotStarted)?;
    Ok(Json(model::Log { level }))
}

/// Changes what is logged, while the node runs.
#[utoipa::path(
    put,
    path = "/v1/log",
    tag = "node",
    request_body = model::LogRequest,
    responses((status = 200, body = model::Log), NoLog)
)]
pub(super) async fn set_log(Body(body): Body<model::LogRequest>) -> Reply<model::Log> {
    logs::set_level(&body.level)?;
    Ok(Json(model::Log { level: body.level }))
}

impl From<LogsError> for Fault {
    fn from(error: LogsError) -> Self {
        match error {
            LogsError::Level(_) => Self::invalid("invalid_level", "That is no log level.")
                .hint(logs::LEVELS.join(", ")),
            LogsError::Started | LogsError::NotStarted => Self::new(
                StatusCode::CONFLICT,
                "no_log",
                "The process of this node does not log.",
            ),
        }
    }
}
