//! Logs: to stderr, and nothing personal in them.
//!
//! Other crates print addresses and peer ids at every level, so only our own are heard unless
//! somebody names another crate on purpose.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// The crates whose lines are known to hold nothing personal.
const OURS: [&str; 3] = ["waxwing", "waxwing_node", "waxwing_protocol"];
/// The variable that sets the level, or `target=level` for several targets.
const VARIABLE: &str = "WAXWING_LOG";
const DEFAULT: &str = "info";
/// The levels, quietest first.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Puts another filter in place of the one that stands.
type Swap = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// A process logs in one way: its level, as it was asked for, and how to change it.
struct Running {
    wanted: Mutex<String>,
    swap: Swap,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The level is none of `off error warn info debug trace`, and no list of `target=level`.
    #[error("`{0}` is no log level (off, error, warn, info, debug, trace)")]
    Level(String),
    /// Logging was started before in this process.
    #[error("logging is started already")]
    Started,
    /// Logging was not started in this process.
    #[error("this process does not log")]
    NotStarted,
}

/// Starts logging to stderr: text for a terminal, otherwise, or if `json` says so, one JSON object
/// a line. A panic is logged by its place alone. `level` wins over `WAXWING_LOG`; without either it
/// is `info`. Text is coloured as `color` says; without it, unless `NO_COLOR` is set.
///
/// # Errors
/// [`LogsError`] if the level cannot be understood or logging was started before.
pub fn init(level: Option<&str>, json: bool, color: Option<bool>) -> Result<(), LogsError> {
    let wanted = match level {
        Some(level) => level.to_owned(),
        None => std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned()),
    };
    let filter = filter(&wanted)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let (started, swap): (_, Swap) = if json || !io::stderr().is_terminal() {
        let log = log.json().flatten_event(true).with_filter_reloading();
        let handle = log.reload_handle();
        (
            log.finish().try_init(),
            Box::new(move |to| handle.reload(to)),
        )
    } else {
        let log = match color {
            Some(color) => log.with_target(false).with_ansi(color),
            None => log.with_target(false),
        };
        let log = log.with_filter_reloading();
        let handle = log.reload_handle();
        (
            log.finish().try_init(),
            Box::new(move |to| handle.reload(to)),
        )
    };
    started.map_err(|_| LogsError::Started)?;
    let wanted = Mutex::new(wanted);
    RUNNING
        .set(Running { wanted, swap })
        .map_err(|_| LogsError::Started)?;
    // The usual message of a panic may quote what it stumbled over: somebody's text.
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at = at.as_deref().unwrap_or("?"), "a bug in the program");
    }));
    Ok(())
}

/// What this process logs: a level, or the list that it was started with; `None` if it does not.
pub fn level() -> Option<String> {
    let wanted = RUNNING.get()?.wanted.lock();
    Some(wanted.unwrap_or_else(PoisonError::into_inner).clone())
}

/// Logs at another level from now on: one of [`LEVELS`], for our own crates. Other crates cannot be
/// named here: what they say is personal, and only who starts the process may ask for it.
///
/// # Errors
/// [`LogsError::Level`] if it is none, [`LogsError::NotStarted`].
pub fn set_level(level: &str) -> Result<(), LogsError> {
    if !LEVELS.contains(&level) {
        return Err(LogsError::Level(level.to_owned()));
    }
    let running = RUNNING.get().ok_or(LogsError::NotStarted)?;
    let mut wanted = running
        .wanted
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    (running.swap)(filter(level)?).map_err(|_| LogsError::NotStarted)?;
    level.clone_into(&mut wanted);
    Ok(())
}

/// Whether a process can be started with this level, or list of `target=level`.
///
/// # Errors
/// [`LogsError::Level`] if it cannot.
pub fn check(wanted: &str) -> Result<(), LogsError> {
    filter(wanted).map(|_| ())
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

    #[test]
    fn only_a_bare_level_is_set_while_running() {
        for wrong in [
            "",
            "loud",
            "INFO",
            "waxwing=debug",
            "info,libp2p_swarm=trace",
        ] {
            assert!(
                matches!(set_level(wrong), Err(LogsError::Level(_))),
                "{wrong}"
            );
        }
    }
}
