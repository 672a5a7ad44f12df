//! `waxwing log-level`

use super::Context;
use crate::error::CliError;
use crate::text;
use waxwing_node::api::model::{Log, LogRequest};
use waxwing_node::logs::LEVELS;

/// Show what the running node logs, or change it until it ends.
#[derive(Debug, clap::Args)]
pub struct LogLevel {
    /// What to log from now on
    #[arg(value_parser = LEVELS)]
    level: Option<String>,
}

/// # Errors
/// [`CliError`] if no node runs.
pub async fn run(args: LogLevel, context: &Context) -> Result<(), CliError> {
    let log: Log = match args.level {
        Some(level) => context.client.put("/v1/log", &LogRequest { level }).await?,
        None => context.client.get("/v1/log").await?,
    };
    context.out.object(&log, || text::line(&log.level))
}
