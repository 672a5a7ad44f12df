//! w5: memory of a node at rest and its time to start, with an empty home and with a long history.

use super::figures::Figures;
use super::pair::Pair;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// A node is at rest after so long without anything to do: it waits some seconds until it gives
/// memory back.
const REST: Duration = Duration::from_secs(20);
/// Starts, of which the median counts.
const STARTS: usize = 5;

/// Resident memory of bob's node, in MB of 10^6 bytes.
fn resident_mb(pair: &Pair) -> io::Result<f64> {
    let pid = pair.bob.pid().ok_or_else(|| io::Error::other("no node"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kb: Option<f64> = status.lines().find_map(|line| {
        let rest = line.strip_prefix("VmRSS:")?.trim();
        rest.strip_suffix(" kB")?.trim().parse().ok()
    });
    Ok(kb.unwrap_or(0.0) * 1_024.0 / 1e6)
}

/// Stops and starts bob's node; from the start of the process to its ready line, in seconds, the
/// first time and the median, and then its memory at rest.
fn restart(pair: &mut Pair) -> io::Result<(f64, f64, f64)> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        pair.bob.stop();
        let began = Instant::now();
        pair.bob.up();
        times.push(began.elapsed().as_secs_f64());
    }
    let first = times[0];
    times.sort_unstable_by(f64::total_cmp);
    std::thread::sleep(REST);
    Ok((first, times[STARTS / 2], resident_mb(pair)?))
}

/// Measures bob's node with an empty history, then with so many messages.
///
/// # Errors
/// If a node fails.
pub async fn run(pair: &mut Pair, stored: usize) -> io::Result<Figures> {
    let (_, start_s, rss_idle_mb) = tokio::task::block_in_place(|| restart(pair))?;
    pair.fill(stored).await?;
    let rss_busy_mb = resident_mb(pair)?;
    tokio::time::sleep(REST).await;
    let rss_filled_mb = resident_mb(pair)?;
    let (first_full_s, start_full_s, rss_full_mb) = tokio::task::block_in_place(|| restart(pair))?;
    let mut figures = Figures::default();
    figures.word("workload", "w5");
    figures.count("stored", stored);
    figures.add("rss_idle_mb", rss_idle_mb);
    figures.add("rss_100k_mb", rss_full_mb);
    figures.add("rss_busy_mb", rss_busy_mb);
    figures.add("rss_after_filling_mb", rss_filled_mb);
    figures.add("start_s", start_s);
    figures.add("start_100k_s", start_full_s);
    figures.add("start_first_100k_s", first_full_s);
    Ok(figures)
}
