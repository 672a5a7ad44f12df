//! `waxwing bridges`: those that one uses.

use super::Context;
use crate::client::{Key, segment};
use crate::error::CliError;
use crate::out::Out;
use crate::{text, when};
use clap::Subcommand;
use jiff::Zoned;
use std::fmt::Write as _;
use waxwing_node::api::model::{Bridge, BridgeList, BridgeRemoved, BridgeRequest, BridgeState};

/// List the bridges that hold letters for you while your node is away.
///
/// A bridge is a node that somebody runs for others. It keeps sealed letters until your node comes
/// for them, and learns neither what they say nor who wrote them. Two of different operators are a
/// good choice: then either may fail.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing bridges
  waxwing bridges add waxwing-bridge:…
  waxwing bridges remove 'Harbour Library'")]
pub struct Bridges {
    #[command(subcommand)]
    wish: Option<Wish>,
}

#[derive(Debug, Subcommand)]
enum Wish {
    List(List),
    Add(Add),
    Remove(Remove),
}

/// List them, as without a word
#[derive(Debug, clap::Args)]
struct List {}

/// Keep a mailbox at a bridge from now on
///
/// Its operator hands the descriptor out. Friends learn by themselves where to leave letters for you.
#[derive(Debug, clap::Args)]
struct Add {
    /// `waxwing-bridge:…`
    descriptor: String,
}

/// Give up the mailbox at a bridge
///
/// What it still holds is fetched for a while yet, and friends are told to leave nothing more there.
#[derive(Debug, clap::Args)]
struct Remove {
    /// Its operator, its id, or the beginning of that
    #[arg(value_name = "NAME-OR-ID")]
    bridge: String,
}

/// # Errors
/// [`CliError`] if the node is not there or refuses.
pub async fn run(args: Bridges, context: &Context) -> Result<(), CliError> {
    match args.wish {
        None | Some(Wish::List(List {})) => list(context).await,
        Some(Wish::Add(args)) => add(args, context).await,
        Some(Wish::Remove(args)) => remove(args, context).await,
    }
}

async fn list(context: &Context) -> Result<(), CliError> {
    let list: BridgeList = context.client.get("/v1/bridges").await?;
    let now = Zoned::now();
    for bridge in &list.bridges {
        context
            .out
            .object(bridge, || line(bridge, &now, context.out))?;
    }
    if list.bridges.is_empty() {
        context
            .out
            .note("None yet: nothing reaches you while your node is away. `waxwing bridges add` takes a bridge's descriptor.");
    }
    Ok(())
}

async fn add(args: Add, context: &Context) -> Result<(), CliError> {
    let descriptor = args.descriptor;
    let wish = BridgeRequest { descriptor };
    let added: Bridge = context
        .client
        .post("/v1/bridges", &wish, Key::Fresh)
        .await?;
    context.out.object(&added, || {
        format!(
            "{} ({}) holds letters for you, as soon as your node has been there.",
            text::line(&added.operator),
            text::line(&added.country)
        )
    })
}

async fn remove(args: Remove, context: &Context) -> Result<(), CliError> {
    let path = format!("/v1/bridges/{}", segment(&args.bridge));
    let removed: BridgeRemoved = context.client.delete(&path).await?;
    context.out.object(&removed, || {
        format!(
            "{} ({}) is given up. What it still holds is fetched for a while yet.",
            text::line(&removed.operator),
            text::line(&removed.country)
        )
    })
}

/// Characters of an id that are shown: enough to tell bridges apart, and to name one by.
const ID_SHOWN: usize = 10;

fn line(bridge: &Bridge, now: &Zoned, out: Out) -> String {
    let state = match (bridge.state, &bridge.last_seen) {
        (BridgeState::Connected, _) => "connected".to_owned(),
        (BridgeState::Connecting, None) => "not reached yet".to_owned(),
        (BridgeState::Connecting, Some(at)) => {
            format!("away, last there {}", when::date_clock(at, now))
        }
        (BridgeState::Leaving, _) => "given up; what it still holds is fetched".to_owned(),
    };
    let id: String = bridge.bridge.chars().take(ID_SHOWN).collect();
    let mut line = format!(
        "{}  {}  {}  {}",
        text::line(&id),
        out.bold(&text::line(&bridge.operator)),
        text::line(&bridge.country),
        out.dim(&format!(
            "{state}; {} fetched, {} left there",
            bridge.collected, bridge.held
        ))
    );
    if let Some(trouble) = &bridge.trouble {
        let _ = write!(line, "\n{:12}{}", "", text::line(trouble));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_one_line_and_its_trouble_another() {
        let mut bridge = Bridge {
            bridge: "abcdefghijklmnop".to_owned(),
            operator: "Harbour\u{1b}[31m Library".to_owned(),
            country: "MY".to_owned(),
            roles: vec!["mailbox".to_owned()],
            addrs: Vec::new(),
            state: BridgeState::Connected,
            last_seen: None,
            collected: 3,
            held: 5,
            trouble: None,
        };
        let now = Zoned::now();
        let shown = line(&bridge, &now, Out::plain());
        assert!(shown.starts_with("abcdefghij  Harbour"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.ends_with("connected; 3 fetched, 5 left there"));
        bridge.state = BridgeState::Connecting;
        bridge.trouble = Some("it is full".to_owned());
        let shown = line(&bridge, &now, Out::plain());
        assert!(shown.contains("not reached yet"));
        assert_eq!(shown.lines().nth(1), Some("            it is full"));
    }
}
