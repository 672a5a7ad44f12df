//! `sim`: many people who talk to a few friends each, in virtual time.
//!
//! Everything on stdout follows from the arguments, to the byte; wall-clock figures go to stderr.

use std::process::ExitCode;
use waxwing_tests::bridges::BRIDGES;
use waxwing_tests::traffic::{Figures, Traffic, run};

const USAGE: &str = "usage: sim [--people N] [--minutes N] [--loss P] [--crash P] \
                     [--bridges N] [--offline] [--seed N] [--json]
  --crash P    chance of a crash per person and minute
  --bridges N  bridges, at most 3; everybody keeps mailboxes at two of them
  --offline    people come one after the other and never meet (needs a bridge)";

fn main() -> ExitCode {
    let mut traffic = Traffic::default();
    let mut json = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--json" {
            json = true;
        } else if arg == "--offline" {
            traffic.offline = true;
        } else if !args
            .next()
            .is_some_and(|value| set(&mut traffic, &arg, &value))
        {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    if traffic.offline && traffic.bridges == 0 {
        eprintln!("--offline needs --bridges: nothing else carries letters then\n{USAGE}");
        return ExitCode::from(2);
    }
    let start = std::time::Instant::now();
    let (figures, failure) = run(traffic);
    eprintln!("{:.1} s of wall-clock time", start.elapsed().as_secs_f64());
    print(&figures, json);
    if let Some(failure) = &failure {
        eprintln!("{failure}");
    }
    let bad = figures.lost > 0 || figures.duplicated > 0 || failure.is_some();
    ExitCode::from(u8::from(bad))
}

fn set(traffic: &mut Traffic, name: &str, value: &str) -> bool {
    fn parse<T: std::str::FromStr>(slot: &mut T, value: &str) -> bool {
        value.parse().map(|value| *slot = value).is_ok()
    }
    let done = match name {
        "--people" => parse(&mut traffic.people, value),
        "--minutes" => parse(&mut traffic.minutes, value),
        "--loss" => parse(&mut traffic.loss, value),
        "--crash" => parse(&mut traffic.crash, value),
        "--bridges" => parse(&mut traffic.bridges, value) && traffic.bridges <= BRIDGES.len(),
        "--seed" => parse(&mut traffic.seed, value),
        _ => false,
    };
    let unit = 0.0..=1.0;
    done && traffic.people >= 2 && unit.contains(&traffic.loss) && unit.contains(&traffic.crash)
}

fn print(figures: &Figures, json: bool) {
    let rows = figures.rows();
    if json {
        let object: serde_json::Map<String, serde_json::Value> = rows
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        println!("{}", serde_json::Value::Object(object));
    } else {
        for (name, value) in rows {
            println!("{name} {value}");
        }
    }
}
