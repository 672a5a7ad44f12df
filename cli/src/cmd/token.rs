//! `waxwing token`

use super::Context;
use crate::args;
use crate::client::Key;
use crate::error::CliError;
use crate::out::Out;
use crate::{text, when};
use clap::Subcommand;
use jiff::Zoned;
use serde_json::json;
use std::time::Duration;
use waxwing_node::api::model::{self, TokenScope};

/// Make, list and revoke tokens for programs.
///
/// A bot or a script gets a token of its own, which allows it no more than it needs. It sends the
/// token as `Authorization: Bearer` to the address that `up` prints.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing token create --scope send --contact bob --name echo --expires 30d
  waxwing token create --scope read -q > watcher.token
  waxwing token list
  waxwing token revoke r4zw6ztp5hkfcvqj")]
pub struct Args {
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum Wish {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a token and show it, this once
///
/// The node keeps only a hash of it. `read` allows to look and changes nothing, not even what is
/// read; `send` allows to talk, too; `admin` everything but the recovery words.
#[derive(Debug, clap::Args)]
struct Create {
    /// How much it allows
    #[arg(long, value_enum)]
    scope: Scope,
    /// Only with this contact
    #[arg(long, value_name = "NAME")]
    contact: Option<String>,
    /// How long it is good for [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = args::duration)]
    expires: Option<Duration>,
    /// What it is for, to know it again
    #[arg(long)]
    name: Option<String>,
    /// Requests it may make, as 20/s or 100/m [default: 50/s]
    #[arg(long, value_name = "N/s")]
    rate: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Scope {
    /// Look, and change nothing
    Read,
    /// Talk: send, react, edit, delete, mark as read
    Send,
    /// Everything but the recovery words
    Admin,
}

impl From<Scope> for TokenScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Send => Self::Send,
            Scope::Admin => Self::Admin,
        }
    }
}

/// List the tokens there are, and when each was used last
#[derive(Debug, clap::Args)]
struct List {}

/// End a token at once, and those that it made
#[derive(Debug, clap::Args)]
struct Revoke {
    /// Its id, as `token list` shows it
    id: String,
}

/// # Errors
/// [`CliError`] if the node is not there or refuses.
pub async fn run(args: Args, context: &Context) -> Result<(), CliError> {
    match args.wish {
        Wish::Create(args) => create(args, context).await,
        Wish::List(List {}) => list(context).await,
        Wish::Revoke(args) => revoke(args, context).await,
    }
}

async fn create(args: Create, context: &Context) -> Result<(), CliError> {
    let wish = model::TokenRequest {
        scope: args.scope.into(),
        contact: args.contact,
        expires: args.expires.map(|life| format!("{}s", life.as_secs())),
        name: args.name,
        rate: args.rate,
    };
    let made: model::NewToken = context.client.post("/v1/tokens", &wish, Key::Once).await?;
    context.out.object(&made, || made.token.clone())?;
    context.out.note(&format!(
        "It may {}. Shown this once; `waxwing token revoke {}` ends it.",
        about(&made.about),
        made.about.id
    ));
    Ok(())
}

async fn list(context: &Context) -> Result<(), CliError> {
    let list: model::TokenList = context.client.get("/v1/tokens").await?;
    for token in &list.tokens {
        context.out.object(token, || line(token, context.out))?;
    }
    if list.tokens.is_empty() {
        context
            .out
            .note("None yet. `waxwing token create` makes one for a program.");
    }
    Ok(())
}

async fn revoke(args: Revoke, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/tokens/{}/revoke", crate::client::segment(&args.id));
    let revoked: model::Revoked = context.client.post(&path, &json!({}), Key::None).await?;
    context.out.object(&revoked, || {
        format!("{} opens nothing any more.", text::line(&revoked.id))
    })
}

/// `send to bob, 50/s, until 23 Dec 10:15`
fn about(token: &model::Token) -> String {
    let whom = match &token.contact {
        Some(contact) => format!(", with {} alone", text::line(contact)),
        None => String::new(),
    };
    let until = match &token.expires {
        Some(expires) => format!(", until {}", when::date_clock(expires, &Zoned::now())),
        None => String::new(),
    };
    let allowed = match token.scope {
        TokenScope::Read => "look",
        TokenScope::Send => "look and talk",
        TokenScope::Admin => "do all but see the recovery words",
    };
    format!("{allowed}{whom}, {} at most{until}", token.rate)
}

fn line(token: &model::Token, out: Out) -> String {
    let name = match &token.name {
        Some(name) => text::line(name),
        None => "(no name)".to_owned(),
    };
    let used = match &token.last_used {
        Some(at) => format!("last used {}", when::date_clock(at, &Zoned::now())),
        None => "never used".to_owned(),
    };
    let over = if token.expired { ", expired" } else { "" };
    format!(
        "{}  {}  {}",
        token.id,
        out.bold(&name),
        out.dim(&format!("may {}{over}; {used}", about(token)))
    )
}
