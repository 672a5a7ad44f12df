//! `waxwing rename` and `waxwing mute`: how a contact is kept.

use super::Context;
use crate::args;
use crate::client::{Key, segment};
use crate::error::CliError;
use crate::text;
use crate::when;
use jiff::Zoned;
use std::time::Duration;
use waxwing_node::api::model::{Contact, MuteRequest, RenameRequest};

/// Give a contact another name. It is yours alone: they are not told.
///
/// The name that you choose stays, whatever they call themselves from then on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  waxwing rename bob 'bob from the choir'")]
pub struct Rename {
    /// Whom, by the present name
    name: String,
    /// The new name; nobody else may have it here
    new: String,
}

/// Mute a contact: programs of yours do not notify of what they write.
///
/// It still arrives, is shown and is counted as unread. They are not told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing mute bob 8h
  waxwing mute bob off")]
pub struct Mute {
    /// Whom
    name: String,
    /// For how long: 8h, 7d, always, or off
    #[arg(value_name = "SPAN", default_value = "always", value_parser = span)]
    span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Span {
    Off,
    For(Duration),
    Always,
}

fn span(text: &str) -> Result<Span, String> {
    match text {
        "off" => Ok(Span::Off),
        "always" => Ok(Span::Always),
        _ => args::duration(text)
            .map(Span::For)
            .map_err(|_| "write it as 8h or 7d, or always, or off".to_owned()),
    }
}

/// # Errors
/// [`CliError`] if there is no such contact, the name is taken, or the node is not there.
pub async fn rename(args: Rename, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/contacts/{}/rename", segment(&args.name));
    let wish = RenameRequest { name: args.new };
    let contact: Contact = context.client.post(&path, &wish, Key::Fresh).await?;
    context.out.object(&contact, || {
        let was = text::line(&args.name);
        format!("{was} is {} here from now on.", text::line(&contact.name))
    })
}

/// # Errors
/// [`CliError`] if there is no such contact, the time is too short or too long, or the node is not
/// there.
pub async fn mute(args: Mute, context: &Context) -> Result<(), CliError> {
    let name = segment(&args.name);
    let path = match args.span {
        Span::Off => format!("/v1/contacts/{name}/unmute"),
        Span::For(_) | Span::Always => format!("/v1/contacts/{name}/mute"),
    };
    let contact: Contact = match args.span {
        Span::Off => {
            let nothing = serde_json::json!({});
            context.client.post(&path, &nothing, Key::Fresh).await?
        }
        Span::For(span) => {
            let span = Some(format!("{}s", span.as_secs()));
            let wish = MuteRequest { span };
            context.client.post(&path, &wish, Key::Fresh).await?
        }
        Span::Always => {
            let wish = MuteRequest::default();
            context.client.post(&path, &wish, Key::Fresh).await?
        }
    };
    context.out.object(&contact, || {
        let name = text::line(&contact.name);
        match (contact.muted, &contact.muted_until) {
            (false, _) => format!("{name} is not muted."),
            (true, None) => format!("{name} is muted."),
            (true, Some(until)) => {
                let until = when::date_clock(until, &Zoned::now());
                format!("{name} is muted until {until}.")
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_durations_or_words() {
        assert_eq!(span("off"), Ok(Span::Off));
        assert_eq!(span("always"), Ok(Span::Always));
        assert_eq!(span("8h"), Ok(Span::For(Duration::from_secs(28_800))));
        for bad in ["", "8", "never", "8 h", "1h30m"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
