//! Logs: to stderr, and nothing personal in them.
//!
//! Other crates print addresses and peer ids at every level, so only our own are heard unless
//! somebody names another crate on purpose.

use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The crates whose lines are known to hold nothing personal.
const OURS: [&str; 3] = ["waxwing", "waxwing_node", "waxwing_protocol"];
/// The variable that sets the level, or `target=level` for several targets.
const VARIABLE: &str = "WAXWING_LOG";
const DEFAULT: &str = "info";

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The level is none of `off error warn info debug trace`, and no list of `target=level`.
    #[error("`{0}` is no log level (off, error, warn, info, debug, trace)")]
    Level(String),
    /// Logging was started before in this process.
    #[error("logging is started already")]
    Started,
}

/// Starts logging to stderr: text for a terminal, otherwise, or if `json` says so, one JSON object
/// a line. A panic is logged by its place alone. `level` wins over `WAXWING_LOG`; without either it is `info`.
///
/// # Errors
/// [`LogsError`] if the level cannot be understood or logging was started before.
pub fn init(level: Option<&str>, json: bool) -> Result<(), LogsError> {
    let wanted = match level {
        Some(level) => level.to_owned(),
        None => std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned()),
    };
    let filter = filter(&wanted)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let started = if json || !io::stderr().is_terminal() {
        log.json().flatten_event(true).try_init()
    } else {
        log.with_target(false).try_init()
    };
    started.map_err(|_| LogsError::Started)?;
    // The usual message of a panic may quote what it stumbled over: somebody's text.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at = at.as_deref().unwrap_or("?"), "a bug in the program");
    }));
    Ok(())
}

fn filter(wanted: &str) -> Result<EnvFilter, LogsError> {
    let directives = match wanted.trim().parse::<LevelFilter>() {
        // A bare level is about our own crates.
        Ok(level) => OURS.map(|name| format!("{name}={level}")).join(","),
        Err(_) => wanted.to_owned(),
    };
    EnvFilter::builder()
        .with_default_directive(LevelFilter::OFF.into())
        .parse(directives)
        .map_err(|_| LogsError::Level(wanted.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_about_our_own_crates() {
        let text = filter("debug").unwrap().to_string();
        for name in OURS {
            assert!(text.contains(&format!("{name}=debug")), "{text}");
        }
        assert_eq!(text.split(',').count(), OURS.len(), "{text}");
        let text = filter("waxwing_node=trace,libp2p_swarm=warn").unwrap();
        assert!(text.to_string().contains("libp2p_swarm=warn"));
        assert!(filter("waxwing=loud").is_err());
    }
}
