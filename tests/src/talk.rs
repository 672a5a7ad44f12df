//! Connections between people: dialing, frames on their way, falling apart.
//!
//! Each side keeps its own belief about a connection, as two real machines do: one may still hold
//! for connected what the other has lost or replaced.

use crate::frames::label;
use crate::person::{Power, Who};
use crate::world::{Event, World};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{DialError, Input, Reach, SendError};

/// Duration of a dial that finds somebody else or nothing listening.
const REFUSED_MS: u64 = 40;

impl World {
    fn same_side(&self, a: Who, b: Who) -> bool {
        let side = |who| self.sides.get(&who).copied().unwrap_or(0);
        side(a) == side(b)
    }

    /// Both are up and no partition lies between them.
    pub fn can_reach(&self, a: Who, b: Who) -> bool {
        self.people[a].is_on() && self.people[b].is_on() && self.same_side(a, b)
    }

    /// The connection that one side believes in.
    fn belief(&self, who: Who, other: Who) -> Option<u64> {
        self.people[who].connected.get(&other).copied()
    }

    pub(crate) fn dial(&mut self, who: Who, peer: Peer, addrs: Vec<String>) {
        let run = self.people[who].run;
        let Some(other) = self.peers.get(&peer).copied() else {
            let why = DialError::Unreachable;
            return self.after(
                REFUSED_MS,
                Event::DialFailed {
                    who,
                    run,
                    peer,
                    why,
                },
            );
        };
        if self.belief(who, other).is_some() {
            return;
        }
        self.note(who, &format!("dials {}", self.name(other)), &[]);
        let (good, bad) = (self.config.link.dial_ms, self.config.link.fail_ms);
        let reachable = self.can_reach(who, other);
        let dice = self.dice_of(who, other);
        let (good, bad) = (dice.between(good), dice.between(bad));
        if reachable {
            self.after(
                good,
                Event::Dialed {
                    who,
                    run,
                    peer,
                    addrs,
                },
            );
        } else {
            let why = DialError::Timeout;
            self.after(
                bad,
                Event::DialFailed {
                    who,
                    run,
                    peer,
                    why,
                },
            );
        }
    }

    /// A dial has reached its end: somebody is there or not.
    pub(crate) fn dial_arrives(&mut self, who: Who, peer: &Peer, addrs: &[String]) {
        let Some(other) = self.peers.get(peer).copied() else {
            return;
        };
        let run = self.people[who].run;
        let why = if addrs.is_empty() {
            DialError::NoAddress
        } else if !self.can_reach(who, other) || who == other {
            DialError::Timeout
        } else if !self.people[other]
            .listen(other)
            .iter()
            .any(|at| addrs.contains(at))
        {
            DialError::Refused
        } else {
            return self.connect(who, other);
        };
        self.after(
            0,
            Event::DialFailed {
                who,
                run,
                peer: *peer,
                why,
            },
        );
    }

    fn connect(&mut self, who: Who, other: Who) {
        let conn = self.next_conn;
        self.next_conn += 1;
        let run = self.people[who].run;
        let latency = self.config.link.latency_ms;
        let wait = self.dice_of(who, other).between(latency);
        // No frame overtakes the word of the connection it comes by.
        self.queue_ends
            .insert((other, who), (conn, self.now + wait));
        self.queue_ends.insert((who, other), (conn, self.now));
        self.comes_up(other, who, conn);
        self.after(
            wait,
            Event::Up {
                who,
                run,
                other,
                conn,
            },
        );
    }

    /// The dialing side learns that its dial succeeded, unless that has already fallen apart.
    pub(crate) fn dial_succeeds(&mut self, who: Who, other: Who, conn: u64) {
        let Some(peer) = self.people[other].peer else {
            return;
        };
        // What ended meanwhile ends for both: a real link answers no probe any more, and whoever
        // dialed it would find that out within seconds (`node/src/net/pulse.rs`).
        let stands = !self.ended.contains(&conn) && self.belief(other, who) == Some(conn);
        if stands && self.can_reach(who, other) {
            return self.comes_up(who, other, conn);
        }
        self.end_for(other, who, conn);
        if self.belief(who, other).is_none() {
            self.push(
                who,
                Input::DialFailed {
                    peer,
                    why: DialError::Timeout,
                },
            );
        }
    }

    fn comes_up(&mut self, who: Who, other: Who, conn: u64) {
        let Some(peer) = self.people[other].peer else {
            return;
        };
        match self.belief(who, other) {
            Some(newer) if newer > conn => return,
            Some(_) => self.push(who, Input::Down { peer }),
            None => {}
        }
        self.note(who, &format!("up {} #{conn}", self.name(other)), &[]);
        self.people[who].connected.insert(other, conn);
        self.push(
            who,
            Input::Up {
                peer,
                how: Reach::Direct,
            },
        );
    }

    pub(crate) fn notice_down(&mut self, who: Who, other: Who, conn: u64) {
        // A sleeping machine notices when it wakes up.
        if self.belief(who, other) != Some(conn) || !self.people[who].is_on() {
            return;
        }
        self.people[who].connected.remove(&other);
        self.note(who, &format!("down {} #{conn}", self.name(other)), &[]);
        if let Some(peer) = self.people[other].peer {
            self.push(who, Input::Down { peer });
        }
    }

    /// A connection is gone: this side will notice.
    fn end_for(&mut self, who: Who, other: Who, conn: u64) {
        self.ended.insert(conn);
        if self.belief(who, other) == Some(conn) {
            let span = self.config.link.notice_ms;
            let wait = self.dice_of(who, other).between(span);
            self.after(wait, Event::Down { who, other, conn });
        }
    }

    /// All others will notice that somebody's connections are gone.
    fn end_for_others(&mut self, who: Who) {
        for other in 0..self.people.len() {
            if let Some(conn) = self.belief(other, who) {
                self.end_for(other, who, conn);
            }
        }
    }

    /// A process died: it keeps no connection and is told nothing.
    pub(crate) fn cut(&mut self, who: Who) {
        self.people[who].connected.clear();
        self.end_for_others(who);
    }

    /// The connection between two people breaks; both notice in time.
    pub(crate) fn disconnect(&mut self, a: Who, b: Who) {
        for (who, other) in [(a, b), (b, a)] {
            if let Some(conn) = self.belief(who, other) {
                self.end_for(who, other, conn);
                // Nothing more arrives by it.
                self.queue_ends.insert((who, other), (conn, u64::MAX));
            }
        }
    }

    /// Puts people on different sides: connections between sides end, new ones cannot be made.
    pub(crate) fn divide(&mut self, sides: &[Vec<Who>]) {
        self.sides = sides
            .iter()
            .enumerate()
            .flat_map(|(side, people)| people.iter().map(move |who| (*who, side)))
            .collect();
        for who in 0..self.people.len() {
            for (other, conn) in self.people[who].connected.clone() {
                if !self.same_side(who, other) {
                    self.end_for(who, other, conn);
                }
            }
        }
    }

    pub(crate) fn send(&mut self, who: Who, to: &Peer, id: u64, bytes: Vec<u8>) {
        let other = self.peers.get(to).copied();
        let conn = other.and_then(|other| self.belief(who, other));
        self.watch_frame(who, &bytes);
        let (Some(other), Some(conn)) = (other, conn) else {
            self.note(who, &format!("cannot send {}", label(&bytes)), &bytes);
            let why = SendError::NotConnected;
            return self.push(who, Input::Undelivered { to: *to, id, why });
        };
        self.note(
            who,
            &format!("sends {} to {}", label(&bytes), self.name(other)),
            &bytes,
        );
        self.bytes_sent += bytes.len() as u64;
        let end = match self.queue_ends.get(&(who, other)) {
            Some((known, end)) if *known == conn => *end,
            _ => 0,
        };
        let link = self.config.link;
        let queue = end.saturating_sub(self.now);
        let fate = link.fate(self.dice_of(who, other), queue);
        if end == u64::MAX {
            return;
        }
        if let (true, Some(first)) = (fate.keeps_place, fate.copies.first()) {
            self.queue_ends
                .insert((who, other), (conn, self.now + first));
        }
        for wait in fate.copies {
            let bytes = bytes.clone();
            self.after(
                wait,
                Event::Frame {
                    from: who,
                    to: other,
                    conn,
                    bytes,
                },
            );
        }
    }

    /// A frame reaches its connection's other end, if that is still there.
    pub(crate) fn arrive(&mut self, from: Who, to: Who, conn: u64, bytes: Vec<u8>) {
        let Some(peer) = self.people[from].peer else {
            return;
        };
        let there = self.belief(to, from) == Some(conn) && self.people[to].is_on();
        if there && self.same_side(from, to) {
            self.note(
                to,
                &format!("gets {} from {}", label(&bytes), self.name(from)),
                &[],
            );
            self.push(to, Input::Frame { from: peer, bytes });
        }
    }

    /// A sleeping machine: nothing runs, connections fall apart, nothing is forgotten.
    pub(crate) fn fall_asleep(&mut self, who: Who) {
        if self.people[who].is_on() {
            self.people[who].power = Power::Asleep;
            self.note(who, "falls asleep", &[]);
            self.end_for_others(who);
        }
    }

    /// The machine wakes up and finds its connections gone.
    pub(crate) fn wake_up(&mut self, who: Who) {
        if self.people[who].power != Power::Asleep {
            return;
        }
        self.people[who].power = Power::On;
        self.people[who].group_due = false;
        self.note(who, "wakes up", &[]);
        for (other, conn) in self.people[who].connected.clone() {
            self.notice_down(who, other, conn);
        }
        self.push(who, Input::Wake);
        self.regive(who);
    }

    /// Somebody's addresses are others from now on.
    pub(crate) fn relocate(&mut self, who: Who) {
        self.people[who].place += 1;
        self.links_lead_nowhere(who);
        self.note(who, "moves", &[]);
        for (other, conn) in self.people[who].connected.clone() {
            self.end_for(who, other, conn);
        }
        self.end_for_others(who);
        let listen = self.people[who].listen(who);
        self.push(who, Input::Listening { listen });
    }
}
