//! Nonsense from the network, and what must not come of it.

use crate::engine::Engine;
use crate::person::Who;
use crate::world::World;
use std::hash::{DefaultHasher, Hash, Hasher};
use waxwing_protocol::input::Input;
use waxwing_protocol::limits::READ_MAX;
use waxwing_protocol::query::Page;
use waxwing_protocol::store::{Read, StoreError};

/// Longest random frame.
const RANDOM_BYTES_MAX: u64 = 600;

/// A hash over everything that a user sees, liveness aside.
///
/// # Errors
/// [`StoreError`] if a query fails.
pub fn visible(engine: &dyn Engine, store: &dyn Read) -> Result<u64, StoreError> {
    let mut hash = DefaultHasher::new();
    let me = engine.me(store)?;
    me.map(|me| (me.account.0, me.name)).hash(&mut hash);
    let page = Page {
        limit: READ_MAX,
        ..Page::default()
    };
    for contact in engine.contacts(store)? {
        let state = format!("{:?}", contact.state);
        (
            &contact.name,
            contact.account.0,
            state,
            contact.verified,
            contact.doubted,
            contact.muted_until,
            contact.unread,
        )
            .hash(&mut hash);
        let messages = engine.messages(store, &contact.name, &page)?;
        format!("{messages:?}").hash(&mut hash);
    }
    for request in engine.requests(store)? {
        (&request.name, request.account.0, &request.note).hash(&mut hash);
    }
    engine.status(store)?.cursor.hash(&mut hash);
    Ok(hash.finish())
}

impl World {
    /// A frame of nonsense arrives at `to` by the connection of `from`: random bytes, a frame
    /// that was handled before, or such a frame with one bit turned over. It is first tried on a
    /// copy of the disk, where it must change nothing that a user sees.
    pub(crate) fn throw_garbage(&mut self, to: Who, from: Who) {
        let Some(peer) = self.people[from].peer else {
            return;
        };
        if !self.people[to].is_on() {
            return;
        }
        let person = &mut self.people[to];
        let dice = &mut person.shell_dice;
        let kind = dice.below(3);
        let random_len = usize::try_from(1 + dice.below(RANDOM_BYTES_MAX)).unwrap_or(1);
        let random = dice.bytes(random_len);
        let pick = dice.index(person.recent.len());
        let bit = dice.below(u64::MAX);
        let old = person.recent.get(pick).cloned();
        let (what, bytes) = match (kind, old) {
            (1, Some(frame)) => ("an old frame", frame),
            (2, Some(mut frame)) if !frame.is_empty() => {
                let bits = frame.len() as u64 * 8;
                let at = bit % bits;
                if let Some(byte) = usize::try_from(at / 8).ok().and_then(|i| frame.get_mut(i)) {
                    *byte ^= 1 << (at % 8);
                }
                ("a bent frame", frame)
            }
            _ => ("random bytes", random),
        };
        let line = format!(
            "gets {what} ({} bytes) from {}",
            bytes.len(),
            self.name(from)
        );
        self.note(to, &line, &bytes);
        self.watch.provoked.insert((to, peer));
        let input = Input::Frame { from: peer, bytes };
        // Only when nothing else is waiting is the copy the disk that the frame will meet.
        match self.rehearse(to, input.clone()) {
            Ok((before, after)) if before == after => {}
            Ok(_) => self.violation("garbage_seen", to, format!("{what} changed what is seen")),
            Err(error) => self.violation("garbage_error", to, format!("{what}: {error}")),
        }
        self.push(to, input);
    }
}
