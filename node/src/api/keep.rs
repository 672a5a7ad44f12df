//! How long things are kept.

use super::extract::{Body, Name};
use super::model;
use super::problem::Fault;
use super::routes::{Node, Reply};
use super::span;
use axum::Json;
use axum::extract::State;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::Answer;

/// Sets after which time what is sent from now on disappears, on both sides.
pub(super) async fn disappear(
    State(node): Node,
    Name(name): Name,
    Body(body): Body<model::DisappearRequest>,
) -> Reply<model::Disappear> {
    let secs = match body.after.as_str() {
        "off" => 0,
        text => span::parse(text)
            .map(|span| span.as_secs())
            .ok_or_else(|| {
                Fault::invalid("invalid_duration", "`after` is no duration.")
                    .hint("write it as 30s, 10m, 24h or 7d, or `off`")
            })?,
    };
    let wish = Command::Disappear {
        name: name.clone(),
        secs,
    };
    // The same again changes nothing, so it needs no key.
    match node.handle.command(None, wish).await?? {
        Answer::Timer { secs, .. } => Ok(Json(model::Disappear {
            name,
            disappear_s: (secs > 0).then_some(secs),
        })),
        _ => Err(Fault::unexpected()),
    }
}
