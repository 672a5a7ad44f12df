//! `waxwing up`: the node itself.

use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::text;
use clap::ColorChoice;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use waxwing_node::api::model::ReadyLine;
use waxwing_node::config::Config;
use waxwing_node::{Node, StartError};
use waxwing_protocol::input::Settings;
use waxwing_protocol::limits::NAME_BYTES_MAX;

/// Start your node and keep it running.
///
/// The first start makes your account and asks for a name. The node stays in the foreground;
/// Ctrl-C or `waxwing stop` ends it. What others send you meanwhile waits with them until you are back.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing up --name alice
  waxwing up --listen /ip4/0.0.0.0/udp/4711/quic-v1
  waxwing up --json | head -1          where the node can be asked")]
pub struct Up {
    /// What others shall call you; for an existing account, a new name
    #[arg(long)]
    name: Option<String>,
    /// Listen here, repeatable [default: QUIC and TCP everywhere, on remembered ports]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Serve the local API here; loopback only, port 0 draws one
    #[arg(long, value_name = "ADDR:PORT",
          default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), value_parser = loopback)]
    api: SocketAddr,
    /// File whose first line is the passphrase of this home
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Tell others when you have read their messages
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = on_off,
          action = clap::ArgAction::Set)]
    read_receipts: bool,
    /// error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL",
          value_parser = ["error", "warn", "info", "debug", "trace"])]
    log_level: Option<String>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text
        .parse()
        .map_err(|_| "an address looks like 127.0.0.1:4711".to_owned())?;
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err("the local API may only listen on a loopback address".to_owned())
    }
}

fn on_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

/// # Errors
/// [`CliError`] if the node cannot start, or failed.
pub async fn run(up: Up, home: PathBuf, global: &Global, out: Out) -> Result<(), CliError> {
    let level = level(up.log_level.as_deref(), global.verbose);
    let color = match global.color {
        ColorChoice::Auto => None,
        choice => Some(choice == ColorChoice::Always),
    };
    waxwing_node::logs::init(level, out.is_json(), color)
        .map_err(|error| CliError::new(Kind::Usage, "log_level", error.to_string()))?;
    waxwing_node::harden();
    let signals =
        |error| CliError::failed("signals", format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let config = Config {
        home: home.clone(),
        name: up.name,
        listen: up.listen,
        api: up.api,
        passphrase_file: up.passphrase_file,
        disk_free_min_bytes: waxwing_node::FREE_MIN_BYTES,
        settings: Settings {
            read_receipts: up.read_receipts,
        },
    };
    let node = tokio::select! {
        node = start(config, out) => node?,
        _ = interrupt.recv() => return Err(CliError::interrupted()),
        _ = terminate.recv() => return Ok(()),
    };
    let ready = node.ready();
    let line = ReadyLine {
        event: "ready".to_owned(),
        account: ready.account.clone(),
        peer: ready.peer.clone(),
        listen: ready.listen.clone(),
        api: ready.api.clone(),
    };
    if let Err(error) = out.object(&line, || welcome(&line, out)) {
        node.shutdown().await;
        return Err(error);
    }
    let failure = tokio::select! {
        why = node.failed() => Some(why),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        () = node.asked_to_end() => None,
    };
    if failure.is_none() {
        out.note("Ending; Ctrl-C once more ends at once.");
    }
    tokio::select! {
        () = node.shutdown() => {}
        _ = interrupt.recv() => return Err(CliError::interrupted()),
    }
    match failure {
        Some(why) => Err(CliError::failed("node_failed", why)
            .hint("nothing that was acknowledged is lost; see the log, then start it again")),
        None => Ok(()),
    }
}

/// Starts, asking for a name where one is needed and somebody is there to give it.
async fn start(mut config: Config, out: Out) -> Result<Node, CliError> {
    match Node::start(config.clone()).await {
        Err(StartError::NeedsName)
            if !out.is_json() && io::stdin().is_terminal() && io::stderr().is_terminal() =>
        {
            let asked = tokio::task::spawn_blocking(ask_name).await;
            config.name = asked.ok().flatten();
            Node::start(config).await.map_err(explain)
        }
        other => other.map_err(explain),
    }
}

fn ask_name() -> Option<String> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "What shall others call you? ").ok()?;
    stderr.flush().ok()?;
    let limit = u64::try_from(NAME_BYTES_MAX + 2).ok()?;
    let mut line = String::new();
    io::stdin().lock().take(limit).read_line(&mut line).ok()?;
    let name = line.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn level(flag: Option<&str>, verbose: u8) -> Option<&str> {
    match (flag, verbose) {
        (Some(level), _) => Some(level),
        (None, 0) => None,
        (None, 1) => Some("debug"),
        (None, _) => Some("trace"),
    }
}

fn welcome(ready: &ReadyLine, out: Out) -> String {
    let mut lines = vec![
        out.bold("Your node is up."),
        format!("  you are   {}", ready.account),
    ];
    for addr in &ready.listen {
        lines.push(format!("  listening {}", text::line(addr)));
    }
    lines.push(format!("  API       {}", ready.api));
    lines.push(String::new());
    lines.push("In another terminal:".to_owned());
    lines.push("  waxwing words      write your recovery words on paper".to_owned());
    lines.push("  waxwing invite     make a link for a friend".to_owned());
    lines.push("  waxwing watch      see what happens".to_owned());
    lines.push("Ctrl-C ends the node.".to_owned());
    lines.join("\n")
}

pub(super) fn explain(error: StartError) -> CliError {
    let failed = |code, what: &str, why: &dyn std::fmt::Display| {
        CliError::failed(code, format!("{what}: {why}"))
    };
    match error {
        StartError::Locked => CliError::new(
            Kind::Conflict,
            "home_locked",
            "another node runs in this home already",
        )
        .hint("`waxwing status` shows it; --home starts one elsewhere"),
        StartError::NeedsName => {
            CliError::new(Kind::Usage, "name_needed", "a new account needs a name")
                .hint("waxwing up --name alice")
        }
        StartError::Refused(refusal) => CliError::from_refusal(refusal),
        StartError::NeedsPassphrase => CliError::new(
            Kind::Unauthorised,
            "passphrase_needed",
            "this home is locked with a passphrase",
        )
        .hint("give it with --passphrase-file"),
        StartError::WrongPassphrase => CliError::new(
            Kind::Unauthorised,
            "passphrase_wrong",
            "that is not the passphrase of this home",
        ),
        StartError::PassphraseFile(why) => CliError::new(
            Kind::Unauthorised,
            "passphrase_file",
            format!("the passphrase file cannot be read: {why}"),
        ),
        StartError::NewerSchema(_) => CliError::failed(
            "home_newer",
            "this home was written by a newer version of waxwing",
        )
        .hint("install that version; nothing was changed"),
        StartError::Damaged(why) => failed("home_damaged", "this home is damaged", &why),
        StartError::DiskFull => {
            CliError::failed("disk_full", "the disk is full").hint("free some space")
        }
        StartError::Home(why) => failed("home", "the home cannot be used", &why),
        StartError::Store(why) => failed("store", "the store failed", &why),
        StartError::Network(why) => failed("network", "the network cannot start", &why),
        StartError::Api(why) => failed("api", "the local API cannot start", &why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_home_is_a_conflict_and_a_passphrase_a_matter_of_right() {
        let code = |error| explain(error).exit_code();
        assert_eq!(code(StartError::Locked), 7);
        assert_eq!(code(StartError::NeedsName), 2);
        assert_eq!(code(StartError::NeedsPassphrase), 4);
        assert_eq!(code(StartError::WrongPassphrase), 4);
        assert_eq!(code(StartError::DiskFull), 1);
    }

    #[test]
    fn the_api_stays_on_this_machine() {
        assert!(loopback("127.0.0.1:0").is_ok());
        assert!(loopback("[::1]:4711").is_ok());
        assert!(loopback("0.0.0.0:4711").is_err());
        assert!(loopback("localhost").is_err());
    }
}
