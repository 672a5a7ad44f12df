//! `waxwing send` and `waxwing reply`

use super::{Context, Waited, interrupt};
use crate::args::{self, Wanted};
use crate::client::{Key, random_key, segment};
use crate::error::{CliError, Kind};
use crate::events::Subscription;
use std::io::Read as _;
use std::time::Duration;
use waxwing_node::api::model::{Change, Message, SendRequest, Sent, State};
use waxwing_protocol::limits::TEXT_BYTES_MAX;

/// Send a text.
///
/// It is safe in your home as soon as this command ends, and travels on by itself, also after a
/// restart, until it is delivered or 30 days have passed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing send bob 'are you there?'
  fortune | waxwing send bob -
  waxwing send bob 'ping' --wait delivered --timeout 10s")]
pub struct Send {
    /// To whom
    name: String,
    /// What to say; - reads it from stdin
    text: String,
    #[command(flatten)]
    how: How,
}

/// Answer a message.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  waxwing reply k3fz… 'yes, I am'")]
pub struct Reply {
    /// The message, by its id
    id: String,
    /// What to say; - reads it from stdin
    text: String,
    #[command(flatten)]
    how: How,
}

/// How to send.
#[derive(Debug, clap::Args)]
struct How {
    /// Wait until the message has come so far
    #[arg(long, value_name = "STATE")]
    wait: Option<Wanted>,
    /// Wait so long at most; the message goes on travelling
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = args::duration)]
    timeout: Duration,
    /// Sent twice under the same key within a day, it is one message
    #[arg(long)]
    key: Option<String>,
}

/// # Errors
/// [`CliError`] if the node is not there or refuses, or, with `--wait`, if it took too long.
pub async fn run(args: Send, context: &Context) -> Result<(), CliError> {
    let text = content(args.text).await?;
    post(&args.name, text, None, args.how, context).await
}

/// # Errors
/// [`CliError`] as for `send`; not found if there is no such message.
pub async fn reply(args: Reply, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/messages/{}", segment(&args.id));
    let target: Message = context.client.get(&path).await?;
    let text = content(args.text).await?;
    post(&target.contact, text, Some(target.id), args.how, context).await
}

async fn post(
    name: &str,
    text: String,
    reply_to: Option<String>,
    how: How,
    context: &Context,
) -> Result<(), CliError> {
    let heard = match how.wait {
        Some(_) => Some(Subscription::now(&context.client).await?),
        None => None,
    };
    let key = match how.key {
        Some(key) => key,
        None => random_key()?,
    };
    let path = format!("/v1/contacts/{}/messages", segment(name));
    let wish = SendRequest { text, reply_to };
    let mut sent: Sent = context.client.post(&path, &wish, Key::Is(&key)).await?;
    let mut waited = Waited::Met;
    if let (Some(mut heard), Some(wanted)) = (heard, how.wait) {
        waited = tokio::select! {
            biased;
            done = came_to(&mut sent, wanted.into(), &mut heard) => done?,
            () = tokio::time::sleep(how.timeout) => Waited::Timeout,
            () = interrupt() => Waited::Interrupted,
        };
    }
    context.out.object(&sent, || {
        format!("{}  {}", sent.state.word(), context.out.dim(&sent.id))
    })?;
    match waited {
        Waited::Met => Ok(()),
        Waited::Interrupted => Err(CliError::interrupted()),
        Waited::Timeout => Err(CliError::timeout(format!(
            "the message is {} so far; it goes on travelling",
            sent.state.word()
        ))
        .hint(format!("`waxwing why {}` tells where it is", sent.id))),
        Waited::Never => Err(ended(&sent)),
    }
}

fn ended(sent: &Sent) -> CliError {
    let kind = match sent.state {
        State::Refused => Kind::Policy,
        _ => Kind::Failed,
    };
    let word = sent.state.word();
    CliError::new(kind, word, format!("the message was {word}"))
        .hint(format!("`waxwing why {}` tells more", sent.id))
}

/// Follows a message of ours until it has come so far, or can come no further.
pub(super) async fn came_to(
    sent: &mut Sent,
    wanted: State,
    heard: &mut Subscription,
) -> Result<Waited, CliError> {
    loop {
        if sent.state.meets(wanted) {
            return Ok(Waited::Met);
        }
        if sent.state.is_end() {
            return Ok(Waited::Never);
        }
        match heard.next().await?.event.change {
            Change::State { id, state, .. } if id == sent.id => sent.state = state,
            // A reaction brings the whole message: its state may be newer than what we heard.
            Change::Message(message) if message.id == sent.id => sent.state = message.state,
            _ => {}
        }
    }
}

/// The text itself, or what stdin holds.
pub(super) async fn content(text: String) -> Result<String, CliError> {
    let text = if text == "-" {
        let read = tokio::task::spawn_blocking(from_stdin).await;
        read.map_err(|_| CliError::failed("input", "stdin could not be read"))??
    } else {
        text
    };
    check(&text)?;
    Ok(text)
}

/// Refuses what no node would take, before it is carried there.
pub(super) fn check(text: &str) -> Result<(), CliError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    if text.trim().is_empty() {
        return Err(CliError::usage(
            "there is nothing to send: the text is empty",
        ));
    }
    Ok(())
}

fn from_stdin() -> Result<String, CliError> {
    // One byte more than allowed tells that it is too much, however much there is.
    let limit = u64::try_from(TEXT_BYTES_MAX + 2).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::failed("input", format!("cannot read stdin: {error}")))?;
    // The line break that `echo` adds is not part of what was said.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(too_long());
    }
    String::from_utf8(bytes).map_err(|_| CliError::usage("stdin holds no UTF-8 text"))
}

pub(super) fn too_long() -> CliError {
    CliError::new(
        Kind::Policy,
        "text_too_long",
        format!("a text is at most {TEXT_BYTES_MAX} bytes long"),
    )
    .hint("send it in several messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_a_text_is_policy_and_an_empty_one_usage() {
        assert_eq!(check("hi"), Ok(()));
        assert_eq!(check(&"x".repeat(TEXT_BYTES_MAX)), Ok(()));
        let error = check(&"x".repeat(TEXT_BYTES_MAX + 1)).unwrap_err();
        assert_eq!((error.exit_code(), error.hint.is_some()), (8, true));
        assert_eq!(check(" \n").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn ends_have_their_own_exit_codes() {
        let sent = |state| Sent {
            id: "x".to_owned(),
            state,
        };
        assert_eq!(ended(&sent(State::Refused)).exit_code(), 8);
        assert_eq!(ended(&sent(State::Expired)).exit_code(), 1);
    }
}
