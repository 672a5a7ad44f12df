//! `waxwing clear`

use super::Context;
use crate::client::{Key, segment};
use crate::error::CliError;
use crate::sure;
use crate::text;
use std::time::{Duration, Instant};
use waxwing_node::api::model::Contact;

/// A long history takes some seconds; so often it is looked whether it is gone …
const LOOK: Duration = Duration::from_millis(100);
/// … and for so long. The node goes on by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Erase what was said with a contact, in this home only.
///
/// They keep what they have, and stay your contact. Messages and edits of yours that have not been
/// delivered yet stay too, and are delivered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  waxwing clear bob --yes")]
pub struct Clear {
    /// With whom
    name: String,
    /// Do not ask whether you are sure
    #[arg(long)]
    yes: bool,
}

/// # Errors
/// [`CliError`] if there is no such contact, or the node is not there.
pub async fn run(args: Clear, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/contacts/{}", segment(&args.name));
    if !args.yes {
        let contact: Contact = context.client.get(&path).await?;
        let name = text::line(&contact.name);
        sure::ask(&format!("Erase here what was said with {name}, for good?")).await?;
    }
    let mut contact: Contact = context
        .client
        .post(&format!("{path}/clear"), &serde_json::json!({}), Key::Fresh)
        .await?;
    let since = Instant::now();
    while contact.clearing && since.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
        contact = context.client.get(&path).await?;
    }
    context.out.object(&contact, || {
        let name = text::line(&contact.name);
        if contact.clearing {
            format!("What was said with {name} is being erased; the node goes on with it.")
        } else {
            format!("What was said with {name} is erased here.")
        }
    })
}
