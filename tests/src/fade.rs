//! What must be true of messages that disappear: none before its time, none after it.

use crate::check::{Broken, View};
use crate::model::{Sent, pair};
use crate::person::{EPOCH_MS, Who};
use crate::world::World;
use std::collections::BTreeSet;
use waxwing_protocol::id::Mid;
use waxwing_protocol::output::State;
use waxwing_protocol::time::{HOUR_MS, MINUTE_MS, Millis, SECOND_MS};

/// Clocks go wrong, machines sleep, answers are repeated: so much later or earlier may things
/// really have happened than the model was told.
const SLACK_MS: Millis = HOUR_MS;
/// By its own clock a node erases in time.
const LATE_MS: Millis = 5 * MINUTE_MS;

/// What has become of a message on one side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It must be there.
    Shown,
    /// Its time is about up, or nobody can tell.
    Either,
    /// It must have disappeared.
    Gone,
}

impl World {
    /// What must have become of a message at one of its two sides.
    pub fn fate(&self, id: &Mid, sent: &Sent, who: Who) -> Fate {
        let Some(secs) = sent.disappear_s else {
            return Fate::Shown;
        };
        let rolled = |who| self.model.rolled.contains(who);
        if rolled(&sent.from) || rolled(&sent.to) {
            return Fate::Either;
        }
        let span = secs * SECOND_MS;
        let key = (sent.to, *id);
        let model = &self.model;
        // Not counted before, and counted at the latest from.
        let (first, sure) = if who == sent.from {
            (Some(sent.accepted_at), model.arrived.get(&key))
        } else {
            (
                model.read_first.get(&key).copied(),
                model.read_sure.get(&key),
            )
        };
        if first.is_none_or(|first| self.now + SLACK_MS < first + span) {
            Fate::Shown
        } else if sure.is_some_and(|sure| self.now > sure + span + SLACK_MS) {
            Fate::Gone
        } else {
            Fate::Either
        }
    }

    /// Nothing is shown whose time is up, by the model and by its own word.
    pub(crate) fn check_outlived(&mut self, views: &[View], broken: &mut Vec<Broken>) {
        for (who, view) in views.iter().enumerate() {
            let person = &mut self.people[who];
            let unix = (EPOCH_MS + self.now).saturating_add_signed(person.run_ahead_ms);
            let own = person.told_ms.max(unix).saturating_sub(LATE_MS);
            for (other, message) in view
                .messages
                .iter()
                .flat_map(|(other, list)| list.iter().map(move |m| (*other, m)))
            {
                let id = message.id;
                // One of ours that nobody has got yet waits for its receipt, and so does an edit.
                let there = views[other].messages.get(&who).into_iter().flatten();
                let there = there.filter(|m| m.id == id).any(|m| m.text == message.text);
                let edit = message.mine && message.edited && !there;
                let waits = edit || (message.mine && message.state < State::Delivered);
                let late = message.expires_at.is_some_and(|at| at < own) && !waits;
                let bound = self.model.bound(who, other);
                let sent = self
                    .model
                    .sent
                    .get(&id)
                    .filter(|sent| bound && !sent.excused);
                // The tombstone of a deletion stays where it is.
                let says = message.state != State::Deleted;
                let gone = sent.is_some_and(|sent| self.fate(&id, sent, who) == Fate::Gone);
                let gone = gone && says && !edit;
                if late || gone {
                    broken.push(("outlived", who, {
                        let (state, at) = (message.state, message.expires_at);
                        format!("{id:?} is still shown, {state:?}, up at {at:?}")
                    }));
                }
            }
        }
    }

    /// Both sides go by the same timer, one that somebody set.
    pub(crate) fn check_timers(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (a, b) in &self.model.owed {
            let rolled = |who| self.model.rolled.contains(who);
            if !self.model.bound(*a, *b) || rolled(a) || rolled(b) {
                continue;
            }
            let shown = |who: &Who, other: &Who| {
                let contact = views[*who].contacts.get(other);
                contact.and_then(|contact| contact.disappear_s).unwrap_or(0)
            };
            let (here, there) = (shown(a, b), shown(b, a));
            if here != there {
                let detail = format!("{here} s, {there} s at {}", self.name(*b));
                broken.push(("timers_differ", *a, detail));
            }
            let asked = self.model.timers.iter();
            let asked: BTreeSet<u64> = asked
                .filter(|(by, with, _)| pair(*by, *with) == (*a, *b))
                .map(|(_, _, secs)| *secs)
                .collect();
            if here != 0 && !asked.contains(&here) {
                let detail = format!("{here} s with {}, never set", self.name(*b));
                broken.push(("timer_invented", *a, detail));
            }
            let kept = self.model.timer_kept.contains(&(*a, *b));
            if kept && here == 0 && !asked.contains(&0) {
                let detail = format!("none with {}, {asked:?} s set", self.name(*b));
                broken.push(("timer_lost", *a, detail));
            }
        }
    }
}
