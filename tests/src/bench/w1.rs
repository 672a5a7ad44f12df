//! w1: how long one message takes, from the beginning of the API call to the receiver's event.

use super::client::{Caller, Events};
use super::figures::{Figures, Times};
use super::pair::Pair;
use super::text;
use std::io;
use std::time::Instant;

/// Messages before the clock counts.
const WARM_UP: usize = 50;

/// Sends so many messages one after the other.
///
/// # Errors
/// If a node fails.
pub async fn run(pair: &Pair, messages: usize) -> io::Result<Figures> {
    let mut events = Events::open(&pair.bob.socket()).await?;
    let mut caller = Caller::connect(&pair.alice.socket()).await?;
    let mut times = Times::default();
    for number in 0..WARM_UP + messages {
        let text = text(number);
        let began = Instant::now();
        let seen = async {
            let id = events.message().await?;
            io::Result::Ok((id, began.elapsed()))
        };
        let (sent, seen) = tokio::join!(caller.send("bob", &text), seen);
        let (id, (shown, took)) = (sent?, seen?);
        if id != shown {
            return Err(io::Error::other("another message was shown"));
        }
        if number >= WARM_UP {
            times.add(took);
        }
    }
    let mut figures = Figures::default();
    figures.word("workload", "w1");
    figures.count("messages", messages);
    figures.add("p50_ms", times.percentile_ms(50));
    figures.add("p95_ms", times.percentile_ms(95));
    figures.add("p99_ms", times.percentile_ms(99));
    Ok(figures)
}
