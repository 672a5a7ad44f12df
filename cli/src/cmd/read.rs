//! `waxwing read`

use super::Context;
use crate::client::{Key, segment};
use crate::error::CliError;
use crate::show::{self, Place};
use waxwing_node::api::model::{Contact, Marked, Message, MessageList, ReadRequest, State};
use waxwing_protocol::limits::{READ_DEFAULT, READ_MAX};

/// Read what was said, oldest first.
///
/// Shows the newest 50 messages, or more if more are unread, and marks as read exactly what it
/// showed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing read bob
  waxwing read bob --limit 200
  waxwing read bob --peek --json | jq -r .text")]
pub struct Read {
    /// Whose conversation
    name: String,
    /// The newest so many, at most 10000
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
    /// Only what arrived after this cursor
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// Only what stands before this message
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Do not mark anything as read
    #[arg(long)]
    peek: bool,
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if (1..=READ_MAX).contains(&limit) => Ok(limit),
        _ => Err(format!("a limit is 1 to {READ_MAX}")),
    }
}

/// # Errors
/// [`CliError`] if there is no such contact, or the node is not there.
pub async fn run(args: Read, context: &Context) -> Result<(), CliError> {
    let name = segment(&args.name);
    let contact: Contact = context.client.get(&format!("/v1/contacts/{name}")).await?;
    let unread = usize::try_from(contact.unread).unwrap_or(READ_MAX);
    let limit = args.limit.unwrap_or(unread.clamp(READ_DEFAULT, READ_MAX));
    let mut path = format!("/v1/contacts/{name}/messages?limit={limit}");
    if let Some(after) = args.after {
        path.push_str(&format!("&after={after}"));
    }
    if let Some(before) = &args.before {
        path.push_str(&format!("&before={}", segment(before)));
    }
    let list: MessageList = context.client.get(&path).await?;
    show::messages(&list.messages, Place::Conversation, context.out)?;
    if list.messages.is_empty() {
        context.out.note("Nothing here.");
    }
    if args.peek {
        return Ok(());
    }
    let Some(upto) = last_unread(&list.messages) else {
        return Ok(());
    };
    // Marking goes from the beginning to one message: if unread ones were left out, that would
    // tell their author something untrue.
    let now_unread: Contact = context.client.get(&format!("/v1/contacts/{name}")).await?;
    if count_unread(&list.messages) < now_unread.unread {
        context.out.note(
            "There is more unread than was shown, so nothing is marked as read yet: \
             `waxwing read` without limits shows it all.",
        );
        return Ok(());
    }
    let wish = ReadRequest {
        upto: Some(upto.to_owned()),
    };
    let path = format!("/v1/contacts/{name}/read");
    match context
        .client
        .post::<_, Marked>(&path, &wish, Key::None)
        .await
    {
        // Reading works on a full disk; they stay unread.
        Err(error) if error.code == "disk_full" => {
            context
                .out
                .note("The disk is full, so they stay marked as unread.");
            Ok(())
        }
        marked => marked.map(|_| ()),
    }
}

fn is_unread(message: &Message) -> bool {
    !message.mine && !message.imported && message.state == State::Delivered
}

fn last_unread(messages: &[Message]) -> Option<&str> {
    let last = messages.iter().rfind(|message| is_unread(message));
    last.map(|message| message.id.as_str())
}

fn count_unread(messages: &[Message]) -> u64 {
    let count = messages.iter().filter(|message| is_unread(message)).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}
