//! The process itself: its end and its log.

use super::extract::Body;
use super::model;
use super::problem::Fault;
use super::routes::{Node, Reply};
use crate::logs::{self, LogsError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// Asks the node to end well; it answers before it does.
pub(super) async fn stop(State(node): Node) -> (StatusCode, Json<model::Stopping>) {
    node.end.notify_one();
    (
        StatusCode::ACCEPTED,
        Json(model::Stopping { stopping: true }),
    )
}

pub(super) async fn log() -> Reply<model::Log> {
    let level = logs::level().ok_or(LogsError::NotStarted)?;
    Ok(Json(model::Log { level }))
}

pub(super) async fn set_log(Body(body): Body<model::Log>) -> Reply<model::Log> {
    logs::set_level(&body.level)?;
    Ok(Json(body))
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
