//! `waxwing disappear`

use super::Context;
use crate::args::duration;
use crate::client::segment;
use crate::error::CliError;
use crate::text;
use crate::when;
use waxwing_node::api::model::{Contact, Disappear as Set, DisappearRequest};

/// Let messages disappear some time after they were read.
///
/// It holds for what is sent from then on, by either of you; either of you can change it, and both
/// see in the conversation who did. The time of a message counts from when it was read, for its
/// author from when it was sent. Then it is erased on both sides. It is a request: nobody can make
/// somebody forget what they have read or copied.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing disappear bob 1d
  waxwing disappear bob off
  waxwing disappear bob           shows it")]
pub struct Disappear {
    /// Whose conversation
    name: String,
    /// 30s, 10m, 24h, 7d and the like, from 5 seconds to 365 days; off: messages stay
    #[arg(value_name = "AFTER", value_parser = after)]
    after: Option<String>,
}

fn after(text: &str) -> Result<String, String> {
    match text {
        "off" => Ok(text.to_owned()),
        _ => duration(text)
            .map(|_| text.to_owned())
            .map_err(|why| format!("{why}, or off")),
    }
}

/// # Errors
/// [`CliError`] if there is no such contact, or the node is not there.
pub async fn run(args: Disappear, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/contacts/{}", segment(&args.name));
    let set: Set = match args.after {
        Some(after) => {
            let wish = DisappearRequest { after };
            context
                .client
                .put(&format!("{path}/disappear"), &wish)
                .await?
        }
        None => {
            let contact: Contact = context.client.get(&path).await?;
            Set {
                name: contact.name,
                disappear_s: contact.disappear_s,
            }
        }
    };
    context.out.object(&set, || {
        let name = text::line(&set.name);
        match set.disappear_s {
            Some(secs) => {
                let span = when::chosen(secs);
                format!("Messages with {name} disappear {span} after they were read.")
            }
            None => format!("Messages with {name} stay."),
        }
    })
}
