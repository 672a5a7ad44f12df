//! Figures: what was measured, under its name, and how it is printed.

use serde_json::{Map, Value};
use std::fs;
use std::io;
use std::time::Duration;

/// A tick of processor time, as Linux tells it to everybody.
const TICK_MS: u64 = 10;

/// Names and numbers, in the order in which they are told.
#[derive(Default)]
pub struct Figures(Vec<(&'static str, Value)>);

impl Figures {
    /// Adds a number, rounded to what can be told apart.
    pub fn add(&mut self, name: &'static str, value: f64) {
        let rounded = if value.abs() < 100.0 {
            (value * 1_000.0).round() / 1_000.0
        } else {
            value.round()
        };
        self.0.push((name, rounded.into()));
    }

    /// Adds a count.
    pub fn count(&mut self, name: &'static str, value: usize) {
        self.0.push((name, value.into()));
    }

    /// Adds a word.
    pub fn word(&mut self, name: &'static str, value: &str) {
        self.0.push((name, value.into()));
    }

    /// Prints one JSON object in one line, or a name and its value a line.
    pub fn print(&self, json: bool) {
        if json {
            let pairs = self.0.iter().cloned();
            let object: Map<String, Value> = pairs.map(|(k, v)| (k.to_owned(), v)).collect();
            println!("{}", Value::Object(object));
        } else {
            for (name, value) in &self.0 {
                println!("{name:<20} {value}");
            }
        }
    }
}

/// Processor time that a process has used so far, in user mode and in the kernel.
///
/// # Errors
/// If there is no such process.
pub fn processor_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; user and system ticks are the 14th and 15th field.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * TICK_MS))
}

/// Durations, to be told as percentiles in milliseconds.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The duration that so many hundredths do not exceed, in ms; 0 if there is none.
    pub fn percentile_ms(&mut self, hundredths: usize) -> f64 {
        self.0.sort_unstable();
        let rank = (self.0.len() * hundredths).div_ceil(100).max(1);
        let at = self.0.get(rank - 1).copied().unwrap_or_default();
        at.as_secs_f64() * 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut times = Times::default();
        assert_eq!(times.percentile_ms(50), 0.0);
        for ms in (1..=200).rev() {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.percentile_ms(50), 100.0);
        assert_eq!(times.percentile_ms(99), 198.0);
        assert_eq!(times.percentile_ms(100), 200.0);
    }
}
