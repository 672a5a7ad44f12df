//! `crash`: the store of a home, with the power going at any instant, as often as wanted.

use std::path::Path;
use std::process::ExitCode;
use waxwing_tests::cut::{self, Figures, LIFE_MS, Plan, child};

const USAGE: &str = "\
usage: crash kill|power|control [--rounds N] [--seed N] [--life MS]
  kill     SIGKILL to a process that writes
  power    the disk under it is cut off without a flush (needs root)
  control  the same with every sync turned into nothing: losses must be found (needs root)
  --life   how long a writer lives at most [default: 400]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["write", home, seed] => seeded(seed, |seed| child::write(Path::new(home), seed, None)),
        ["write", home, seed, batches] => seeded(seed, |seed| {
            child::write(Path::new(home), seed, batches.parse().ok())
        }),
        ["look", home, seed] => seeded(seed, |seed| child::look(Path::new(home), seed)),
        ["kill", ref rest @ ..] => play(rest, 50, |plan| cut::kill(plan).map(Some)),
        ["power", ref rest @ ..] => play(rest, 30, cut::power),
        ["control", ref rest @ ..] => play(rest, 30, |plan| {
            let figures = cut::control(plan, u64::MAX)?;
            match figures {
                Some(figures) if figures.lost == 0 => {
                    Err(format!("{figures}: nothing was lost, so nothing is proven"))
                }
                figures => Ok(figures),
            }
        }),
        _ => None,
    };
    match done {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

type Done = Option<Result<(), String>>;

fn seeded(seed: &str, act: impl FnOnce(u64) -> Result<(), String>) -> Done {
    seed.parse().ok().map(act)
}

fn play(
    words: &[&str],
    rounds: u64,
    act: impl FnOnce(&Plan) -> Result<Option<Figures>, String>,
) -> Done {
    let mut plan = Plan {
        program: std::env::current_exe().ok()?,
        rounds,
        seed: 7,
        life_ms: LIFE_MS,
    };
    for pair in words.chunks(2) {
        match pair {
            ["--rounds", rounds] => plan.rounds = rounds.parse().ok()?,
            ["--seed", seed] => plan.seed = seed.parse().ok()?,
            ["--life", life] => plan.life_ms = life.parse().ok()?,
            _ => return None,
        }
    }
    Some(act(&plan).map(|figures| {
        if let Some(figures) = figures {
            println!("{figures}");
        }
    }))
}
