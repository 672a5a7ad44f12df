//! `waxwing up`: the node itself.

use super::service::Service;
use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::settings::{Flags, Settings};
use crate::text;
use clap::ColorChoice;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};
use waxwing_node::api::model::ReadyLine;
use waxwing_node::config::Config;
use waxwing_node::{Node, StartError};
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
  waxwing up --json | head -1          where the node can be asked

Every flag can also be set in a file or the environment: `waxwing config --help`.")]
pub struct Up {
    #[command(flatten)]
    flags: Flags,
}

/// # Errors
/// [`CliError`] if the node cannot start, or failed.
pub async fn run(up: Up, home: PathBuf, global: &Global, out: Out) -> Result<(), CliError> {
    let settings = super::config::find(&up.flags, &home, global)?;
    node(&settings, &home, global, out).await
}

/// Runs a node with these settings until it is told to end.
///
/// # Errors
/// [`CliError`] if the node cannot start, or failed.
pub(super) async fn node(
    settings: &Settings,
    home: &Path,
    global: &Global,
    out: Out,
) -> Result<(), CliError> {
    let color = match global.color {
        ColorChoice::Auto => None,
        choice => Some(choice == ColorChoice::Always),
    };
    waxwing_node::logs::init(settings.log_level(), out.is_json(), color)
        .map_err(|error| CliError::new(Kind::Usage, "log_level", error.to_string()))?;
    waxwing_node::harden();
    waxwing_node::small_pages();
    let signals =
        |error| CliError::failed("signals", format!("cannot listen for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let config = settings.config(home);
    let node = tokio::select! {
        node = start(config, out) => node?,
        _ = interrupt.recv() => return Err(CliError::interrupted()),
        _ = terminate.recv() => return Ok(()),
    };
    let ready = node.ready();
    let line = ReadyLine {
        event: "ready".to_owned(),
        bridge: ready.bridge.clone(),
        account: ready.account.clone(),
        peer: ready.peer.clone(),
        listen: ready.listen.clone(),
        api: ready.api.clone(),
        metrics: ready.metrics.clone(),
    };
    if let Err(error) = out.object(&line, || welcome(&line, out)) {
        node.shutdown().await;
        return Err(error);
    }
    let service = Service::ready(node.handle());
    let failure = tokio::select! {
        why = node.failed() => Some(why),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
        () = node.asked_to_end() => None,
    };
    service.stopping();
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

fn welcome(ready: &ReadyLine, out: Out) -> String {
    let mut lines = match ready.bridge {
        Some(_) => vec![out.bold("Your bridge is up.")],
        None => vec![
            out.bold("Your node is up."),
            format!("  you are   {}", ready.account),
        ],
    };
    for addr in &ready.listen {
        lines.push(format!("  listening {}", text::line(addr)));
    }
    lines.push(format!("  API       {}", ready.api));
    if let Some(metrics) = &ready.metrics {
        lines.push(format!("  figures   {metrics}"));
    }
    lines.push(String::new());
    if let Some(descriptor) = &ready.bridge {
        lines.push("Hand this out to whoever shall use it:".to_owned());
        lines.push(format!("  waxwing bridges add {}", text::line(descriptor)));
        lines.push("Ctrl-C ends the bridge.".to_owned());
        return lines.join("\n");
    }
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
        StartError::Metrics(why) => failed("metrics", "figures cannot be served", &why),
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
}
