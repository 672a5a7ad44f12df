//! `waxwing search`

use super::{Context, read::limit};
use crate::client::segment;
use crate::error::CliError;
use crate::show::{self, Place};
use waxwing_node::api::model::MessageList;
use waxwing_protocol::limits::SEARCH_DEFAULT;

/// Find a text in everything that was said, newest first.
///
/// Finds every message that holds these characters anywhere in its text. Upper and lower case do
/// not matter, in any script. Nothing is marked as read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing search 'dinner on friday'
  waxwing search key --in bob --limit 5
  waxwing search key --json | jq -r '.contact + \": \" + .text'")]
pub struct Search {
    /// What to look for
    text: String,
    /// Only what was said with this contact
    #[arg(long = "in", value_name = "NAME")]
    contact: Option<String>,
    /// The newest so many, at most 10000 [default: 50]
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
    /// Only what stands before this message: go on from the last one shown
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

/// # Errors
/// [`CliError`] if there is no such contact or message, or the node is not there.
pub async fn run(args: Search, context: &Context) -> Result<(), CliError> {
    let limit = args.limit.unwrap_or(SEARCH_DEFAULT);
    let mut path = format!("/v1/search?text={}&limit={limit}", segment(&args.text));
    if let Some(contact) = &args.contact {
        path.push_str(&format!("&in={}", segment(contact)));
    }
    if let Some(before) = &args.before {
        path.push_str(&format!("&before={}", segment(before)));
    }
    let list: MessageList = context.client.get(&path).await?;
    show::messages(&list.messages, Place::Everywhere, context.out)?;
    match list.messages.last() {
        None => context.out.note("Nothing found."),
        Some(last) if list.messages.len() == limit => {
            let on = format!("There may be more: go on with --before {}", last.id);
            context.out.note(&on);
        }
        Some(_) => {}
    }
    Ok(())
}
