//! Looking at a home and its machine as a node that starts would, beside one that runs or without.
//!
//! Nothing is changed but for one small file that comes and goes, and nothing leaves the machine.
//! What only a running node knows is asked of it by whoever calls this.

mod bridge;
mod clock;
mod disk;
mod home;
mod machine;
mod ports;

use crate::config::Config;
use serde::{Deserialize, Serialize};
use waxwing_protocol::input::BridgeSettings;

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There was nothing to look at.
    Skipped,
    /// As it should be.
    Ok,
    /// It works, and something is worth knowing.
    Warn,
    /// Something does not work, or will not.
    Fail,
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Check {
    /// Snake-case name of what was looked at.
    pub check: String,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Check {
    /// A check without a hint.
    pub fn new(check: &str, state: State, detail: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            state,
            detail: detail.into(),
            hint: None,
        }
    }

    /// As it should be.
    pub fn ok(check: &str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Ok, detail)
    }

    /// It works, and something is worth knowing.
    pub fn warn(check: &str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Warn, detail)
    }

    /// Something does not work, or will not.
    pub fn fail(check: &str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Fail, detail)
    }

    /// There was nothing to look at.
    pub fn skipped(check: &str, detail: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, detail)
    }

    /// With something to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Everything that can be told without asking the node: clock, disk, home, ports, machine.
/// `config` is what `up` would start with; `listening` are the addresses of the node that runs,
/// `None` if none does. Takes some tenths of a second and blocks.
pub fn examine(config: &Config, listening: Option<&[String]>) -> Vec<Check> {
    let root = &config.home;
    let mut checks = vec![clock::check(root, listening.is_some())];
    checks.extend(home::checks(config));
    checks.extend(disk::checks(root, config.disk_free_min_bytes));
    checks.extend(ports::checks(config, listening));
    checks.extend(machine::checks());
    checks
}

/// Whether a bridge would work as it is set up: roles, quota, addresses, ports, where its figures are
/// served. `is_free`: no node runs in the home, so its ports have to be free. Blocks for a moment.
pub fn examine_bridge(config: &Config, bridge: &BridgeSettings, is_free: bool) -> Vec<Check> {
    bridge::checks(config, bridge, is_free)
}

/// A number of bytes for people: two digits and a unit.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len() - 1)
        .find(|unit| count >> (10 * (unit + 1)) == 0)
        .unwrap_or(UNITS.len() - 1);
    format!("{} {}", count >> (10 * unit), UNITS[unit])
}

#[cfg(test)]
mod tests;
