//! Checks that are made while the run goes on: after every commit, at every output.

use crate::frames::Reuse;
use crate::person::Who;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use waxwing_protocol::id::{Mid, Peer};
use waxwing_protocol::limits::{FRAME_BYTES_MAX, RESEND_LETTERS_MAX, WINDOW_LETTERS};
use waxwing_protocol::output::{Output, State};
use waxwing_protocol::query::{Change, ChangeView, Changes};
use waxwing_protocol::time::Millis;

/// Changes read at once.
const CHANGES_READ: usize = 500;
/// Outputs of one input: a whole window sealed, a whole resend, and some for everything else.
const OUTPUTS_MAX: usize = WINDOW_LETTERS as usize + RESEND_LETTERS_MAX + 64;
/// More for each person in the world: a start dials every contact.
const OUTPUTS_PER_PERSON: usize = 4;
/// A charge of nonsense: honest nodes are never charged it.
const PENALTY_NONSENSE: u32 = 10;

/// A notice that a user was shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Virtual time.
    pub at: Millis,
    /// Who was shown it.
    pub who: Who,
    /// Petname of whom it is about.
    pub contact: Option<String>,
    /// Its code.
    pub code: String,
}

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Newest cursor read, per person.
    pub cursors: BTreeMap<Who, u64>,
    /// Newest state shown of each message.
    pub states: BTreeMap<(Who, Mid), State>,
    /// How often each message appeared in the change log.
    pub shown: BTreeMap<(Who, Mid), u32>,
    /// With whom each message was shown.
    pub with: BTreeMap<(Who, Mid), Who>,
    /// Notices in order.
    pub notices: Vec<Notice>,
    /// Who was made to send nonsense to whom: charges for it are deserved.
    pub provoked: BTreeSet<(Who, Peer)>,
}

impl World {
    /// Follows the change log as a client does. Says whether it grew.
    pub(crate) fn watch_commit(&mut self, who: Who) -> bool {
        let mut grew = false;
        loop {
            let after = self.watch.cursors.get(&who).copied().unwrap_or(0);
            let read = self.ask(who, |engine, store| {
                engine.changes(store, after, CHANGES_READ)
            });
            let rows = match read {
                Some(Changes::Rows(rows)) => rows,
                Some(Changes::Gone { oldest }) => {
                    let detail = format!("changes after {after} are gone, oldest is {oldest}");
                    self.violation("change_gone", who, detail);
                    self.watch.cursors.insert(who, oldest);
                    return grew;
                }
                None => return grew,
            };
            let more = rows.len() == CHANGES_READ;
            grew |= !rows.is_empty();
            for row in rows {
                self.watch_change(who, row);
            }
            if !more {
                return grew;
            }
        }
    }

    fn watch_change(&mut self, who: Who, row: ChangeView) {
        let last = self.watch.cursors.insert(who, row.cursor).unwrap_or(0);
        if row.cursor <= last {
            self.violation("cursor_back", who, format!("{} after {last}", row.cursor));
        }
        match row.change {
            Change::Message(message) => {
                let id = message.id;
                if let Some(other) = self.who(&message.account) {
                    self.watch.with.insert((who, id), other);
                }
                let shown = self.watch.shown.entry((who, id)).or_default();
                *shown += 1;
                let shown = *shown;
                let said = self.model.said_of.get(&id).copied().unwrap_or(0);
                if shown > 1 + said {
                    let detail = format!("{id:?} is in the change log {shown} times");
                    self.violation("shown_twice", who, detail);
                }
                if !message.mine {
                    let now = self.now;
                    self.model.arrived.entry((who, id)).or_insert(now);
                }
            }
            Change::State { id, state, .. } => {
                let before = self.watch.states.insert((who, id), state);
                if before.is_some_and(|before| before >= state) {
                    let detail = format!("{id:?} went from {before:?} to {state:?}");
                    self.violation("state_back", who, detail);
                }
            }
            Change::Notice { contact, code, .. } => {
                self.note(who, &format!("notice {code}"), &[]);
                self.watch.notices.push(Notice {
                    at: self.now,
                    who,
                    contact,
                    code,
                });
            }
            Change::Contact(_)
            | Change::Request(_)
            | Change::Reach { .. }
            | Change::Removed { .. } => {}
        }
    }

    pub(crate) fn watch_outputs(&mut self, who: Who, count: usize) {
        if count > OUTPUTS_MAX + OUTPUTS_PER_PERSON * self.people.len() {
            self.violation("too_many_outputs", who, format!("{count} of one input"));
        }
    }

    /// Whoever waits for changes must be told of the newest one, and of none that is not there.
    pub(crate) fn watch_notify(&mut self, who: Who, grew: bool, outputs: &[Output]) {
        let newest = self.watch.cursors.get(&who).copied().unwrap_or(0);
        let told = outputs.iter().filter_map(|output| match output {
            Output::Notify { cursor } => Some(*cursor),
            _ => None,
        });
        let told = told.max();
        if told.is_some_and(|told| told > newest) || (grew && told != Some(newest)) {
            let detail = format!("newest change is {newest}, clients were told {told:?}");
            self.violation("notify", who, detail);
        }
    }

    pub(crate) fn watch_penalty(&mut self, who: Who, peer: &Peer, points: u32) {
        let Some(other) = self.peers.get(peer).copied() else {
            return;
        };
        let deserved = self.watch.provoked.contains(&(who, *peer))
            || self.model.rolled.contains(&who)
            || self.model.rolled.contains(&other);
        if points >= PENALTY_NONSENSE && !deserved {
            let detail = format!("charged {} {points} points", self.name(other));
            self.violation("penalised", who, detail);
        }
    }

    pub(crate) fn watch_frame(&mut self, who: Who, bytes: &[u8]) {
        if bytes.len() > FRAME_BYTES_MAX {
            self.violation("frame_too_large", who, format!("{} bytes", bytes.len()));
        }
        let Some((reuse, key)) = self.keys.note(bytes) else {
            return;
        };
        let session: String = key.sid.iter().map(|b| format!("{b:02x}")).collect();
        let detail = format!("session {session}, N {}: {reuse:?}", key.n);
        match reuse {
            Reuse::Nonce => self.violation("key_reused", who, detail),
            Reuse::Place if self.model.rolled.contains(&who) => {}
            Reuse::Place => self.violation("place_reused", who, detail),
        }
    }

    /// The disk was replaced by an older one: what is read from it starts there.
    pub(crate) fn watch_new_disk(&mut self, who: Who) {
        let status = self.ask(who, |engine, store| engine.status(store));
        let cursor = status.map_or(0, |status| status.cursor);
        self.watch.cursors.insert(who, cursor);
        self.watch.states.retain(|(person, _), _| *person != who);
        self.watch.shown.retain(|(person, _), _| *person != who);
    }
}
