//! `waxwing bridge`: running one.

use super::{Context, doctor, status, up};
use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::settings::{self, BridgeFlags, Flags, Settings};
use crate::{text, when};
use clap::Subcommand;
use jiff::Zoned;
use std::fmt::Write as _;
use std::path::Path;
use waxwing_node::api::model::Host;
use waxwing_node::doctor::{Check, examine_bridge};
use waxwing_node::offline;

/// Run a bridge: a node that holds sealed letters for people whose own nodes are away.
///
/// It learns neither what they say nor to whom. Whoever uses it adds its descriptor with `waxwing
/// bridges add`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing bridge up --country MY --operator 'Harbour Library'
  waxwing bridge status
  waxwing bridge config check")]
pub struct Args {
    #[command(subcommand)]
    pub wish: Wish,
}

/// What to do with one's bridge.
#[derive(Debug, Subcommand)]
pub enum Wish {
    Up(Box<Up>),
    Status(Status),
    Config(Config),
}

/// Start a bridge and keep it running.
///
/// The first start makes its keys. It prints the descriptor to hand out, stays in the foreground, and
/// ends well on Ctrl-C, SIGTERM or `waxwing stop`. It is a node with an account like any other, named
/// after its operator; `waxwing up` in the same home runs that account without the bridge, unless
/// `config.toml` has a section `[bridge]`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing bridge up --country MY --operator 'Harbour Library'
  waxwing bridge up --country MY --operator Library --quota 50GB
  waxwing bridge up --country MY --operator Library --public-addr /dns4/bridge.example/tcp/4711
  waxwing bridge up --country MY --operator Library --role relay

Every flag can also be set in a file or the environment: `waxwing config --help`.")]
pub struct Up {
    #[command(flatten)]
    bridge: BridgeFlags,
    #[command(flatten)]
    flags: Flags,
}

/// Show what the bridge holds, and for how many
///
/// Counts, never names: a bridge does not know whom it serves.
#[derive(Debug, clap::Args)]
pub struct Status {}

/// Look at what `bridge up` would be started with
#[derive(Debug, clap::Args)]
pub struct Config {
    #[command(subcommand)]
    wish: ConfigWish,
}

#[derive(Debug, Subcommand)]
enum ConfigWish {
    Check(Box<CheckConfig>),
}

/// Look whether a bridge would work as it is set up
///
/// Settings, roles, the quota beside what is free on the disk, public addresses, ports. Nothing is
/// started, and nothing leaves this machine. It fails if something would not work; what is only worth
/// knowing is a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing bridge config check
  waxwing bridge config check --country MY --operator Library --quota 50GB")]
struct CheckConfig {
    #[command(flatten)]
    bridge: BridgeFlags,
    #[command(flatten)]
    flags: Flags,
}

/// Runs a bridge until it is told to end.
///
/// # Errors
/// [`CliError`] if it cannot start, or failed.
pub async fn up(args: Up, home: &Path, global: &Global, out: Out) -> Result<(), CliError> {
    let settings = find(args.flags, args.bridge, home, global)?;
    up::node(&settings, home, global, out).await
}

/// What holds for a bridge that is started with these flags.
fn find(
    mut flags: Flags,
    bridge: BridgeFlags,
    home: &Path,
    global: &Global,
) -> Result<Settings, CliError> {
    flags.bridge = bridge;
    let settings = super::config::find(&flags, home, global)?;
    if settings.bridge().is_some() {
        return Ok(settings);
    }
    let what = "a bridge says where it stands and who runs it";
    Err(CliError::new(Kind::Usage, "bridge_unnamed", what)
        .hint("waxwing bridge up --country MY --operator NAME"))
}

/// Checks the settings of a bridge.
///
/// # Errors
/// [`CliError`] if something would not work.
pub fn config(args: Config, home: &Path, global: &Global, out: Out) -> Result<(), CliError> {
    let ConfigWish::Check(args) = args.wish;
    let settings = find(args.flags, args.bridge, home, global)?;
    let config = settings.config(home);
    let files = settings::files(home, global.home.is_some());
    let files: Vec<String> = files
        .iter()
        .filter(|file| file.exists())
        .map(|file| file.display().to_string())
        .collect();
    let said = match files.len() {
        0 => "nothing wrong in flags and environment".to_owned(),
        _ => format!("nothing wrong in {}", files.join(", ")),
    };
    let mut checks = vec![Check::ok("settings", said)];
    if let Some(bridge) = &config.settings.bridge {
        let is_free = offline::is_free(home).unwrap_or(true);
        checks.extend(examine_bridge(&config, bridge, is_free));
    }
    for check in &checks {
        out.object(check, || doctor::plain(check, out))?;
    }
    doctor::verdict(&checks)
}

/// Runs what the running bridge is asked.
///
/// # Errors
/// [`CliError`] if the node is not there, or is no bridge.
pub async fn run(args: Args, context: &Context) -> Result<(), CliError> {
    match args.wish {
        Wish::Status(Status {}) => {
            let host: Host = context.client.get("/v1/bridge").await?;
            let now = Zoned::now();
            context
                .out
                .object(&host, || plain(&host, &now, context.out))
        }
        // These need no node, or are one, and never come here.
        Wish::Up(_) | Wish::Config(_) => Ok(()),
    }
}

fn plain(host: &Host, now: &Zoned, out: Out) -> String {
    let mut said = format!(
        "{}  {}\nbridge    up {}, {}",
        out.bold(&text::line(&host.operator)),
        host.country,
        status::uptime(host.uptime_s),
        host.roles.join(", "),
    );
    for (at, addr) in host.listen.iter().enumerate() {
        let label = if at == 0 { "listens  " } else { "         " };
        let _ = write!(said, "\n{label} {addr}");
    }
    let oldest = match &host.oldest {
        Some(at) => format!(", the oldest since {}", when::date_clock(at, now)),
        None => String::new(),
    };
    let _ = write!(
        said,
        "\nconnected {}\nmailboxes {}, {} tags\nblocks    {}, {} of {}{oldest}\n\
         since the home was made\n  deposits  {}, {} a second now\n  collects  {}\n  forwards  {}, {} waiting",
        host.connections,
        host.mailboxes,
        host.tags,
        host.blocks,
        status::bytes(host.bytes),
        status::bytes(host.quota_bytes),
        host.deposits,
        host.deposits_per_second,
        host.collects,
        host.forwards,
        host.queued,
    );
    if !host.refused.is_empty() {
        let reasons = host.refused.iter();
        let reasons: Vec<String> = reasons
            .map(|(why, count)| format!("{count} {}", text::line(why)))
            .collect();
        let _ = write!(said, "\n  refused   {}", reasons.join(", "));
    }
    if let Some(disk) = &host.disk {
        let _ = write!(
            said,
            "\ndisk      {} used, {} free",
            status::bytes(disk.used_bytes),
            status::bytes(disk.free_bytes)
        );
    }
    let _ = write!(said, "\nhand out  {}", text::line(&host.descriptor));
    said
}
