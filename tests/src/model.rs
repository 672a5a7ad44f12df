//! What must finally be true, kept beside the real thing.
//!
//! Written only from what users were told: a command counts once its answer left the node.

use crate::person::{Then, Who, Wish};
use crate::report::stamp;
use crate::step::Step;
use crate::watch::Watch;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use waxwing_protocol::id::Mid;
use waxwing_protocol::input::{Command, Input};
use waxwing_protocol::output::{Answer, ContactState, Refusal, State};
use waxwing_protocol::time::Millis;

/// Two people, the smaller first.
pub type Pair = (Who, Who);

/// Two people in the order of [`Pair`].
pub fn pair(a: Who, b: Who) -> Pair {
    (a.min(b), a.max(b))
}

/// A text whose sending was acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Its author.
    pub from: Who,
    /// For whom.
    pub to: Who,
    /// What it says.
    pub text: String,
    /// What it answers.
    pub reply_to: Option<Mid>,
    /// When the answer left.
    pub accepted_at: Millis,
    /// An old disk may have swallowed it.
    pub excused: bool,
    /// After how many seconds it disappears, as its author is shown.
    pub disappear_s: Option<u64>,
}

/// The last reaction of one person to one message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reacted {
    /// The emoji; empty if it was taken back.
    pub emoji: String,
    /// Two of them may have happened in either order.
    pub doubtful: bool,
}

/// The last text that an author put in place of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edited {
    /// The text.
    pub text: String,
    /// Two edits may have happened in either order.
    pub doubtful: bool,
}

/// An invite link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Who made it.
    pub by: Who,
    /// How often it can be used.
    pub uses: u8,
    /// Where its maker was: it leads nowhere else.
    pub place: usize,
    /// When.
    pub made_at: Millis,
    /// Who took it up.
    pub takers: BTreeSet<Who>,
}

/// The reference.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Acknowledged texts.
    pub sent: BTreeMap<Mid, Sent>,
    /// Texts that were asked to be sent, acknowledged or not: nothing else may arrive.
    pub asked: BTreeSet<(Who, Who, String)>,
    /// How often each author asked for each text, to whomever.
    pub times: BTreeMap<(Who, String), u32>,
    /// Acknowledged reactions.
    pub reacted: BTreeMap<(Mid, Who), Reacted>,
    /// Acknowledged edits.
    pub edited: BTreeMap<Mid, Edited>,
    /// Acknowledged deletions.
    pub deleted: BTreeSet<Mid>,
    /// Reactions, edits and deletions asked for, per message.
    pub said_of: BTreeMap<Mid, u32>,
    /// Timers that were asked for, acknowledged or not: by whom, with whom, seconds.
    pub timers: BTreeSet<(Who, Who, u64)>,
    /// Pairs in whose conversation the setting of a timer was acknowledged.
    pub timer_kept: BTreeSet<Pair>,
    /// When received messages may first have been marked as read.
    pub read_first: BTreeMap<(Who, Mid), Millis>,
    /// When they certainly were.
    pub read_sure: BTreeMap<(Who, Mid), Millis>,
    /// Received messages that were marked as read.
    pub read: BTreeSet<(Who, Mid)>,
    /// The same, those included that an old disk has made uncertain.
    pub read_once: BTreeSet<(Who, Mid)>,
    /// Pairs that must end up connected.
    pub owed: BTreeSet<Pair>,
    /// Pairs with a counted link between them.
    pub counted: BTreeSet<Pair>,
    /// Pairs that owe each other nothing any more: blocked, declined, or rolled back.
    pub severed: BTreeSet<Pair>,
    /// Links that their makers remember.
    pub links: BTreeMap<String, Link>,
    /// When a message was first shown to its recipient.
    pub arrived: BTreeMap<(Who, Mid), Millis>,
    /// People whose disk was put back at some time.
    pub rolled: BTreeSet<Who>,
    /// Commands that were refused: code and how often.
    pub refused: BTreeMap<String, u64>,
    /// Messages that may be missing with somebody: they erased the history.
    pub cleared: BTreeSet<(Who, Mid)>,
    /// Those of them that must be missing.
    pub erased: BTreeSet<(Who, Mid)>,
    /// Names that people gave to each other.
    pub named: BTreeMap<(Who, Who), String>,
}

impl Model {
    /// A command was given.
    pub(crate) fn wished(&mut self, who: Who, wish: &Wish) {
        match (&wish.command, wish.about) {
            (Command::Send { text, .. }, Some(to)) => {
                self.asked.insert((who, to, text.clone()));
                *self.times.entry((who, text.clone())).or_default() += 1;
            }
            (Command::Edit { of, text }, Some(to)) => {
                *self.said_of.entry(*of).or_default() += 1;
                self.asked.insert((who, to, text.clone()));
                *self.times.entry((who, text.clone())).or_default() += 1;
            }
            (Command::Disappear { secs, .. }, Some(with)) => {
                self.timers.insert((who, with, *secs));
            }
            (Command::React { to: of, .. } | Command::Delete { of }, _) => {
                *self.said_of.entry(*of).or_default() += 1;
            }
            (
                Command::Block { .. } | Command::Decline { .. } | Command::Remove { .. },
                Some(other),
            ) => {
                self.severed.insert(pair(who, other));
            }
            _ => {}
        }
    }

    /// What a clear that is given now must erase: their messages that came, and one's own that were
    /// delivered and of which nothing more was said.
    pub(crate) fn to_be_erased(&self, watch: &Watch, who: Who, other: Who) -> BTreeSet<Mid> {
        let theirs = self.arrived.keys().filter(|(to, _)| *to == who);
        let theirs = theirs.filter(|key| watch.with.get(key) == Some(&other));
        let theirs = theirs.map(|(_, mid)| *mid);
        let mine = self.sent.iter().filter(|(mid, sent)| {
            let state = watch.states.get(&(who, **mid));
            sent.from == who
                && sent.to == other
                && state.is_some_and(|state| *state >= State::Delivered)
                && !self.said_of.contains_key(mid)
        });
        let from = |mid: &Mid| self.sent.get(mid).map(|sent| sent.from);
        let theirs = theirs.filter(|mid| from(mid) != Some(who));
        theirs.chain(mine.map(|(mid, _)| *mid)).collect()
    }

    /// How often somebody asked for a text to be sent.
    pub fn times_asked(&self, who: Who, text: &str) -> u32 {
        self.times
            .get(&(who, text.to_owned()))
            .copied()
            .unwrap_or(0)
    }

    /// The pair must be connected and pass messages on.
    pub fn bound(&self, a: Who, b: Who) -> bool {
        self.owed.contains(&pair(a, b)) && !self.severed.contains(&pair(a, b))
    }
}

impl World {
    /// An answer left the node: from now on its promise counts.
    pub(crate) fn answered(&mut self, who: Who, ticket: u64, result: Result<Answer, Refusal>) {
        let Some(wish) = self.people[who].wishes.remove(&ticket) else {
            return self.violation("answered_twice", who, format!("ticket {ticket}"));
        };
        let line = match &result {
            Ok(answer) => format!("ticket {ticket} {}: {answer:?}", word(&wish.command)),
            Err(no) => format!(
                "ticket {ticket} {}: refused {}",
                word(&wish.command),
                no.code
            ),
        };
        self.note(who, &line, &[]);
        match &result {
            Ok(answer) => self.promised(who, &wish, answer),
            Err(refusal) => {
                *self.model.refused.entry(refusal.code.clone()).or_default() += 1;
            }
        }
        self.people[who].answers.insert(ticket, result);
    }

    fn promised(&mut self, who: Who, wish: &Wish, answer: &Answer) {
        let now = self.now;
        if matches!(
            wish.command,
            Command::Accept { .. } | Command::Remove { .. }
        ) {
            // What a block kept out may come in from now on: a frame of before says something new.
            self.people[who].recent.clear();
        }
        match (&wish.command, answer, wish.about) {
            (Command::Create { .. }, Answer::Account { account }, _) => {
                self.people[who].account = Some(*account);
                let me = self.ask(who, |engine, store| engine.me(store)).flatten();
                if let Some(me) = me {
                    self.people[who].peer = Some(me.peer);
                    self.peers.insert(me.peer, who);
                }
                let listen = self.people[who].listen(who);
                self.push(who, Input::Listening { listen });
            }
            (Command::Invite { uses, .. }, Answer::Invite { link, .. }, _) => {
                let made = Link {
                    by: who,
                    uses: *uses,
                    place: self.people[who].place,
                    made_at: now,
                    takers: BTreeSet::new(),
                };
                self.model.links.insert(link.clone(), made);
                if let Then::Join(by) = wish.then {
                    self.act_after(
                        0,
                        Step::Add {
                            by,
                            of: who,
                            link: link.clone(),
                        },
                    );
                }
            }
            (Command::Add { link, .. }, Answer::Contact { state, .. }, Some(of)) => {
                self.took_up(who, of, link, *state);
            }
            (Command::Accept { .. }, Answer::Contact { state, .. }, Some(of))
                if *state == ContactState::Connected =>
            {
                self.model.owed.insert(pair(who, of));
            }
            (Command::Send { text, reply_to, .. }, Answer::Message { id, .. }, Some(to)) => {
                let shown = self.ask(who, |engine, store| engine.message(store, id));
                let sent = Sent {
                    from: who,
                    to,
                    text: text.clone(),
                    reply_to: *reply_to,
                    accepted_at: now,
                    excused: false,
                    disappear_s: shown.flatten().and_then(|m| m.disappear_s),
                };
                if let Some(other) = self.model.sent.insert(*id, sent) {
                    let when = stamp(other.accepted_at);
                    let detail = format!("{id:?} was already given out at {when}");
                    self.violation("id_twice", who, detail);
                }
            }
            (Command::React { to, emoji }, Answer::Message { .. }, _) => {
                let doubtful = wish.doubtful
                    || self
                        .model
                        .reacted
                        .get(&(*to, who))
                        .is_some_and(|r| r.doubtful);
                let reacted = Reacted {
                    emoji: emoji.clone(),
                    doubtful,
                };
                self.model.reacted.insert((*to, who), reacted);
            }
            (Command::Edit { of, text }, Answer::Message { .. }, _) => {
                let before = self.model.edited.get(of);
                let edited = Edited {
                    text: text.clone(),
                    doubtful: wish.doubtful || before.is_some_and(|e| e.doubtful),
                };
                self.model.edited.insert(*of, edited);
            }
            (Command::Delete { of }, Answer::Message { .. }, _) => {
                self.model.deleted.insert(*of);
            }
            (Command::Disappear { .. }, Answer::Timer { .. }, Some(with)) => {
                self.model.timer_kept.insert(pair(who, with));
            }
            (Command::MarkRead { .. }, Answer::Marked { .. }, Some(of)) => {
                self.has_read(who, of, wish.doubtful);
            }
            (Command::Clear { .. }, Answer::Contact { .. }, Some(of)) => {
                self.has_cleared(who, of, &wish.before);
            }
            (Command::Remove { .. }, Answer::Removed { .. }, Some(of)) => {
                // Whatever comes of them from now on comes to somebody new.
                let watch = &mut self.watch;
                let theirs = |key: &(Who, Mid)| key.0 == who && watch.with.get(key) == Some(&of);
                watch.shown.retain(|key, _| !theirs(key));
                self.model.arrived.retain(|key, _| !theirs(key));
                self.model.named.remove(&(who, of));
            }
            (Command::NameContact { new, .. }, Answer::Contact { .. }, Some(of)) => {
                if wish.doubtful {
                    self.model.named.remove(&(who, of));
                } else {
                    self.model.named.insert((who, of), new.clone());
                }
            }
            _ => {}
        }
    }

    /// The history with somebody is erased: what was there when that was asked for, and perhaps what
    /// came before the answer.
    fn has_cleared(&mut self, who: Who, of: Who, before: &BTreeSet<Mid>) {
        let model = &mut self.model;
        model.erased.extend(before.iter().map(|mid| (who, *mid)));
        let arrived = model.arrived.keys().filter(|(to, _)| *to == who);
        let with = arrived.filter(|key| self.watch.with.get(key) == Some(&of));
        model.cleared.extend(with.copied());
        let sent = model.sent.iter().filter(|(_, sent)| {
            (sent.from == who && sent.to == of) || (sent.from == of && sent.to == who)
        });
        model.cleared.extend(sent.map(|(mid, _)| (who, *mid)));
    }

    /// Everything of somebody's that had arrived is read. Whatever was read before said so then;
    /// a repeated answer is that of the first time, and what came in between is not meant.
    fn has_read(&mut self, who: Who, of: Who, doubtful: bool) {
        let now = self.now;
        let model = &mut self.model;
        let theirs = |mid: &Mid| model.sent.get(mid).is_some_and(|s| s.from == of);
        for (key, _) in model
            .arrived
            .iter()
            .filter(|((to, mid), _)| *to == who && theirs(mid))
        {
            model.read_first.entry(*key).or_insert(now);
        }
        let arrived = model.arrived.iter();
        let seen = arrived.filter(|((to, mid), at)| *to == who && **at < now && theirs(mid));
        // What was erased unread is never read.
        let there = seen.filter(|(key, _)| !model.cleared.contains(key));
        for key in there.map(|(key, _)| *key) {
            if !doubtful {
                model.read_sure.entry(key).or_insert(now);
            }
            if model.read_once.insert(key) && !doubtful {
                model.read.insert(key);
            }
        }
    }

    /// A one-use link connects by itself. With a counted one beside it, it depends on which of
    /// them came first, and the inviter may have to say so.
    fn took_up(&mut self, who: Who, of: Who, link: &str, state: ContactState) {
        let place = self.people[of].place;
        let Some(link) = self.model.links.get_mut(link) else {
            return;
        };
        link.takers.insert(who);
        let good = link.takers.len() == 1 && link.place == place;
        let pair = pair(who, of);
        if link.uses > 1 {
            self.model.counted.insert(pair);
            if state != ContactState::Connected {
                self.model.owed.remove(&pair);
            }
        } else if good && !self.model.counted.contains(&pair) {
            self.model.owed.insert(pair);
        }
    }

    /// Somebody has moved: whoever only has a link of theirs cannot find them any more.
    pub(crate) fn links_lead_nowhere(&mut self, who: Who) {
        for other in (0..self.people.len()).filter(|other| *other != who) {
            if self.standing(other, who) != Some(ContactState::Connected) {
                self.model.severed.insert(pair(who, other));
            }
        }
    }

    /// Somebody's disk is that of an earlier time: what happened to it since is excused.
    pub(crate) fn roll_back(&mut self, who: Who, since: Millis) {
        let now = self.now;
        let contacts = self
            .ask(who, |engine, store| engine.contacts(store))
            .unwrap_or_default();
        let kept = |account| {
            contacts
                .iter()
                .any(|c| Some(c.account) == account && c.state == ContactState::Connected)
        };
        let strangers: Vec<Who> = (0..self.people.len())
            .filter(|other| *other != who && !kept(self.people[*other].account))
            .collect();
        let model = &mut self.model;
        model
            .severed
            .extend(strangers.into_iter().map(|other| pair(who, other)));
        for (mid, sent) in &mut model.sent {
            let arrived = model.arrived.get(&(who, *mid));
            sent.excused |= (sent.from == who && sent.accepted_at >= since)
                || (sent.to == who && arrived.is_some_and(|at| (since..=now).contains(at)));
        }
        model
            .arrived
            .retain(|(to, _), at| *to != who || *at < since);
        // Whoever read them told so once; an author's old disk has not heard it.
        let sent = &model.sent;
        let mine = |mid: &Mid| sent.get(mid).is_some_and(|s| s.from == who);
        model.read.retain(|(by, mid)| *by != who && !mine(mid));
        for ((_, by), reacted) in &mut model.reacted {
            reacted.doubtful |= *by == who;
        }
        // What was erased since is there again.
        model.erased.retain(|(by, _)| *by != who);
        model.named.retain(|(by, _), _| *by != who);
        model
            .links
            .retain(|_, link| link.by != who || link.made_at < since);
        model.rolled.insert(who);
        // Answers of the lost time are gone with it: commands that wait are given again anyway.
        self.people[who]
            .wishes
            .values_mut()
            .for_each(|wish| wish.doubtful = true);
    }
}

fn word(command: &Command) -> &'static str {
    match command {
        Command::Create { .. } => "create",
        Command::Rename { .. } => "rename",
        Command::Invite { .. } => "invite",
        Command::Add { .. } => "add",
        Command::Accept { .. } => "accept",
        Command::Decline { .. } => "decline",
        Command::Block { .. } => "block",
        Command::Send { .. } => "send",
        Command::React { .. } => "react",
        Command::Edit { .. } => "edit",
        Command::Delete { .. } => "delete",
        Command::Disappear { .. } => "disappear",
        Command::MarkRead { .. } => "read",
        Command::Verify { .. } => "verify",
        Command::NameContact { .. } => "name",
        Command::Mute { .. } => "mute",
        Command::Clear { .. } => "clear",
        Command::Remove { .. } => "remove",
        Command::Draft { .. } | Command::SendDraft { .. } => "draft",
        Command::Import { .. } => "import",
        Command::WordsWritten => "words",
    }
}
