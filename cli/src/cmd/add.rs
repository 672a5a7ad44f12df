//! `waxwing add`

use super::{Context, Waited, interrupt};
use crate::args;
use crate::client::Key;
use crate::error::CliError;
use crate::events::Subscription;
use crate::text;
use std::time::Duration;
use waxwing_node::api::model::{AddRequest, Added, Change, ContactState};

/// Take up a friend's link.
///
/// If your friend's node is away, the contact stays pending and completes by itself when the two
/// nodes meet.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing add waxwing:…
  waxwing add waxwing:… --name bob --wait 30s")]
pub struct Add {
    /// The link, `waxwing:…`
    link: String,
    /// The name that you give them [default: the one they gave themselves]
    #[arg(long)]
    name: Option<String>,
    /// A line for them to know who you are
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Wait so long until both sides know
    #[arg(long, value_name = "DURATION", value_parser = args::duration)]
    wait: Option<Duration>,
}

/// # Errors
/// [`CliError`] if the node is not there or refuses, or, with `--wait`, if it took too long.
pub async fn run(args: Add, context: &Context) -> Result<(), CliError> {
    let wish = AddRequest {
        link: args.link,
        name: args.name,
        note: args.note,
    };
    let heard = match args.wait {
        Some(_) => Some(Subscription::now(&context.client).await?),
        None => None,
    };
    let mut added: Added = context
        .client
        .post("/v1/contacts", &wish, Key::Fresh)
        .await?;
    let mut waited = Waited::Met;
    if let (Some(mut heard), Some(wait)) = (heard, args.wait) {
        waited = tokio::select! {
            biased;
            done = connected(&mut added, &mut heard) => done?,
            () = tokio::time::sleep(wait) => Waited::Timeout,
            () = interrupt() => Waited::Interrupted,
        };
    }
    context.out.object(&added, || {
        let name = text::line(&added.name);
        match added.state {
            ContactState::Connected => format!("{name} is your contact now."),
            _ => format!("{name} is pending: it completes by itself when your nodes meet."),
        }
    })?;
    match waited {
        Waited::Met => Ok(()),
        Waited::Interrupted => Err(CliError::interrupted()),
        Waited::Timeout => Err(CliError::timeout(
            "the other side did not answer in time; the contact stays pending",
        )
        .hint("`waxwing contacts` shows when it is connected")),
        Waited::Never => Err(CliError::failed(
            "not_connected",
            "the contact will not be connected",
        )),
    }
}

/// Waits until both sides know, following the contact through a change of its name.
async fn connected(added: &mut Added, heard: &mut Subscription) -> Result<Waited, CliError> {
    loop {
        match added.state {
            ContactState::Connected => return Ok(Waited::Met),
            ContactState::Blocked | ContactState::Declined => return Ok(Waited::Never),
            ContactState::Pending | ContactState::Requested => {}
        }
        if let Change::Contact(contact) = heard.next().await?.event.change
            && (contact.account == added.account || contact.name == added.name)
        {
            added.name = contact.name;
            added.account = contact.account;
            added.state = contact.state;
        }
    }
}
