//! `waxwing watch`

use super::Context;
use crate::error::CliError;
use crate::events::Subscription;
use crate::show;
use jiff::Zoned;

/// Follow everything that happens: messages, states, contacts, requests.
///
/// With `--json` each line carries a cursor; `--after` goes on from there and misses nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing watch
  waxwing watch --json --after 1204 | my-bot")]
pub struct Watch {
    /// Begin after this cursor [default: the present]
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
}

/// # Errors
/// [`CliError`] if the node is not there or goes away, or the log no longer reaches back.
pub async fn run(args: Watch, context: &Context) -> Result<(), CliError> {
    let mut heard = match args.after {
        Some(cursor) => Subscription::after(&context.client, cursor).await?,
        None => Subscription::now(&context.client).await?,
    };
    loop {
        let change = heard.next().await?;
        if context.out.is_json() {
            context.out.line(&change.raw)?;
        } else {
            let line = show::event(&change.event, &Zoned::now(), context.out);
            context.out.line(&line)?;
        }
    }
}
