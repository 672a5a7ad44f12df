//! `waxwing edit` and `waxwing delete`

use super::Context;
use super::send::content;
use crate::client::{Key, segment};
use crate::error::CliError;
use waxwing_node::api::model::{EditRequest, Sent};

/// Put another text in place of one that you sent.
///
/// The other side sees the new text, marked as edited. Whoever read the old one has read it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  waxwing edit k3fz… 'see you at eight'")]
pub struct Edit {
    /// The message, by its id; one of yours
    id: String,
    /// The text from now on; - reads it from stdin
    text: String,
}

/// Delete a message that you sent, here and on the other side.
///
/// Here it is gone at once. The other side is asked to delete it too: honest programs do, but nobody
/// can make somebody forget what they have read or copied.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  waxwing delete k3fz…")]
pub struct Delete {
    /// The message, by its id; one of yours
    id: String,
}

/// # Errors
/// [`CliError`] if there is no such message of ours, or the node is not there.
pub async fn edit(args: Edit, context: &Context) -> Result<(), CliError> {
    let text = content(args.text).await?;
    let path = format!("/v1/messages/{}/edit", segment(&args.id));
    let wish = EditRequest { text };
    let sent: Sent = context.client.post(&path, &wish, Key::Fresh).await?;
    context
        .out
        .object(&sent, || format!("edited  {}", context.out.dim(&sent.id)))
}

/// # Errors
/// [`CliError`] if there is no such message of ours, or the node is not there.
pub async fn delete(args: Delete, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/messages/{}/delete", segment(&args.id));
    let sent: Sent = context
        .client
        .post(&path, &serde_json::json!({}), Key::Fresh)
        .await?;
    context
        .out
        .object(&sent, || format!("deleted  {}", context.out.dim(&sent.id)))?;
    context
        .out
        .note("The other side is asked to delete it too; what was read or copied stays.");
    Ok(())
}
