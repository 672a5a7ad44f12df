//! `waxwing doctor`

use crate::args::Global;
use crate::client::Client;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::settings::{self, Flags};
use crate::text;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use waxwing_node::api::model::Status;
use waxwing_node::config::Config;
use waxwing_node::doctor::{Check, State, examine};
use waxwing_node::offline;

/// A node that is well says how it is at once.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// Permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Look for whatever keeps a node from working well.
///
/// Clock, disk, home, ports, limits of this machine, and the node itself, if it runs. Nothing
/// leaves this machine, and nothing is changed. It fails if something does not work; what is only
/// worth knowing is a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  waxwing doctor
  waxwing doctor --json | jq -r 'select(.state == \"fail\").hint'")]
pub struct Doctor {}

/// # Errors
/// [`CliError`] if a check failed.
pub async fn run(home: &Path, global: &Global, out: Out) -> Result<(), CliError> {
    let environment = |name: &str| std::env::var_os(name);
    let files = settings::files(home, global.home.is_some());
    let (config, mut checks) = match settings::find(&Flags::default(), 0, environment, &files) {
        Ok(settings) => (
            settings.config(home),
            vec![Check::ok(
                "settings",
                "nothing wrong in files and environment",
            )],
        ),
        Err(mistakes) => {
            let first = mistakes.first().map(ToString::to_string);
            let check = Check::fail("settings", first.unwrap_or_default())
                .hint("`waxwing config check` names everything that is wrong");
            (Config::new(home), vec![check])
        }
    };
    let status = node(home, global, &mut checks).await;
    checks.push(token(home, status.is_some()));
    let listening = status.as_ref().map(|status| status.listen.clone());
    let machine = tokio::task::spawn_blocking(move || examine(&config, listening.as_deref()));
    checks.extend(
        machine
            .await
            .map_err(|error| CliError::failed("doctor", error.to_string()))?,
    );
    checks.extend(reach(status.as_ref()));
    for check in &checks {
        out.object(check, || plain(check, out))?;
    }
    verdict(&checks)
}

/// Whether a node runs, answers, and is of this version.
async fn node(home: &Path, global: &Global, checks: &mut Vec<Check>) -> Option<Status> {
    const NAME: &str = "node";
    let asked = async {
        let client = Client::locate(home, global.api.as_deref())?;
        client.get::<Status>("/v1/status").await
    };
    let answer = tokio::time::timeout(ANSWER_TIME_MAX, asked).await;
    let answer = answer.unwrap_or_else(|_| Err(CliError::timeout("it does not answer in time")));
    // One that cannot be told is looked at by a check of its own.
    let is_free = offline::is_free(home).unwrap_or(true);
    match answer {
        Ok(status) => {
            let (here, there) = (env!("CARGO_PKG_VERSION"), &status.version);
            checks.push(Check::ok(
                NAME,
                format!("runs, and its API answers; version {there}"),
            ));
            checks.push(if here == there {
                Check::ok("version", format!("{here}, like the node's"))
            } else {
                Check::warn("version", format!("this is {here}, the node is {there}"))
                    .hint("end the node and start it again to run the one that is installed")
            });
            return Some(status);
        }
        Err(error) if error.kind == Kind::Unreachable && is_free => {
            checks
                .push(Check::warn(NAME, "none runs in this home").hint("`waxwing up` starts one"));
        }
        Err(error) => checks.push(
            Check::fail(
                NAME,
                format!("one runs, and its API does not answer: {}", error.message),
            )
            .hint("it may be starting or ending; if not, its log says more"),
        ),
    }
    checks.push(Check::skipped("version", "no node answers"));
    None
}

fn token(home: &Path, is_running: bool) -> Check {
    const NAME: &str = "token";
    match fs::metadata(home.join("api-token")) {
        Ok(meta) if meta.permissions().mode() & OTHERS != 0 => Check::fail(
            NAME,
            "others may read the token of the API, and do what you can",
        )
        .hint("end the node, delete `api-token` in the home, start it again"),
        Ok(_) => Check::ok(NAME, "the token of the API is yours alone"),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_running => {
            Check::fail(NAME, "the token of the API is gone")
                .hint("end the node and start it again: it makes one")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::skipped(NAME, "it is made at the first start")
        }
        Err(error) => Check::fail(NAME, format!("the token cannot be looked at: {error}")),
    }
}

/// Who can reach the node and by what ways, and whom it reaches.
fn reach(status: Option<&Status>) -> Vec<Check> {
    let Some(status) = status else {
        let none = |name| Check::skipped(name, "no node answers");
        return vec![none("reachability"), none("nat"), none("contacts")];
    };
    const NAME: &str = "reachability";
    let why = status.reachability_why.as_str();
    let is_relayed = status.relays.iter().any(|relay| relay.reserved);
    let reachability = match status.reachability.as_str() {
        "public" => Check::ok(NAME, format!("from everywhere: {why}")),
        "unknown" => Check::ok(NAME, format!("perhaps from everywhere: {why}")),
        "private" if is_relayed => Check::ok(NAME, format!("through a relay: {why}")),
        "private" => Check::warn(NAME, format!("from its own network: {why}"))
            .hint("contacts elsewhere reach it through a relay (`--relay`), or if its ports are forwarded to this machine"),
        "loopback" => Check::warn(NAME, "it listens on this machine only")
            .hint("leave `listen` out to be reached from elsewhere"),
        _ => Check::fail(NAME, "it listens on no address")
            .hint("`waxwing config show --origin` tells what it was told"),
    };
    let nat = match status.nat.as_str() {
        "none" => Check::ok("nat", "no router changes its addresses"),
        "same_port" => Check::ok(
            "nat",
            "the router shows everybody the same port: direct connections can be made",
        ),
        "own_port_each" => Check::warn(
            "nat",
            "the router shows everybody another port: most connections stay with a relay",
        )
        .hint("forwarding a port to this machine, or UPnP on the router, makes them direct"),
        _ => Check::skipped(
            "nat",
            "fewer than two relays or contacts have said what they see",
        ),
    };
    let detail = format!("{} of {} connected now", status.connected, status.contacts);
    let contacts = if status.contacts > 0 && status.connected == 0 {
        Check::warn("contacts", detail).hint("`waxwing contacts` tells who was seen when")
    } else {
        Check::ok("contacts", detail)
    };
    vec![reachability, nat, contacts]
}

fn plain(check: &Check, out: Out) -> String {
    let state = match check.state {
        State::Ok => out.dim("ok  "),
        State::Warn => out.bold("warn"),
        State::Fail => out.bold("FAIL"),
        State::Skipped => out.dim("-   "),
    };
    let line = format!(
        "{state}  {:<12}  {}",
        check.check,
        text::line(&check.detail)
    );
    match &check.hint {
        Some(hint) => format!("{line}\n{:20}{}", "", out.dim(&text::line(hint))),
        None => line,
    }
}

fn verdict(checks: &[Check]) -> Result<(), CliError> {
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.state == State::Fail)
        .map(|check| check.check.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let what = format!("something does not work: {}", failed.join(", "));
    Err(CliError::failed("doctor", what).hint("the hints above say what to do"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(reachability: &str, contacts: u64, connected: u64) -> Status {
        serde_json::from_value(serde_json::json!({
            "account": "wax1a", "name": "alice", "peer": null, "version": "0", "uptime_s": 1,
            "listen": [], "reachability": reachability, "reachability_why": "so",
            "nat": "same_port", "relays": [], "roles": [], "contacts": contacts,
            "connected": connected, "requests": 0, "outbox": 0, "cursor": 0,
            "words_kept": false, "bridges": [], "disk": null,
        }))
        .unwrap()
    }

    #[test]
    fn who_reaches_whom_is_judged_by_what_the_node_says() {
        let states = |reachability: &str, contacts, connected| -> Vec<State> {
            let status = status(reachability, contacts, connected);
            reach(Some(&status))
                .iter()
                .map(|check| check.state)
                .collect()
        };
        let ok = State::Ok;
        assert_eq!(states("public", 0, 0), [ok, ok, ok]);
        assert_eq!(states("unknown", 0, 0), [ok, ok, ok]);
        assert_eq!(states("private", 3, 1), [State::Warn, ok, ok]);
        assert_eq!(states("loopback", 3, 0), [State::Warn, ok, State::Warn]);
        assert_eq!(states("none", 0, 0), [State::Fail, ok, ok]);
        let mut relayed = status("private", 0, 0);
        relayed.relays = vec![waxwing_node::api::model::Relay {
            peer: "12D3KooW".into(),
            reserved: true,
        }];
        relayed.nat = "own_port_each".into();
        let found: Vec<State> = reach(Some(&relayed)).iter().map(|c| c.state).collect();
        assert_eq!(found, [ok, State::Warn, ok]);
        assert!(
            reach(None)
                .iter()
                .all(|check| check.state == State::Skipped)
        );
    }

    #[test]
    fn only_a_failure_fails() {
        let checks = [
            Check::warn("a", ""),
            Check::skipped("b", ""),
            Check::ok("c", ""),
        ];
        assert_eq!(verdict(&checks), Ok(()));
        let error = verdict(&[Check::fail("disk_room", "")]).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.message.contains("disk_room"));
    }
}
