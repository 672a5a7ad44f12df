//! Scripted scenes: a few people, one thing after the other.

use crate::person::Who;
use crate::step::Step;
use crate::world::{Config, World};
use waxwing_protocol::id::Mid;
use waxwing_protocol::output::{Answer, Refusal};
use waxwing_protocol::query::BridgeState;
use waxwing_protocol::time::{HOUR_MS, Millis, SECOND_MS};

/// Within this time a command is answered, a meeting made, a message passed on.
pub const PATIENCE_MS: Millis = 2 * HOUR_MS;

impl World {
    /// A steady world with these people in it, each with an account.
    pub fn scene(seed: u64, names: &[&str]) -> Self {
        let mut world = Self::new(seed, Config::STEADY);
        world.trace.loud = std::env::var_os("LOUD").is_some();
        world.populate(names);
        world
    }

    /// Adds people and waits for their accounts.
    pub fn populate(&mut self, names: &[&str]) {
        for name in names {
            self.add_person(name);
        }
        self.run_until(PATIENCE_MS, |world| {
            world.people.iter().all(|p| p.account.is_some())
        });
        self.run_for(SECOND_MS);
    }

    /// Does a step and waits for the answer to the command it gave; `None` if it gave none, or
    /// if no answer came.
    pub fn ask_for(&mut self, who: Who, step: Step) -> Option<Result<Answer, Refusal>> {
        let ticket = self.try_act(step)?;
        self.run_until(PATIENCE_MS, |world| {
            world.people[who].answers.contains_key(&ticket)
        });
        self.people[who].answers.get(&ticket).cloned()
    }

    /// Adds bridges and waits until each has a descriptor to hand out.
    pub fn bridges(&mut self, names: &[(&str, &str)]) -> Vec<Who> {
        let all = names
            .iter()
            .map(|(name, country)| self.add_bridge(name, country));
        let all: Vec<Who> = all.collect();
        let ready = self.run_until(PATIENCE_MS, |world| {
            all.iter().all(|who| world.descriptor(*who).is_some())
        });
        assert!(ready, "bridges have something to hand out");
        all
    }

    /// What a bridge hands out.
    pub fn descriptor(&self, bridge: Who) -> Option<String> {
        let view = waxwing_protocol::query::bridge(&self.people[bridge].store);
        let text = view.ok()??.descriptor;
        (!text.is_empty()).then_some(text)
    }

    /// Somebody keeps a mailbox at a bridge from now on; waits until it is open and its contacts
    /// had the time to hear of it.
    pub fn use_bridge(&mut self, who: Who, bridge: Who) {
        self.ask_for(who, Step::UseBridge { by: who, bridge });
        self.run_until(PATIENCE_MS, |world| {
            let views = waxwing_protocol::query::bridges(&world.people[who].store);
            views.is_ok_and(|views| {
                !views.is_empty() && views.iter().all(|v| v.state == BridgeState::Connected)
            })
        });
        self.run_for(10 * SECOND_MS);
    }

    /// `by` makes a one-use link, `guest` takes it up; waits until both are connected. Says
    /// whether they are.
    pub fn meet(&mut self, by: Who, guest: Who) -> bool {
        self.act(Step::Invite { by, guest, uses: 1 });
        self.wait_connected(by, guest)
    }

    /// Waits until two people see each other as connected.
    pub fn wait_connected(&mut self, a: Who, b: Who) -> bool {
        let end = self.now + PATIENCE_MS;
        while self.now < end {
            let connected = Some(waxwing_protocol::output::ContactState::Connected);
            if self.standing(a, b) == connected && self.standing(b, a) == connected {
                return true;
            }
            self.run_for(SECOND_MS);
        }
        false
    }

    /// Sends a text and returns its id once it is acknowledged.
    pub fn say(&mut self, by: Who, to: Who, text: &str) -> Option<Mid> {
        let step = Step::Send {
            by,
            to,
            text: text.to_owned(),
            reply: false,
        };
        message_id(self.ask_for(by, step))
    }

    /// Answers the newest message there is.
    pub fn reply(&mut self, by: Who, to: Who, text: &str) -> Option<Mid> {
        let step = Step::Send {
            by,
            to,
            text: text.to_owned(),
            reply: true,
        };
        message_id(self.ask_for(by, step))
    }

    /// Reacts to a message.
    pub fn react(&mut self, by: Who, to: Mid, emoji: &str) -> Option<Mid> {
        message_id(self.ask_for(
            by,
            Step::React {
                by,
                to,
                emoji: emoji.to_owned(),
            },
        ))
    }
}

impl World {
    /// Puts another text in place of one's own.
    pub fn edit(&mut self, by: Who, of: Mid, text: &str) -> Option<Mid> {
        let text = text.to_owned();
        message_id(self.ask_for(by, Step::Edit { by, of, text }))
    }

    /// Sets after which time messages disappear, and waits for the answer.
    pub fn disappear(&mut self, by: Who, with: Who, secs: u64) -> Option<Answer> {
        self.ask_for(by, Step::Disappear { by, with, secs })?.ok()
    }

    /// Takes a message back.
    pub fn delete(&mut self, by: Who, of: Mid) -> Option<Mid> {
        message_id(self.ask_for(by, Step::Delete { by, of }))
    }
}

fn message_id(answer: Option<Result<Answer, Refusal>>) -> Option<Mid> {
    match answer {
        Some(Ok(Answer::Message { id, .. })) => Some(id),
        _ => None,
    }
}
