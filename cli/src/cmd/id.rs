//! `waxwing id`

use super::Context;
use crate::error::{CliError, Kind};
use crate::text;
use waxwing_node::api::model;

/// Show who you are: your address, your name, this device.
///
/// Works without a running node too.
#[derive(Debug, clap::Args)]
pub struct Id {}

/// # Errors
/// [`CliError`] if neither the node nor the home can tell.
pub async fn run(_: Id, context: &Context) -> Result<(), CliError> {
    let id = match context.client.get::<model::Id>("/v1/id").await {
        Err(error) if error.kind == Kind::Unreachable => {
            super::offline_id(&context.home).ok_or(error)?
        }
        other => other?,
    };
    context.out.object(&id, || {
        format!(
            "{}\naccount  {}\ndevice   {}\npeer     {}",
            context.out.bold(&text::line(&id.name)),
            id.account,
            id.device,
            id.peer.as_deref().unwrap_or("unknown"),
        )
    })
}
