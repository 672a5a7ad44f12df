//! Random steps. `SEED=x` runs one seed, `SEEDS=n` the first n, `LOUD=1` prints the trace.

use waxwing_tests::engine::Real;
use waxwing_tests::storm::{Storm, run, run_loud};

/// Seeds of an ordinary run.
const SEEDS: u64 = 12;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn storms_break_nothing() {
    let loud = std::env::var_os("LOUD").is_some();
    let seeds = match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let mut broken = Vec::new();
    for seed in seeds {
        if let Err(failure) = run_loud(seed, Storm::drawn(seed), Box::new(Real), loud) {
            eprintln!("{failure}");
            broken.push(seed);
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
