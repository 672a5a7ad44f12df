//! Random steps. `SEED=x` runs one seed, `SEEDS=n` the first n, or n from
//! `FROM` on, `LOUD=1` prints the trace.

use waxwing_tests::engine::Real;
use waxwing_tests::storm::{Storm, run, run_loud};

/// Seeds of an ordinary run.
const SEEDS: u64 = 12;
/// The same for those with bridges.
const BRIDGED_SEEDS: u64 = 12;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn storms_break_nothing() {
    break_nothing(SEEDS, Storm::drawn);
}

#[test]
fn storms_with_bridges_break_nothing() {
    break_nothing(BRIDGED_SEEDS, Storm::bridged);
}

fn break_nothing(seeds: u64, storm: fn(u64) -> Storm) {
    let loud = std::env::var_os("LOUD").is_some();
    let from = number("FROM").unwrap_or(0);
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => from..from + count.unwrap_or(seeds),
    };
    let mut broken = Vec::new();
    for seed in seeds {
        let begun = std::time::Instant::now();
        match run_loud(seed, storm(seed), Box::new(Real), loud) {
            Ok(calm) => eprintln!("seed {seed}: {calm:?}, {:?}", begun.elapsed()),
            Err(failure) => {
                eprintln!("{failure}");
                broken.push(seed);
            }
        }
    }
    assert!(broken.is_empty(), "seeds {broken:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let storm = Storm {
        people: 3,
        steps: 40,
        ..Storm::drawn(3)
    };
    let hash = |seed| run(seed, storm, Box::new(Real)).unwrap();
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3).hash, hash(4).hash);
}

#[test]
fn the_same_seed_gives_the_same_run_with_bridges() {
    let storm = Storm {
        people: 2,
        steps: 30,
        ..Storm::bridged(1)
    };
    let hash = |seed| run(seed, storm, Box::new(Real)).unwrap();
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1).hash, hash(2).hash);
}
