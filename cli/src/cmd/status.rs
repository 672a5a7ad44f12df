//! `waxwing status`

use super::Context;
use crate::error::{CliError, Kind};
use crate::out::Out;
use crate::text;
use crate::when;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;
use waxwing_node::api::model;

/// Show how the node is doing.
#[derive(Debug, clap::Args)]
pub struct Status {}

/// # Errors
/// [`CliError`] of kind `Unreachable` if no node runs; what the home can tell is printed first.
pub async fn run(_: Status, context: &Context) -> Result<(), CliError> {
    match context.client.get::<model::Status>("/v1/status").await {
        Ok(status) => context.out.object(&status, || plain(&status, context.out)),
        Err(error) if error.kind == Kind::Unreachable => {
            let Some(id) = super::offline_id(&context.home) else {
                return Err(error);
            };
            let line = json!({
                "account": id.account, "name": id.name, "peer": id.peer, "running": false,
            });
            context.out.object(&line, || {
                format!("{}\nnode      not running", text::line(&id.name))
            })?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

fn plain(status: &model::Status, out: Out) -> String {
    let mut text = format!(
        "{}  {}\nnode      up {}, version {}",
        out.bold(&text::line(&status.name)),
        status.account,
        uptime(status.uptime_s),
        status.version,
    );
    for (at, addr) in status.listen.iter().enumerate() {
        let label = if at == 0 { "listens  " } else { "         " };
        let _ = write!(text, "\n{label} {addr}");
    }
    let _ = write!(
        text,
        "\nreach     {}{}\ncontacts  {}, {} connected now\noutbox    {}",
        reach(status),
        relays(status),
        status.contacts,
        status.connected,
        match status.outbox {
            0 => "empty".to_owned(),
            waiting => format!("{waiting} waiting"),
        },
    );
    if status.requests > 0 {
        let _ = write!(
            text,
            "\nrequests  {} waiting: `waxwing requests`",
            status.requests
        );
    }
    if let Some(disk) = &status.disk {
        let _ = write!(
            text,
            "\ndisk      {} used, {} free{}",
            bytes(disk.used_bytes),
            bytes(disk.free_bytes),
            if disk.read_only {
                "; too little: reading works, writing does not"
            } else {
                ""
            },
        );
    }
    if status.words_kept {
        text.push_str("\nwords     not written down yet: `waxwing words`");
    }
    text
}

fn uptime(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => when::span(Duration::from_secs(seconds)),
    }
}

fn reach(status: &model::Status) -> String {
    let who = match status.reachability.as_str() {
        "public" => "from everywhere",
        "private" => "from its own network",
        "loopback" => "from this machine",
        "none" => "from nowhere",
        "unknown" => "perhaps from everywhere",
        other => other,
    };
    format!("{who}: {}", text::line(&status.reachability_why))
}

fn relays(status: &model::Status) -> String {
    let mut text = String::new();
    for relay in &status.relays {
        let state = if relay.reserved {
            "leads here"
        } else {
            "not reached"
        };
        let _ = write!(text, "\nrelay     {}  {state}", text::line(&relay.peer));
    }
    if !status.roles.is_empty() {
        let _ = write!(text, "\nfor all   {}", status.roles.join(", "));
    }
    text
}

/// `12 KiB`, `3.4 GiB`.
pub(super) fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = u128::from(count) * 10;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1_024;
        unit += 1;
    }
    if unit == 0 || tenths >= 100 {
        format!("{} {}", tenths / 10, units[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_fitting_units() {
        for (count, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (12 * 1_024, "12 KiB"),
            (3_650_722_201, "3.3 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
