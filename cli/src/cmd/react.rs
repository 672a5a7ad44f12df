//! `waxwing react`

use super::Context;
use crate::client::{Key, segment};
use crate::error::CliError;
use waxwing_node::api::model::{ReactRequest, Sent};

/// React to a message with an emoji.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing react k3fz… 👍
  waxwing react k3fz… ''      takes it back")]
pub struct React {
    /// The message, by its id
    id: String,
    /// One emoji; empty takes your reaction back
    emoji: String,
}

/// # Errors
/// [`CliError`] if there is no such message, or the node is not there.
pub async fn run(args: React, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/messages/{}/reactions", segment(&args.id));
    let emoji = args.emoji;
    let sent: Sent = context
        .client
        .post(&path, &ReactRequest { emoji }, Key::Fresh)
        .await?;
    context.out.object(&sent, || {
        format!("{}  {}", sent.state.word(), context.out.dim(&sent.id))
    })
}
