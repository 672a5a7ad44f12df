//! What must be true once the world has settled.

use crate::fade::Fate;
use crate::model::{Sent, pair};
use crate::person::Who;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use waxwing_protocol::id::{AccountId, Mid};
use waxwing_protocol::limits::READ_MAX;
use waxwing_protocol::output::{ContactState, State};
use waxwing_protocol::query::{ContactView, Hunt, MessageView, Page};

/// One broken promise: name of the invariant, whose node, what.
pub type Broken = (&'static str, Who, String);

/// What one person sees.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Contacts, by who they are.
    pub contacts: BTreeMap<Who, ContactView>,
    /// Conversations, by with whom.
    pub messages: BTreeMap<Who, Vec<MessageView>>,
    /// Letters in the outbox.
    pub outbox: u64,
}

impl World {
    /// Who an account belongs to.
    pub fn who(&self, account: &AccountId) -> Option<Who> {
        self.people
            .iter()
            .position(|p| p.account.as_ref() == Some(account))
    }

    /// What somebody sees.
    pub fn view(&mut self, who: Who) -> View {
        let mut view = View::default();
        let contacts = self.ask(who, |engine, store| engine.contacts(store));
        for contact in contacts.unwrap_or_default() {
            let Some(other) = self.who(&contact.account) else {
                // A contact that is pending on a link may not know the account yet.
                continue;
            };
            let page = Page {
                limit: READ_MAX,
                ..Page::default()
            };
            let name = contact.name.clone();
            let messages = self.ask(who, |engine, store| engine.messages(store, &name, &page));
            view.messages
                .insert(other, messages.flatten().unwrap_or_default());
            if view.contacts.insert(other, contact).is_some() {
                let detail = format!("{} is in the list twice", self.name(other));
                self.violation("contact_twice", who, detail);
            }
        }
        let status = self.ask(who, |engine, store| engine.status(store));
        view.outbox = status.unwrap_or_default().outbox;
        view
    }

    /// Every promise that is not kept yet.
    pub fn broken(&mut self) -> Vec<Broken> {
        let views: Vec<View> = (0..self.people.len()).map(|who| self.view(who)).collect();
        let mut broken = Vec::new();
        self.check_answers(&mut broken);
        self.check_contacts(&views, &mut broken);
        self.check_names(&views, &mut broken);
        self.check_texts(&views, &mut broken);
        self.check_lists(&views, &mut broken);
        self.check_pairs(&views, &mut broken);
        self.check_reactions(&views, &mut broken);
        self.check_outlived(&views, &mut broken);
        self.check_timers(&views, &mut broken);
        self.check_outboxes(&views, &mut broken);
        self.check_search(&views, &mut broken);
        broken
    }

    /// Whatever somebody sees is found, wherever it is stored.
    fn check_search(&mut self, views: &[View], broken: &mut Vec<Broken>) {
        let everything = Hunt {
            limit: READ_MAX,
            ..Hunt::default()
        };
        for (who, view) in views.iter().enumerate() {
            let found = self.ask(who, |engine, store| engine.search(store, &everything));
            let found: BTreeSet<Mid> = found.iter().flatten().map(|m| m.id).collect();
            let texts = view
                .messages
                .values()
                .flatten()
                .filter(|m| m.text.is_some());
            let missing = texts.filter(|m| !found.contains(&m.id)).count();
            if missing > 0 && found.len() < READ_MAX {
                let detail = format!("{missing} messages that are shown");
                broken.push(("not_found", who, detail));
            }
        }
    }

    fn check_answers(&self, broken: &mut Vec<Broken>) {
        for (who, person) in self.people.iter().enumerate() {
            for (ticket, wish) in &person.wishes {
                let detail = format!("ticket {ticket} has no answer: {:?}", wish.command);
                broken.push(("unanswered", who, detail));
            }
        }
    }

    fn check_contacts(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (a, b) in &self.model.owed {
            for (who, other) in [(*a, *b), (*b, *a)] {
                let state = views[who].contacts.get(&other).map(|c| c.state);
                if self.model.bound(*a, *b) && state != Some(ContactState::Connected) {
                    let detail = format!("{} is {state:?}", self.name(other));
                    broken.push(("not_connected", who, detail));
                }
            }
        }
    }

    /// Whoever was given a name keeps it.
    fn check_names(&self, views: &[View], broken: &mut Vec<Broken>) {
        for ((who, other), name) in &self.model.named {
            let shown = views[*who].contacts.get(other).map(|c| &c.name);
            if shown.is_some_and(|shown| shown != name) {
                broken.push(("misnamed", *who, format!("{shown:?} is not {name}")));
            }
        }
    }

    /// Nothing acknowledged is lost, and both sides say the same of it.
    fn check_texts(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (id, sent) in &self.model.sent {
            if sent.excused || !self.model.bound(sent.from, sent.to) {
                continue;
            }
            let find = |who: Who, other: Who| {
                views[who]
                    .messages
                    .get(&other)
                    .and_then(|list| list.iter().find(|m| m.id == *id))
            };
            let about = format!(
                "{id:?} from {} to {}",
                self.name(sent.from),
                self.name(sent.to)
            );
            let theirs = find(sent.to, sent.from);
            let mine = find(sent.from, sent.to);
            for (who, seen) in [(sent.from, mine), (sent.to, theirs)] {
                if seen.is_some() && self.model.erased.contains(&(who, *id)) {
                    broken.push(("uncleared", who, format!("{about} was erased and is there")));
                }
            }
            if self.model.deleted.contains(id) {
                self.check_deleted(sent, [mine, theirs], &about, broken);
                continue;
            }
            let edited = self.model.edited.get(id);
            let says = |seen: &MessageView| match edited {
                Some(edited) => {
                    let known = edited.doubtful || self.either_rolled(sent);
                    known || (seen.text.as_ref() == Some(&edited.text) && seen.edited)
                }
                None => seen.text.as_ref() == Some(&sent.text),
            };
            let must = |who| self.fate(id, sent, who) == Fate::Shown;
            match theirs {
                None if self.model.cleared.contains(&(sent.to, *id)) => {}
                None if !must(sent.to) => {}
                None => broken.push(("lost", sent.to, format!("{about} is not there"))),
                Some(seen) => {
                    if !says(seen) || seen.reply_to != sent.reply_to || seen.mine {
                        broken.push(("changed", sent.to, format!("{about} says something else")));
                    }
                    let read = self.model.read.contains(&(sent.to, *id));
                    if read && seen.state != State::Read {
                        let detail = format!("{about} was read and is {:?}", seen.state);
                        broken.push(("unread_again", sent.to, detail));
                    }
                }
            }
            match mine {
                None if self.model.cleared.contains(&(sent.from, *id)) => {}
                None if !must(sent.from) => {}
                None => broken.push(("lost_here", sent.from, format!("{about} is not there"))),
                Some(mine) => {
                    let read = self.model.read.contains(&(sent.to, *id))
                        && self.people[sent.to].settings.read_receipts;
                    let least = if read { State::Read } else { State::Delivered };
                    if mine.state < least || mine.state == State::Deleted {
                        let detail = format!("{about} is {:?}, not {least:?}", mine.state);
                        broken.push(("undelivered", sent.from, detail));
                    }
                }
            }
            if let (Some(mine), Some(theirs)) = (mine, theirs)
                && (&mine.text, mine.edited) != (&theirs.text, theirs.edited)
                && !self.either_rolled(sent)
            {
                broken.push(("edits_differ", sent.to, format!("{about} differs")));
            }
        }
    }

    fn either_rolled(&self, sent: &Sent) -> bool {
        let rolled = &self.model.rolled;
        rolled.contains(&sent.from) || rolled.contains(&sent.to)
    }

    /// Nothing of it is left on either side. Whoever it had not reached yet may never see it.
    fn check_deleted(
        &self,
        sent: &Sent,
        seen: [Option<&MessageView>; 2],
        about: &str,
        broken: &mut Vec<Broken>,
    ) {
        for (who, seen) in [sent.from, sent.to].into_iter().zip(seen) {
            let gone = |m: &MessageView| {
                m.state == State::Deleted && m.text.is_none() && m.reactions.is_empty()
            };
            if !seen.is_none_or(gone) && !self.either_rolled(sent) {
                broken.push(("undeleted", who, format!("{about} is still there")));
            }
        }
    }

    /// Each list by itself: no id twice, canonical order, nothing invented, unread counts.
    fn check_lists(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (who, view) in views.iter().enumerate() {
            for (other, list) in &view.messages {
                let ids: BTreeSet<Mid> = list.iter().map(|m| m.id).collect();
                if ids.len() < list.len() {
                    let detail = format!("an id is twice with {}", self.name(*other));
                    broken.push(("twice", who, detail));
                }
                let author = |m: &MessageView| {
                    let author = if m.mine { who } else { *other };
                    self.people[author].account
                };
                let key = |m: &MessageView| (m.clock, author(m), m.id);
                if !list.is_sorted_by_key(key) {
                    let detail = format!("the list with {} is out of order", self.name(*other));
                    broken.push(("order", who, detail));
                }
                self.check_origin(who, *other, list, broken);
                let unread = list
                    .iter()
                    .filter(|m| !m.mine && m.state < State::Read)
                    .count() as u64;
                let contact = &view.contacts[other];
                if contact.state == ContactState::Connected && contact.unread != unread {
                    let shown = contact.unread;
                    let name = self.name(*other);
                    let detail = format!("{shown} unread of {name}, {unread} are");
                    broken.push(("unread", who, detail));
                }
            }
        }
    }

    /// Every text was asked for, and those asked for once are there once.
    fn check_origin(&self, who: Who, other: Who, list: &[MessageView], broken: &mut Vec<Broken>) {
        let mut seen: BTreeMap<(Who, &str), u32> = BTreeMap::new();
        for message in list {
            let (from, to) = if message.mine {
                (who, other)
            } else {
                (other, who)
            };
            if message.state == State::Deleted {
                continue;
            }
            if let Some(secs) = message.sets_disappear_s {
                if !self.model.timers.contains(&(from, to, secs)) {
                    let detail = format!("{secs} s were never set by {}", self.name(from));
                    broken.push(("invented", who, detail));
                }
                continue;
            }
            let text = message.text.clone().unwrap_or_default();
            if !self.model.asked.contains(&(from, to, text)) {
                let detail = format!("{:?} was never sent by {}", message.id, self.name(from));
                broken.push(("invented", who, detail));
            }
            if let Some(text) = &message.text {
                *seen.entry((from, text)).or_default() += 1;
            }
        }
        for ((from, text), count) in seen {
            let asked = self.model.times_asked(from, text);
            // A rolled-back disk forgets which commands it has answered.
            if count > asked && !self.model.rolled.contains(&from) {
                let detail = format!("{count} times there, {asked} times sent by {from}");
                broken.push(("doubled", who, detail));
            }
        }
    }

    /// Both sides of a conversation see the same order.
    fn check_pairs(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (a, b) in &self.model.owed {
            if !self.model.bound(*a, *b) {
                continue;
            }
            let empty = Vec::new();
            let list = |who: &Who, other: &Who| views[*who].messages.get(other).unwrap_or(&empty);
            let ids = |list: &[MessageView]| list.iter().map(|m| m.id).collect::<Vec<_>>();
            let (one, two) = (ids(list(a, b)), ids(list(b, a)));
            let there: BTreeSet<Mid> = two.iter().copied().collect();
            let both: BTreeSet<Mid> = one
                .iter()
                .copied()
                .filter(|id| there.contains(id))
                .collect();
            let common = |ids: &[Mid]| {
                ids.iter()
                    .copied()
                    .filter(|id| both.contains(id))
                    .collect::<Vec<_>>()
            };
            if common(&one) != common(&two) {
                let detail = format!("another order than {} has", self.name(*b));
                broken.push(("order_differs", *a, detail));
            }
        }
    }

    fn check_reactions(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (id, sent) in &self.model.sent {
            let (a, b) = (sent.from, sent.to);
            let rolled = |who| self.model.rolled.contains(&who);
            let deleted = self.model.deleted.contains(id);
            let cleared = |who| self.model.cleared.contains(&(who, *id));
            let cleared = cleared(a) || cleared(b);
            let known = sent.excused || deleted || cleared || rolled(a) || rolled(b);
            if known || !self.model.bound(a, b) {
                continue;
            }
            let find = |who: Who, other: Who| {
                let list = views[who].messages.get(&other);
                list.and_then(|list| list.iter().find(|m| m.id == *id))
            };
            // What has disappeared from one side takes its reactions along.
            let fades = sent.disappear_s.is_some();
            if fades && (find(a, b).is_none() || find(b, a).is_none()) {
                continue;
            }
            let shown = |who: Who, other: Who| -> BTreeMap<Who, String> {
                let message = find(who, other);
                let reactions = message.map(|m| m.reactions.as_slice()).unwrap_or_default();
                reactions
                    .iter()
                    .map(|r| (if r.mine { who } else { other }, r.emoji.clone()))
                    .collect()
            };
            let (mine, theirs) = (shown(a, b), shown(b, a));
            if mine != theirs {
                let detail = format!("{id:?}: {mine:?} here, {theirs:?} at {}", self.name(b));
                broken.push(("reactions_differ", a, detail));
            }
            for by in [a, b] {
                let Some(last) = self.model.reacted.get(&(*id, by)) else {
                    continue;
                };
                let there = mine.get(&by).map(String::as_str).unwrap_or_default();
                if !last.doubtful && there != last.emoji {
                    let detail = format!(
                        "{id:?}: {:?} of {}, shown {there:?}",
                        last.emoji,
                        self.name(by)
                    );
                    broken.push(("reaction_lost", a, detail));
                }
            }
        }
    }

    /// Whoever owes nobody an impossible letter has an empty outbox.
    fn check_outboxes(&self, views: &[View], broken: &mut Vec<Broken>) {
        for (who, view) in views.iter().enumerate() {
            let possible = view.contacts.iter().all(|(other, contact)| {
                let (a, b) = pair(who, *other);
                contact.state == ContactState::Connected && self.model.bound(a, b)
            });
            if possible && view.outbox > 0 {
                let detail = format!("{} letters still wait", view.outbox);
                broken.push(("outbox_left", who, detail));
            }
        }
    }
}
