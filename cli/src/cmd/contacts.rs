//! `waxwing contacts` and `waxwing contacts remove`

use super::Context;
use crate::client::segment;
use crate::error::CliError;
use crate::show;
use crate::sure;
use crate::text;
use clap::Subcommand;
use jiff::Zoned;
use waxwing_node::api::model::{Contact, ContactList, Removed};

/// List your contacts: who is here, who is away, what is unread.
#[derive(Debug, clap::Args)]
pub struct Contacts {
    #[command(subcommand)]
    wish: Option<Wish>,
}

#[derive(Debug, Subcommand)]
enum Wish {
    Remove(Remove),
}

/// Remove a contact and everything that this home knows of them.
///
/// The history goes, and with it what you wrote and they have not received. They are not told: to
/// them your node just does not answer any more. What they send is a stranger's from then on. A new
/// invite, of yours or of theirs, makes you contacts anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  waxwing contacts remove bob --yes")]
struct Remove {
    /// Whom
    name: String,
    /// Do not ask whether you are sure
    #[arg(long)]
    yes: bool,
}

/// # Errors
/// [`CliError`] if the node is not there, or there is no such contact to remove.
pub async fn run(args: Contacts, context: &Context) -> Result<(), CliError> {
    if let Some(Wish::Remove(args)) = args.wish {
        return remove(args, context).await;
    }
    let list: ContactList = context.client.get("/v1/contacts").await?;
    let now = Zoned::now();
    for contact in &list.contacts {
        context
            .out
            .object(contact, || show::contact(contact, &now, context.out))?;
    }
    if list.contacts.is_empty() {
        context
            .out
            .note("Nobody yet. `waxwing invite` makes a link for a friend.");
    }
    Ok(())
}

async fn remove(args: Remove, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/contacts/{}", segment(&args.name));
    if !args.yes {
        // Whoever is named is there, and is called so.
        let contact: Contact = context.client.get(&path).await?;
        let name = text::line(&contact.name);
        sure::ask(&format!(
            "Remove {name} and everything that was said with {name}, for good?"
        ))
        .await?;
    }
    let removed: Removed = context.client.delete(&path).await?;
    context.out.object(&removed, || {
        format!("{} is removed.", text::line(&removed.name))
    })
}
