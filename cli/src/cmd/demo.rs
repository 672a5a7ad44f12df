//! `waxwing demo`: two nodes meet, talk, and lose nothing; two bridges carry between them.

mod bridges;
mod cast;
mod script;

use super::interrupt;
use crate::error::CliError;
use crate::out::Out;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// The whole play, by the clock on the wall.
const PLAY_TIME_MAX: Duration = Duration::from_secs(45);

/// Watch two nodes on this machine meet and talk.
///
/// Starts two real nodes in temporary homes, on loopback only. Alice and bob meet by an invite,
/// talk, and one of the nodes is killed in the middle of it. Then two bridges open, and a letter
/// waits there while nobody is up. Everything is checked, and everything is cleaned up in the end.
/// Takes some fifteen seconds.
#[derive(Debug, clap::Args)]
pub struct Demo {}

/// # Errors
/// [`CliError`] if a node cannot start, or anything was lost on the way.
pub async fn run(_: Demo, out: Out) -> Result<(), CliError> {
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| CliError::failed("signals", error.to_string()))?;
    let began = Instant::now();
    let mut stage = cast::Stage::new()?;
    let result = tokio::select! {
        result = script::play(&mut stage, out) => result,
        () = tokio::time::sleep(PLAY_TIME_MAX) => Err(CliError::timeout(
            "the nodes did not get through the play in time",
        )),
        () = interrupt() => Err(CliError::interrupted()),
        _ = terminate.recv() => Err(CliError::interrupted()),
    };
    let hint = match &result {
        Ok(_) => None,
        Err(_) => stage.last_words(),
    };
    // Before anything is said about the end: whatever that was, nothing stays behind.
    stage.clear().await;
    match result {
        Ok(tally) => script::finish(&tally, began.elapsed(), out),
        Err(error) => Err(match hint {
            Some(hint) if error.hint.is_none() => error.hint(hint),
            _ => error,
        }),
    }
}
