//! The real store, with the power going at any instant. `E2E_FULL=1` runs as many rounds as
//! `docs/guide/verification.md` reports; `SEED=n` draws other instants.

use super::e2e::is_full;
use waxwing_tests::cut::{LIFE_MS, Plan, control, kill, power};

/// Of the control, which may need several to lose something.
const CONTROL_ROUNDS: u64 = 30;

fn plan(some: u64, all: u64) -> Plan {
    let seed = std::env::var("SEED").ok();
    Plan {
        program: env!("CARGO_BIN_EXE_crash").into(),
        rounds: if is_full() { all } else { some },
        seed: seed.and_then(|text| text.parse().ok()).unwrap_or(7),
        life_ms: LIFE_MS,
    }
}

#[test]
fn a_writer_that_is_killed_has_lost_nothing_acknowledged() {
    let plan = plan(5, 50);
    let figures = kill(&plan).unwrap();
    eprintln!("{figures}");
    assert_eq!((figures.rounds, figures.lost), (plan.rounds, 0));
    assert!(figures.acknowledged > 0, "{figures}");
}

#[test]
fn a_disk_without_power_has_lost_nothing_acknowledged() {
    let plan = plan(4, 30);
    let Some(figures) = power(&plan).unwrap() else {
        return;
    };
    eprintln!("{figures}");
    assert_eq!((figures.rounds, figures.lost), (plan.rounds, 0));
    assert!(figures.acknowledged > 0, "{figures}");
}

#[test]
fn a_store_that_does_not_sync_is_found_out() {
    let plan = plan(CONTROL_ROUNDS, CONTROL_ROUNDS);
    if let Some(figures) = control(&plan, 1).unwrap() {
        eprintln!("{figures}");
        assert!(figures.lost > 0, "{figures}: the harness sees no loss");
    }
}
