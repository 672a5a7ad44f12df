//! Letting a world come to rest, and looking at what is left.

use crate::check::Broken;
use crate::link::LinkConfig;
use crate::person::Power;
use crate::report::Failure;
use crate::world::World;
use waxwing_protocol::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, SECOND_MS};

/// Time that a world without rolled-back disks is given: the slowest retry is hourly, and one
/// thing may have to wait for another.
pub const SETTLE_MS: Millis = 4 * HOUR_MS;
/// Time that a world with rolled-back disks is given: a repair takes hours to be seen as needed,
/// and only one a day is made.
pub const SETTLE_ROLLED_MS: Millis = 80 * HOUR_MS;
/// Time that a world with bridges is given: a letter goes again to a bridge that holds it after three
/// days, and to one that was full after up to half a day.
pub const SETTLE_BRIDGES_MS: Millis = 10 * DAY_MS;
/// After everything is in place, so long nothing more may happen.
const AFTERMATH_MS: Millis = 2 * HOUR_MS;
/// First and longest pause between two looks.
const PAUSE_MS: (Millis, Millis) = (5 * SECOND_MS, 20 * MINUTE_MS);

impl World {
    /// Ends everything that stands in the way: partitions, loss, crashes to come, full disks;
    /// starts whoever is off and wakes whoever sleeps.
    pub fn heal(&mut self) {
        self.sides.clear();
        self.config.link = LinkConfig {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            ..self.config.link
        };
        for who in 0..self.people.len() {
            let person = &mut self.people[who];
            person.crash_at = None;
            person.disk_full = false;
            match person.power {
                Power::Off => self.start(who),
                Power::Asleep => self.wake_up(who),
                Power::On => {}
            }
        }
    }

    /// Heals, lets time pass until every promise is kept, then some more, and looks again.
    ///
    /// # Errors
    /// What was found: during the run, or still broken at the end.
    pub fn settle(&mut self) -> Result<(), Box<Failure>> {
        let rolled = !self.model.rolled.is_empty();
        let bridges = (0..self.people.len()).any(|who| self.is_bridge(who));
        let span = match (bridges, rolled) {
            (true, _) => SETTLE_BRIDGES_MS,
            (false, true) => SETTLE_ROLLED_MS,
            (false, false) => SETTLE_MS,
        };
        self.settle_within(span)
    }

    /// As [`World::settle`], within a given time.
    ///
    /// # Errors
    /// As there.
    pub fn settle_within(&mut self, span: Millis) -> Result<(), Box<Failure>> {
        self.heal();
        let end = self.now + span;
        let mut pause = PAUSE_MS.0;
        while self.now < end && self.violations().is_empty() {
            self.run_for(pause);
            // A crash that was already on its way still has its start to come.
            self.heal();
            if self.broken().is_empty() {
                break;
            }
            pause = (pause * 2).min(PAUSE_MS.1);
        }
        if self.violations().is_empty() && self.broken().is_empty() {
            self.run_for(AFTERMATH_MS);
        }
        self.look();
        self.verdict()
    }

    /// Turns every promise that is not kept into a violation.
    pub fn look(&mut self) {
        let broken: Vec<Broken> = self.broken();
        for (name, who, detail) in broken {
            self.violation(name, who, detail);
        }
        for who in 0..self.people.len() {
            self.check_rows(who);
        }
    }
}
