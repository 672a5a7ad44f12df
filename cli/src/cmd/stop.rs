//! `waxwing stop`

use super::Context;
use crate::args::duration;
use crate::client::Key;
use crate::error::CliError;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use waxwing_node::api::model::Stopping;
use waxwing_node::offline;

/// How often to look whether the node has gone.
const POLL: Duration = Duration::from_millis(50);

/// End the running node, and wait until its home is free.
///
/// It finishes what it was asked, as at Ctrl-C. Afterwards the home can be copied or moved.
#[derive(Debug, clap::Args)]
pub struct Stop {
    /// Wait this long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// # Errors
/// [`CliError`] of kind `Unreachable` if no node runs, `Timeout` if it does not end in time.
pub async fn run(args: Stop, context: &Context) -> Result<(), CliError> {
    let until = Instant::now() + args.timeout;
    let _: Stopping = context
        .client
        .post("/v1/stop", &json!({}), Key::None)
        .await?;
    while !gone(context)? {
        if Instant::now() >= until {
            return Err(
                CliError::timeout("the node was asked to end and has not ended yet")
                    .hint("`waxwing status` tells whether it still answers"),
            );
        }
        sleep(POLL).await;
    }
    context
        .out
        .object(&json!({ "stopped": true }), || "stopped".to_owned())
}

/// Its socket goes first, the lock of its home last.
fn gone(context: &Context) -> Result<bool, CliError> {
    if context.home.join("api.sock").exists() {
        return Ok(false);
    }
    offline::is_free(&context.home)
        .map_err(|error| CliError::failed("home", format!("cannot look at the home: {error}")))
}
