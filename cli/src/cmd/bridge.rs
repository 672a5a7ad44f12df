//! `waxwing bridge`: running one.

use super::up;
use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::settings::{BridgeFlags, Flags};
use clap::Subcommand;
use std::path::PathBuf;

/// Run a bridge: a node that holds sealed letters for people whose own nodes are away.
///
/// It learns neither what they say nor to whom. Whoever uses it adds its descriptor with `waxwing
/// bridges add`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing bridge up --country MY --operator 'Harbour Library'
  waxwing bridge status")]
pub struct Args {
    #[command(subcommand)]
    pub wish: Wish,
}

/// What to do with one's bridge.
#[derive(Debug, Subcommand)]
pub enum Wish {
    Up(Box<Up>),
}

/// Start a bridge and keep it running.
///
/// The first start makes its keys. It prints the descriptor to hand out, stays in the foreground, and
/// ends well on Ctrl-C, SIGTERM or `waxwing stop`. It is a node with an account like any other, named
/// after its operator; `waxwing up` in the same home runs that account without the bridge, unless a
/// `[bridge]` section in `config.toml` says that it is one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing bridge up --country MY --operator 'Harbour Library'
  waxwing bridge up --country MY --operator alice --quota 50GB --public-addr /dns4/bridge.example/tcp/4711
  waxwing bridge up --country MY --operator alice --role relay

Every flag can also be set in a file or the environment: `waxwing config --help`.")]
pub struct Up {
    #[command(flatten)]
    bridge: BridgeFlags,
    #[command(flatten)]
    flags: Flags,
}

/// Runs a bridge until it is told to end.
///
/// # Errors
/// [`CliError`] if it cannot start, or failed.
pub async fn up(args: Up, home: PathBuf, global: &Global, out: Out) -> Result<(), CliError> {
    let mut flags = args.flags;
    flags.bridge = args.bridge;
    let settings = super::config::find(&flags, &home, global)?;
    if settings.bridge().is_none() {
        return Err(CliError::new(
            Kind::Usage,
            "bridge_unnamed",
            "a bridge says where it stands and who runs it",
        )
        .hint("waxwing bridge up --country MY --operator NAME"));
    }
    up::node(&settings, &home, global, out).await
}
