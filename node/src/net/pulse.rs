//! When a link has to give a sign of life, and when it is dead.
//!
//! Pure bookkeeping: every time is a number of milliseconds since the link began. Two rules make
//! a killed peer show within three seconds while something is unanswered, without taking a slow
//! or busy peer for a dead one:
//!
//! - who wrote something and read nothing for [`PROBE_AFTER_MS`] sends a probe, and gives up
//!   [`PROBE_WAIT_MS`] later if still nothing came;
//! - who read frames and wrote nothing for [`SIGN_AFTER_MS`], or waits for its engine that long,
//!   sends a sign of life unasked. A sign is never answered.

/// Something was written and nothing read for this long: probe.
pub(super) const PROBE_AFTER_MS: u64 = 1_000;
/// Nothing was read for this long after that probe: dead.
pub(super) const PROBE_WAIT_MS: u64 = 1_500;
/// Frames were read and nothing written for this long, or the engine is busy: sign of life.
/// With half of [`PROBE_AFTER_MS`] a sign is on its way before a probe is due.
pub(super) const SIGN_AFTER_MS: u64 = 500;
/// Nothing was read for this long on a link where nothing is unanswered: probe.
pub(super) const IDLE_PROBE_AFTER_MS: u64 = 20_000;
/// Nothing was read for this long after an idle probe: dead. Nothing is at stake, and a sleeping
/// radio takes its time.
pub(super) const IDLE_PROBE_WAIT_MS: u64 = 10_000;
/// A link that is not written to and carried no frame for this long may be given up.
pub(super) const SURPLUS_AFTER_MS: u64 = 30_000;

const _: () = {
    assert!(PROBE_AFTER_MS + PROBE_WAIT_MS < 3_000);
    assert!(SIGN_AFTER_MS < PROBE_AFTER_MS);
    assert!(IDLE_PROBE_AFTER_MS <= SURPLUS_AFTER_MS);
};

/// What the link should write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    /// Ask for a sign of life.
    Probe,
    /// Give one.
    Alive,
}

/// What the passing of time demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// Nothing yet; look again at [`Pulse::deadline`].
    Wait,
    /// A sign was put up for writing.
    Say,
    /// The peer is gone.
    Dead,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    at: u64,
    wait: u64,
}

/// The state of one link's life signs.
#[derive(Default, Debug)]
pub(super) struct Pulse {
    /// Last time that anything was read.
    heard: u64,
    /// Last time that a frame, or a part of one, was read.
    frame: u64,
    /// First write since `heard` that the peer should react to.
    unanswered: Option<u64>,
    /// First frame bytes read since the last write.
    owed: Option<u64>,
    /// The reader waits for the engine since, or gave its last sign.
    busy: Option<u64>,
    probe: Option<Probe>,
    /// Signs to write.
    probe_due: bool,
    alive_due: bool,
}

impl Pulse {
    /// Bytes came.
    pub(super) fn read(&mut self, now: u64) {
        self.heard = now;
        self.unanswered = None;
        self.probe = None;
        self.probe_due = false;
    }

    /// They were those of a frame.
    pub(super) fn read_frame(&mut self, now: u64) {
        self.frame = now;
        self.owed.get_or_insert(now);
    }

    /// They were a probe.
    pub(super) fn read_probe(&mut self) {
        self.alive_due = true;
    }

    /// Frames are being written.
    pub(super) fn wrote_frames(&mut self, now: u64) {
        self.owed = None;
        self.unanswered.get_or_insert(now);
    }

    /// The reader began to wait for the engine.
    pub(super) fn began_to_wait(&mut self, now: u64) {
        self.busy = Some(now);
    }

    /// The engine took the frame.
    pub(super) fn ceased_to_wait(&mut self) {
        self.busy = None;
    }

    /// The next sign to write, if any.
    pub(super) fn take_sign(&mut self) -> Option<Sign> {
        if std::mem::take(&mut self.alive_due) {
            self.owed = None;
            Some(Sign::Alive)
        } else if std::mem::take(&mut self.probe_due) {
            Some(Sign::Probe)
        } else {
            None
        }
    }

    /// True if no frame was read for [`SURPLUS_AFTER_MS`].
    pub(super) fn is_quiet(&self, now: u64) -> bool {
        now.saturating_sub(self.frame) >= SURPLUS_AFTER_MS
    }

    /// When [`Pulse::act`] has to be called next.
    pub(super) fn deadline(&self) -> u64 {
        let life = match (self.probe, self.unanswered) {
            (Some(probe), Some(since)) => u64::min(
                probe.at + probe.wait,
                since + PROBE_AFTER_MS + PROBE_WAIT_MS,
            ),
            (Some(probe), None) => probe.at + probe.wait,
            (None, Some(since)) => since + PROBE_AFTER_MS,
            (None, None) => self.heard + IDLE_PROBE_AFTER_MS,
        };
        [self.owed, self.busy]
            .into_iter()
            .flatten()
            .map(|since| since + SIGN_AFTER_MS)
            .fold(life, u64::min)
    }

    /// Does what is due at `now`.
    pub(super) fn act(&mut self, now: u64) -> Act {
        // Something unanswered shortens the patience that an idle probe had.
        if let Some(probe) = self.probe {
            let dead_at = match self.unanswered {
                Some(since) => u64::min(
                    probe.at + probe.wait,
                    since + PROBE_AFTER_MS + PROBE_WAIT_MS,
                ),
                None => probe.at + probe.wait,
            };
            if now >= dead_at {
                return Act::Dead;
            }
        }
        let mut said = false;
        for since in [&mut self.owed, &mut self.busy] {
            if since.is_some_and(|since| now >= since + SIGN_AFTER_MS) {
                *since = since.map(|_| now);
                self.alive_due = true;
                said = true;
            }
        }
        if self.probe.is_none() {
            let wait = match self.unanswered {
                Some(since) if now >= since + PROBE_AFTER_MS => Some(PROBE_WAIT_MS),
                None if now >= self.heard + IDLE_PROBE_AFTER_MS => Some(IDLE_PROBE_WAIT_MS),
                _ => None,
            };
            if let Some(wait) = wait {
                self.probe = Some(Probe { at: now, wait });
                self.probe_due = true;
                said = true;
            }
        }
        if said { Act::Say } else { Act::Wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_dead_two_and_a_half_seconds_after_the_write() {
        let mut pulse = Pulse::default();
        pulse.wrote_frames(100);
        assert_eq!(pulse.deadline(), 1_100);
        assert_eq!(pulse.act(1_099), Act::Wait);
        assert_eq!(pulse.act(1_100), Act::Say);
        assert_eq!(pulse.take_sign(), Some(Sign::Probe));
        assert_eq!(pulse.take_sign(), None);
        assert_eq!(pulse.deadline(), 2_600);
        assert_eq!(pulse.act(2_599), Act::Wait);
        assert_eq!(pulse.act(2_600), Act::Dead);
    }

    #[test]
    fn anything_read_calls_the_probe_off() {
        let mut pulse = Pulse::default();
        pulse.wrote_frames(0);
        assert_eq!(pulse.act(1_000), Act::Say);
        pulse.read(1_200);
        assert_eq!(pulse.take_sign(), None, "not yet written: not needed");
        assert_eq!(pulse.deadline(), 1_200 + IDLE_PROBE_AFTER_MS);
        assert_eq!(pulse.act(5_000), Act::Wait);
    }

    #[test]
    fn an_idle_link_is_probed_with_patience_until_something_is_written() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.act(IDLE_PROBE_AFTER_MS), Act::Say);
        assert_eq!(pulse.take_sign(), Some(Sign::Probe));
        assert_eq!(pulse.act(IDLE_PROBE_AFTER_MS + 5_000), Act::Wait);
        pulse.wrote_frames(IDLE_PROBE_AFTER_MS + 5_000);
        assert_eq!(pulse.deadline(), IDLE_PROBE_AFTER_MS + 7_500);
        assert_eq!(pulse.act(IDLE_PROBE_AFTER_MS + 7_500), Act::Dead);
    }

    #[test]
    fn a_quiet_receiver_gives_one_sign_for_what_it_read() {
        let mut pulse = Pulse::default();
        pulse.read(0);
        pulse.read_frame(0);
        pulse.read_frame(300);
        assert_eq!(pulse.deadline(), 500);
        assert_eq!(pulse.act(500), Act::Say);
        assert_eq!(pulse.take_sign(), Some(Sign::Alive));
        assert_eq!(pulse.deadline(), IDLE_PROBE_AFTER_MS);
        pulse.read_frame(600);
        pulse.wrote_frames(700);
        assert_eq!(pulse.deadline(), 1_700, "the write itself was the sign");
    }

    #[test]
    fn a_busy_receiver_gives_signs_as_long_as_it_is_busy() {
        let mut pulse = Pulse::default();
        pulse.began_to_wait(0);
        for n in 1..10 {
            assert_eq!(pulse.act(n * SIGN_AFTER_MS), Act::Say);
            assert_eq!(pulse.take_sign(), Some(Sign::Alive));
        }
        pulse.ceased_to_wait();
        assert_eq!(pulse.act(10 * SIGN_AFTER_MS), Act::Wait);
    }

    #[test]
    fn signs_do_not_answer_each_other() {
        let (mut alice, mut bob) = (Pulse::default(), Pulse::default());
        alice.read_probe();
        assert_eq!(alice.take_sign(), Some(Sign::Alive));
        bob.read(10);
        assert_eq!(bob.take_sign(), None);
        assert_eq!(bob.deadline(), 10 + IDLE_PROBE_AFTER_MS);
        assert_eq!(alice.deadline(), IDLE_PROBE_AFTER_MS);
    }
}
