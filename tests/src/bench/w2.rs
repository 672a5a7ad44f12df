//! w2: how many messages a second, from the first API call until the last message is shown and
//! durable at the receiver.

use super::client::{Caller, Events};
use super::figures::{Figures, processor_time};
use super::pair::Pair;
use super::text;
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Nothing new for so long: what did not come is lost.
const SILENCE: Duration = Duration::from_secs(20);

/// Processor time of the sender, the receiver and this process.
fn used(pair: &Pair) -> io::Result<[Duration; 3]> {
    let gone = || io::Error::other("no node");
    Ok([
        processor_time(pair.alice.pid().ok_or_else(gone)?)?,
        processor_time(pair.bob.pid().ok_or_else(gone)?)?,
        processor_time(std::process::id())?,
    ])
}

/// Sends so many messages with so many API calls in flight.
///
/// # Errors
/// If a node fails.
pub async fn run(pair: &Pair, messages: usize, in_flight: usize) -> io::Result<Figures> {
    let mut events = Events::open(&pair.bob.socket()).await?;
    let mut callers = Vec::new();
    for _ in 0..in_flight {
        callers.push(Caller::connect(&pair.alice.socket()).await?);
    }
    let used_before = used(pair)?;
    let began = Instant::now();
    let mut calls = Vec::new();
    for (first, mut caller) in callers.into_iter().enumerate() {
        calls.push(tokio::spawn(async move {
            let mut ids = Vec::new();
            for number in (first..messages).step_by(in_flight) {
                ids.push(caller.send("bob", &text(number)).await?);
            }
            io::Result::Ok((ids, Instant::now()))
        }));
    }
    let mut shown: HashMap<String, usize> = HashMap::with_capacity(messages);
    let mut last = began;
    let mut accepted = began;
    let mut sent = Vec::with_capacity(messages);
    while shown.len() < messages {
        match timeout(SILENCE, events.message()).await {
            Ok(id) => {
                *shown.entry(id?).or_default() += 1;
                last = Instant::now();
            }
            Err(_) => break,
        }
    }
    for call in calls {
        let (ids, at) = call.await.map_err(io::Error::other)??;
        accepted = accepted.max(at);
        sent.extend(ids);
    }
    // A copy that comes late is a copy too.
    while let Ok(id) = timeout(Duration::from_millis(300), events.message()).await {
        *shown.entry(id?).or_default() += 1;
    }
    let used_after = used(pair)?;
    let lost = sent.iter().filter(|id| !shown.contains_key(*id)).count();
    let copies: usize = shown.values().map(|count| count - 1).sum();
    let per_second = |until: Instant| messages as f64 / (until - began).as_secs_f64();
    let mut figures = Figures::default();
    figures.word("workload", "w2");
    figures.count("messages", messages);
    figures.count("in_flight", in_flight);
    figures.add("per_second", per_second(last));
    figures.add("accepted_per_second", per_second(accepted));
    figures.count("lost", lost);
    figures.count("duplicated", copies);
    let names = ["sender_cpu_us", "receiver_cpu_us", "driver_cpu_us"];
    for (name, (before, after)) in names.into_iter().zip(used_before.iter().zip(used_after)) {
        figures.add(
            name,
            (after - *before).as_secs_f64() * 1e6 / messages as f64,
        );
    }
    Ok(figures)
}
