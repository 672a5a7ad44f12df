//! `waxwing requests`, `accept`, `decline`, `block`

use super::Context;
use crate::client::{Key, segment};
use crate::error::CliError;
use crate::text;
use crate::when;
use jiff::Zoned;
use waxwing_node::api::model::{Added, RequestList};

/// List who wants to become your contact.
#[derive(Debug, clap::Args)]
pub struct Requests {}

/// Accept a request.
#[derive(Debug, clap::Args)]
pub struct Accept {
    /// Who, as `requests` shows them
    name: String,
}

/// Decline a request. Whoever asked is not told.
#[derive(Debug, clap::Args)]
pub struct Decline {
    /// Who, as `requests` shows them
    name: String,
}

/// Block a contact or a requester. They are not told, and see nothing of it; what they send is not shown.
#[derive(Debug, clap::Args)]
pub struct Block {
    /// Who
    name: String,
}

/// # Errors
/// [`CliError`] if the node is not there.
pub async fn run(_: Requests, context: &Context) -> Result<(), CliError> {
    let list: RequestList = context.client.get("/v1/requests").await?;
    let now = Zoned::now();
    for request in &list.requests {
        context.out.object(request, || {
            let name = context.out.bold(&text::line(&request.name));
            let at = when::date_clock(&request.received_at, &now);
            let mut lines = format!("{name}  asked {at}");
            if !request.note.is_empty() {
                lines.push_str(&format!("\n  says: {}", text::line(&request.note)));
            }
            lines.push_str(&format!("\n  safety number: {}", request.safety_number));
            lines
        })?;
    }
    if list.requests.is_empty() {
        context.out.note("Nobody is waiting.");
    } else {
        context
            .out
            .note("`waxwing accept NAME`, `waxwing decline NAME` or `waxwing block NAME`");
    }
    Ok(())
}

/// # Errors
/// [`CliError`] if there is no such request, or the node is not there.
pub async fn accept(args: Accept, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/requests/{}/accept", segment(&args.name));
    decide(&path, "is your contact now", context).await
}

/// # Errors
/// [`CliError`] if there is no such request, or the node is not there.
pub async fn decline(args: Decline, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/requests/{}/decline", segment(&args.name));
    decide(&path, "was declined", context).await
}

/// # Errors
/// [`CliError`] if there is no such contact or request, or the node is not there.
pub async fn block(args: Block, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/contacts/{}/block", segment(&args.name));
    decide(&path, "is blocked", context).await
}

async fn decide(path: &str, became: &str, context: &Context) -> Result<(), CliError> {
    let added: Added = context
        .client
        .post(path, &serde_json::json!({}), Key::Fresh)
        .await?;
    context
        .out
        .object(&added, || format!("{} {became}.", text::line(&added.name)))
}
