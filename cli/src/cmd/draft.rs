//! `waxwing draft`

use super::Context;
use super::send::content;
use crate::client::{Key, segment};
use crate::error::CliError;
use crate::text;
use serde_json::json;
use waxwing_node::api::model::{Draft as Kept, DraftRequest, Sent};

/// Keep a text for later, or show what was kept.
///
/// One text for each contact. It stays in your home, sealed like your messages, until you send it,
/// replace it or take it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing draft bob 'what I meant to say is'
  waxwing draft bob
  waxwing draft bob --send")]
pub struct Draft {
    /// To whom
    name: String,
    /// What to keep; - reads it from stdin
    text: Option<String>,
    /// Send what was kept
    #[arg(long, conflicts_with_all = ["text", "clear"])]
    send: bool,
    /// Take back what was kept
    #[arg(long, conflicts_with = "text")]
    clear: bool,
}

/// # Errors
/// [`CliError`] if there is no such contact, or nothing to send, or the node is not there.
pub async fn run(args: Draft, context: &Context) -> Result<(), CliError> {
    let path = path(&args.name);
    let out = context.out;
    if args.send {
        let path = format!("{path}/send");
        let sent: Sent = context.client.post(&path, &json!({}), Key::Fresh).await?;
        return out.object(&sent, || {
            format!("{}  {}", sent.state.word(), out.dim(&sent.id))
        });
    }
    let kept: Kept = if args.clear {
        context.client.delete(&path).await?
    } else if let Some(text) = args.text {
        let text = content(text).await?;
        context.client.put(&path, &DraftRequest { text }).await?
    } else {
        let kept: Kept = context.client.get(&path).await?;
        if out.is_json() {
            return out.object(&kept, String::new);
        }
        return match &kept.text {
            Some(kept) => out.line(&text::block(kept)),
            None => {
                out.note("There is no draft.");
                Ok(())
            }
        };
    };
    if out.is_json() {
        return out.object(&kept, String::new);
    }
    out.note(match kept.text {
        Some(_) => "Kept.",
        None => "There is no draft now.",
    });
    Ok(())
}

/// Where the draft to a contact is.
pub(super) fn path(name: &str) -> String {
    format!("/v1/contacts/{}/draft", segment(name))
}
