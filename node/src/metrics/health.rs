//! How the node is, check by check.

use super::Sources;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use waxwing_protocol::query;

/// An engine that is well answers within milliseconds; one that is this late is stuck.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// One check.
#[derive(Serialize)]
pub(super) struct Check {
    check: &'static str,
    ok: bool,
    detail: String,
}

#[derive(Serialize)]
struct Health {
    ok: bool,
    checks: Vec<Check>,
}

/// All checks, and 503 if one of them failed.
pub(super) fn answer(checks: Vec<Check>) -> Response {
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Health { ok, checks })).into_response()
}

/// The engine and its store answer a question.
pub(super) async fn store(sources: &Sources) -> Check {
    let asked = sources.handle.query(query::me);
    let (ok, detail) = match tokio::time::timeout(ANSWER_TIME_MAX, asked).await {
        Ok(Ok(_)) => (true, "it answers".to_owned()),
        Ok(Err(error)) => (false, error.to_string()),
        Err(_) => (false, "it does not answer in time".to_owned()),
    };
    Check {
        check: "store",
        ok,
        detail,
    }
}

/// There is room to write.
pub(super) fn disk(sources: &Sources) -> Check {
    let (ok, detail) = match (sources.disk)() {
        Some(disk) if disk.read_only => {
            let free = disk.free_bytes;
            (false, format!("{free} bytes free: nothing is written"))
        }
        Some(disk) => (true, format!("{} bytes free", disk.free_bytes)),
        None => (false, "it cannot be told".to_owned()),
    };
    Check {
        check: "disk_space",
        ok,
        detail,
    }
}

/// The node listens somewhere.
pub(super) fn network(sources: &Sources) -> Check {
    let many = sources.info.listen.borrow().len();
    Check {
        check: "network",
        ok: many > 0,
        detail: format!("it listens on {many} addresses"),
    }
}
