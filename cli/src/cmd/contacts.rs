//! `waxwing contacts`

use super::Context;
use crate::error::CliError;
use crate::show;
use jiff::Zoned;
use waxwing_node::api::model::ContactList;

/// List your contacts: who is here, who is away, what is unread.
#[derive(Debug, clap::Args)]
pub struct Contacts {}

/// # Errors
/// [`CliError`] if the node is not there.
pub async fn run(_: Contacts, context: &Context) -> Result<(), CliError> {
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
