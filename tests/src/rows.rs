//! How many rows a home may hold, table by table.

use crate::person::Who;
use crate::world::World;
use std::collections::BTreeMap;
use waxwing_protocol::limits::{
    BRIDGES_MAX, CHANGES_MAX, INIT_SEEN_MAX, INVITES_MAX, SESSIONS_MAX, SKIPPED_PER_ACCOUNT_MAX,
    SKIPPED_TOTAL_MAX, STRANGER_LETTERS_MAX, TAG_BATCH, TAG_DAYS_AHEAD, TAG_DAYS_READ,
    WAITING_REACTIONS_MAX,
};
use waxwing_protocol::store::{MemoryStore, Table};

/// Rows of each table.
pub fn count(store: &MemoryStore) -> BTreeMap<Table, u64> {
    let mut rows = BTreeMap::new();
    for (key, _) in store.iter() {
        *rows.entry(key.table()).or_default() += 1;
    }
    rows
}

/// What the number of rows may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Everybody who may be a contact or ask to be one.
    pub people: u64,
    /// Bridges in the world.
    pub bridges: u64,
    /// Messages, reactions and control letters that were ever asked for, with repairs.
    pub letters: u64,
    /// Commands that were ever given.
    pub commands: u64,
}

/// Most rows of a table under a load.
pub fn most(table: Table, load: Load) -> u64 {
    let Load {
        people,
        bridges,
        letters,
        commands,
    } = load;
    let devices = people + 1;
    let sessions = devices * (SESSIONS_MAX as u64 + 1);
    match table {
        Table::Meta | Table::Own => 64,
        // New ones every week, kept for at most 45 days, and as many on command.
        Table::Prekey | Table::OneTime => 32 + commands,
        Table::Contact | Table::ByAccount | Table::ByName | Table::Account => devices * 2,
        Table::Draft => devices,
        // A device and its bundle.
        Table::Device => devices * 4,
        Table::ByPeer => devices * 2,
        Table::Online | Table::Dial => devices,
        Table::Session => sessions,
        Table::Skipped | Table::SkippedOrder => {
            let per_account = u64::from(SKIPPED_PER_ACCOUNT_MAX) * people;
            per_account.min(u64::from(SKIPPED_TOTAL_MAX))
        }
        Table::Invite => INVITES_MAX as u64 * 2 + people,
        Table::InitSeen => (2 * u64::from(INIT_SEEN_MAX)).min(sessions * 4),
        // The answer, and when it may be forgotten.
        Table::Answer => 2 * commands,
        Table::Held => STRANGER_LETTERS_MAX as u64 * devices,
        Table::Waiting => WAITING_REACTIONS_MAX as u64 * devices,
        Table::Change => CHANGES_MAX,
        Table::Agenda => 64 + 16 * devices + 4 * letters,
        Table::Gone | Table::Fading => letters,
        // A segment holds one message or more; those that came late wait for it in rows.
        Table::Segment | Table::Unpacked => letters,
        Table::Message | Table::ByMid | Table::Unread | Table::ReceiptDue => letters + devices,
        Table::Bridge => bridges.min(BRIDGES_MAX as u64),
        Table::Known | Table::KnownPeer => bridges,
        Table::Lane | Table::LaneDue => bridges * sessions,
        // A day's tag of every session at every bridge, kept for a while behind and ahead.
        Table::TagIn => bridges * sessions * u64::from(TAG_DAYS_READ + TAG_DAYS_AHEAD + 4),
        // At a bridge: each with what it holds.
        Table::Mailbox => 2 * devices,
        Table::Caller => devices,
        // Yesterday's and the day's before, today's, and one of a clock that is ahead.
        Table::ForwardKey => 4,
        // At a bridge: whole batches, several a person over the weeks.
        Table::Tag | Table::TagEnd => TAG_BATCH as u64 * 16 * devices,
        // Everything else goes by devices, sessions or what is waiting.
        _ => 4 * sessions + letters,
    }
}

impl World {
    /// Every table of somebody's home is within its bounds.
    pub fn check_rows(&mut self, who: Who) {
        self.check_counts(who);
        let model = &self.model;
        let said: u64 = model.said_of.values().map(|n| u64::from(*n)).sum();
        let person = &self.people[who];
        let load = Load {
            people: self.people.len() as u64,
            bridges: (0..self.people.len())
                .filter(|who| self.is_bridge(*who))
                .count() as u64,
            letters: (model.asked.len() + model.timers.len()) as u64 + said + 64,
            commands: (person.answers.len() + person.wishes.len()) as u64,
        };
        for (table, rows) in count(&person.store) {
            let most = most(table, load);
            if rows > most {
                let detail = format!("{table:?} holds {rows} rows, at most {most} are explained");
                self.violation("rows", who, detail);
            }
        }
    }
}
