//! Bridges in the world: who keeps a mailbox where, and people who are never there together.

use crate::person::{Then, Who};
use crate::step::Step;
use crate::world::World;
use waxwing_protocol::input::{BridgeSettings, Command};
use waxwing_protocol::time::{Millis, SECOND_MS};

/// Between one going and the next coming.
const GAP_MS: Millis = 20 * SECOND_MS;
/// Names and countries of bridges.
pub const BRIDGES: [(&str, &str); 3] = [("north", "MY"), ("south", "PT"), ("east", "KE")];

impl World {
    /// Adds a bridge with all its roles, in a country, run by whoever it is named after.
    pub fn add_bridge(&mut self, name: &str, country: &str) -> Who {
        let settings = BridgeSettings {
            country: country.to_owned(),
            operator: name.to_owned(),
            mailbox: true,
            forward: true,
            relay: false,
            public: Vec::new(),
            quota_bytes: 1 << 30,
        };
        let who = self.newcomer(name, Some(settings));
        let name = name.to_owned();
        self.command(who, Command::Create { name }, None, Then::Nothing);
        who
    }

    /// It serves others.
    pub fn is_bridge(&self, who: Who) -> bool {
        self.people[who].settings.bridge.is_some()
    }

    /// All who are no bridge.
    pub fn humans(&self) -> Vec<Who> {
        let all = 0..self.people.len();
        all.filter(|who| !self.is_bridge(*who)).collect()
    }

    /// All bridges that were not stopped for good.
    pub fn standing_bridges(&self) -> Vec<Who> {
        let all = 0..self.people.len();
        let stand = |who: &Who| self.is_bridge(*who) && !self.people[*who].away;
        all.filter(stand).collect()
    }

    /// Does what a step says of bridges; the ticket of the command that it gave.
    pub(crate) fn act_on_bridge(&mut self, step: &Step) -> Option<u64> {
        match *step {
            Step::UseBridge { by, bridge } => {
                let descriptor = self.descriptor(bridge)?;
                let command = Command::AddBridge { descriptor };
                Some(self.command(by, command, Some(bridge), Then::Nothing))
            }
            Step::LeaveBridge { by, bridge } => {
                let name = self.name(bridge);
                let command = Command::RemoveBridge { bridge: name };
                Some(self.command(by, command, Some(bridge), Then::Nothing))
            }
            Step::Leave { who } => {
                self.note(who, "goes", &[]);
                self.people[who].away = true;
                self.stop(who);
                None
            }
            Step::Return { who } => {
                self.people[who].away = false;
                self.start(who);
                None
            }
            Step::Shift { turn, every_ms } => {
                self.shift(turn, every_ms);
                None
            }
            _ => None,
        }
    }

    /// One person comes, all others go: nobody ever meets anybody.
    fn shift(&mut self, turn: usize, every_ms: Millis) {
        let people = self.humans();
        let comes = people[turn % people.len()];
        for who in people {
            if who != comes && !self.people[who].away {
                self.act(Step::Leave { who });
            }
        }
        self.act_after(GAP_MS, Step::Return { who: comes });
        let next = Step::Shift {
            turn: turn + 1,
            every_ms,
        };
        self.act_after(every_ms.max(2 * GAP_MS), next);
        self.shifts = true;
    }

    /// Whoever is left without a bridge that still stands takes one.
    pub fn mend_bridges(&mut self) {
        let standing = self.standing_bridges();
        let Some(first) = standing.first().copied() else {
            return;
        };
        for by in self.humans() {
            let uses = self.model.uses.get(&by);
            if !uses.is_some_and(|uses| standing.iter().any(|b| uses.contains(b))) {
                self.act(Step::UseBridge { by, bridge: first });
            }
        }
    }
}
