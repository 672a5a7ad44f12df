//! What a script or a storm can do.

use crate::person::{CrashPoint, Power, Then, Who};
use crate::world::World;
use waxwing_protocol::id::Mid;
use waxwing_protocol::input::Command;
use waxwing_protocol::output::ContactState;
use waxwing_protocol::query::ContactView;
use waxwing_protocol::time::Millis;

/// One thing to do. People are named by their place in the world; petnames are looked up when the
/// step is done, and a step that makes no sense by then does nothing.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// `by` makes a link of so many uses and `guest` takes it up.
    Invite {
        /// Who invites.
        by: Who,
        /// Who is handed the link.
        guest: Who,
        /// 1: accepted by itself.
        uses: u8,
    },
    /// Take up a link.
    Add {
        /// Who takes it up.
        by: Who,
        /// Who made it.
        of: Who,
        /// The link.
        link: String,
    },
    /// Accept whoever has waited longest in `requests`.
    Accept {
        /// Who accepts.
        by: Who,
    },
    /// Decline whoever has waited longest in `requests`.
    Decline {
        /// Who declines.
        by: Who,
    },
    /// Block somebody.
    Block {
        /// Who blocks.
        by: Who,
        /// Whom.
        whom: Who,
    },
    /// Send a text.
    Send {
        /// From whom.
        by: Who,
        /// To whom.
        to: Who,
        /// What.
        text: String,
        /// To the newest message there is, if any.
        reply: bool,
    },
    /// React to a message.
    React {
        /// Who reacts.
        by: Who,
        /// To which message.
        to: Mid,
        /// An emoji; empty takes it back.
        emoji: String,
    },
    /// Put another text in place of one's own.
    Edit {
        /// Who edits.
        by: Who,
        /// Which message.
        of: Mid,
        /// What it says from then on.
        text: String,
    },
    /// Take a message back.
    Delete {
        /// Who deletes.
        by: Who,
        /// Which message.
        of: Mid,
    },
    /// Set after which time messages disappear.
    Disappear {
        /// Who sets it.
        by: Who,
        /// In the conversation with whom.
        with: Who,
        /// Seconds; 0: they stay.
        secs: u64,
    },
    /// Mark everything of somebody's as read.
    Read {
        /// Who reads.
        by: Who,
        /// Whose messages.
        of: Who,
    },
    /// Give somebody a name of one's own.
    Name {
        /// Who names.
        by: Who,
        /// Whom.
        whom: Who,
        /// How.
        name: String,
    },
    /// Erase the history with somebody.
    Clear {
        /// Who erases.
        by: Who,
        /// With whom.
        with: Who,
    },
    /// Forget somebody.
    Remove {
        /// Who forgets.
        by: Who,
        /// Whom.
        whom: Who,
    },
    /// The power goes at the next commit; a start follows by itself.
    Crash {
        /// Whose.
        who: Who,
        /// Where in the commit.
        point: CrashPoint,
    },
    /// The disk has no room until the next start.
    FillDisk {
        /// Whose.
        who: Who,
    },
    /// The process is killed and started again.
    Restart {
        /// Whose.
        who: Who,
        /// How long it is away.
        away_ms: Millis,
    },
    /// The machine sleeps.
    Sleep {
        /// Whose.
        who: Who,
        /// How long.
        span_ms: Millis,
    },
    /// The machine wakes up.
    WakeUp {
        /// Whose.
        who: Who,
    },
    /// The connection between two people breaks.
    Disconnect {
        /// One.
        a: Who,
        /// The other.
        b: Who,
    },
    /// People on different sides cannot reach each other.
    Partition {
        /// Who is on which side; whoever is not named is on the first.
        sides: Vec<Vec<Who>>,
    },
    /// The partition ends.
    Heal,
    /// Somebody's clock is so far ahead from the next start on.
    SetClock {
        /// Whose.
        who: Who,
        /// How far, behind if negative.
        ahead_ms: i64,
    },
    /// Somebody gets another address.
    Move {
        /// Who.
        who: Who,
    },
    /// Keep a copy of the disk.
    Backup {
        /// Whose.
        who: Who,
    },
    /// Kill the process, put the kept copy in place, start again.
    Restore {
        /// Whose.
        who: Who,
    },
    /// Keep a mailbox at a bridge.
    UseBridge {
        /// Who does.
        by: Who,
        /// At which.
        bridge: Who,
    },
    /// Give up the mailbox at a bridge.
    LeaveBridge {
        /// Who does.
        by: Who,
        /// At which.
        bridge: Who,
    },
    /// Stop, and start again only to return.
    Leave {
        /// Who.
        who: Who,
    },
    /// Start after having left.
    Return {
        /// Who.
        who: Who,
    },
    /// From now on people come one after the other, and never meet.
    Shift {
        /// Whose turn it is.
        turn: usize,
        /// How long a turn is.
        every_ms: Millis,
    },
    /// Nonsense arrives, as if from somebody.
    Garbage {
        /// At whom.
        to: Who,
        /// From whose connection.
        from: Who,
    },
}

impl World {
    /// Does a step now. Returns the ticket of the command it gave, if any.
    pub fn act(&mut self, step: Step) {
        self.try_act(step);
    }

    /// As [`World::act`], with the ticket of the command that was given.
    pub fn try_act(&mut self, step: Step) -> Option<u64> {
        match step {
            Step::Invite { by, guest, uses } => {
                let command = Command::Invite { uses, life: None };
                Some(self.command(by, command, Some(guest), Then::Join(guest)))
            }
            Step::Add { by, of, link } => {
                let note = Some(format!("this is {}", self.name(by)));
                let command = Command::Add {
                    link,
                    name: None,
                    note,
                };
                Some(self.command(by, command, Some(of), Then::Nothing))
            }
            Step::Accept { by } => {
                let (name, from) = self.oldest_request(by)?;
                Some(self.command(by, Command::Accept { name }, Some(from), Then::Nothing))
            }
            Step::Decline { by } => {
                let (name, from) = self.oldest_request(by)?;
                Some(self.command(by, Command::Decline { name }, Some(from), Then::Nothing))
            }
            Step::Block { by, whom } => {
                let name = self.petname(by, whom)?;
                Some(self.command(by, Command::Block { name }, Some(whom), Then::Nothing))
            }
            Step::Send {
                by,
                to,
                text,
                reply,
            } => {
                let name = self.petname(by, to)?;
                let newest = if reply {
                    self.newest_message(by, &name)
                } else {
                    None
                };
                let command = Command::Send {
                    to: name,
                    text,
                    reply_to: newest,
                };
                Some(self.command(by, command, Some(to), Then::Nothing))
            }
            Step::React { by, to, emoji } => {
                Some(self.command(by, Command::React { to, emoji }, None, Then::Nothing))
            }
            Step::Edit { by, of, text } => {
                let to = self.model.sent.get(&of).map(|sent| sent.to);
                Some(self.command(by, Command::Edit { of, text }, to, Then::Nothing))
            }
            Step::Delete { by, of } => {
                Some(self.command(by, Command::Delete { of }, None, Then::Nothing))
            }
            Step::Disappear { by, with, secs } => {
                let name = self.petname(by, with)?;
                let command = Command::Disappear { name, secs };
                Some(self.command(by, command, Some(with), Then::Nothing))
            }
            Step::Read { by, of } => {
                let name = self.petname(by, of)?;
                let command = Command::MarkRead { name, upto: None };
                Some(self.command(by, command, Some(of), Then::Nothing))
            }
            Step::Name { by, whom, name } => {
                let (name, new) = (self.petname(by, whom)?, name);
                let command = Command::NameContact { name, new };
                Some(self.command(by, command, Some(whom), Then::Nothing))
            }
            Step::Clear { by, with } => {
                let name = self.petname(by, with)?;
                Some(self.command(by, Command::Clear { name }, Some(with), Then::Nothing))
            }
            Step::Remove { by, whom } => {
                let name = self.petname(by, whom)?;
                Some(self.command(by, Command::Remove { name }, Some(whom), Then::Nothing))
            }
            Step::UseBridge { .. }
            | Step::LeaveBridge { .. }
            | Step::Leave { .. }
            | Step::Return { .. }
            | Step::Shift { .. } => self.act_on_bridge(&step),
            machine => {
                self.act_on_machine(machine);
                None
            }
        }
    }

    fn act_on_machine(&mut self, step: Step) {
        match step {
            Step::Crash { who, point } => {
                let person = &mut self.people[who];
                person.crash_at = Some((person.commits + 1, point));
            }
            Step::FillDisk { who } => self.people[who].disk_full = true,
            Step::Restart { who, away_ms } if self.people[who].is_on() => {
                self.note(who, "is killed", &[]);
                self.stop(who);
                self.start_after(who, away_ms);
            }
            Step::Sleep { who, span_ms } => {
                self.fall_asleep(who);
                self.act_after(span_ms, Step::WakeUp { who });
            }
            Step::WakeUp { who } => self.wake_up(who),
            Step::Disconnect { a, b } => self.disconnect(a, b),
            Step::Partition { sides } => self.divide(&sides),
            Step::Heal => self.sides.clear(),
            Step::SetClock { who, ahead_ms } => self.people[who].clock_ahead_ms = ahead_ms,
            Step::Move { who } => self.relocate(who),
            Step::Backup { who } => {
                let copy = self.people[who].store.clone();
                self.note(who, "copies the disk", &[]);
                self.people[who].yesterday = Some((self.now, copy));
            }
            Step::Restore { who } => self.restore(who),
            Step::Garbage { to, from } => self.throw_garbage(to, from),
            _ => {}
        }
    }

    fn restore(&mut self, who: Who) {
        let Some((since, copy)) = self.people[who].yesterday.take() else {
            return;
        };
        if self.people[who].power != Power::Off {
            self.stop(who);
            self.start_after(who, 1_000);
        }
        self.note(who, "puts an old disk in place", &[]);
        self.swap_disk(who, copy);
        self.roll_back(who, since);
    }

    /// What `by` calls `whom`; only somebody who may be written to.
    pub fn petname(&mut self, by: Who, whom: Who) -> Option<String> {
        self.listed(by, whom).map(|contact| contact.name)
    }

    /// How `whom` stands with `by`.
    pub fn standing(&mut self, by: Who, whom: Who) -> Option<ContactState> {
        self.listed(by, whom).map(|contact| contact.state)
    }

    /// `whom` among the contacts of `by`.
    fn listed(&mut self, by: Who, whom: Who) -> Option<ContactView> {
        let account = self.people.get(whom)?.account?;
        let contacts = self.ask(by, |engine, store| engine.contacts(store))?;
        contacts.into_iter().find(|c| c.account == account)
    }

    fn oldest_request(&mut self, by: Who) -> Option<(String, Who)> {
        let request = self
            .ask(by, |engine, store| engine.requests(store))?
            .into_iter()
            .next()?;
        let from = self
            .people
            .iter()
            .position(|p| p.account == Some(request.account))?;
        Some((request.name, from))
    }

    fn newest_message(&mut self, by: Who, name: &str) -> Option<Mid> {
        let page = waxwing_protocol::query::Page {
            limit: 1,
            ..Default::default()
        };
        let messages = self.ask(by, |engine, store| engine.messages(store, name, &page))??;
        messages.last().map(|m| m.id)
    }
}
