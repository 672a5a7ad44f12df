//! The table of links: who is connected, and over which link frames leave.
//!
//! A *link* is a connection whose frame stream is open. A peer may have several; frames are read
//! from all of them and written to the newest, but never to one through a relay while there is a
//! direct one. The engine sees one: `Up` when the first comes,
//! `Down` then `Up` when another one takes over, `Up` alone when a direct one takes over from one
//! through a relay, `Down` when the last one went. Everything that
//! concerns one peer reaches the engine under that peer's `order` lock, so frames never stand
//! outside an `Up` and its `Down`.

use super::profile::LINKS_PER_PEER_MAX;
use crate::runtime::{EngineError, EngineHandle};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{self, error::TrySendError};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Input, Reach, SendError};
use waxwing_protocol::limits::{FRAME_BYTES_MAX, RESEND_LETTERS_MAX};

/// Frames that may wait on one link: what the engine resends when a peer comes up, and as much
/// again for new ones, twice.
const QUEUE_FRAMES: usize = 4 * RESEND_LETTERS_MAX;
/// Bytes that may wait on one link.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that may wait on all links together, so that many stalled peers cannot eat the memory.
const QUEUE_BYTES_ALL: usize = 64 * 1024 * 1024;

const _: () = {
    assert!(QUEUE_BYTES >= FRAME_BYTES_MAX);
    assert!(QUEUE_BYTES_ALL >= QUEUE_BYTES);
};

/// One frame on its way out.
pub(super) struct Outgoing {
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
}

/// The receiving end of a link's queue.
pub(super) type Queue = mpsc::Receiver<Outgoing>;

/// The table. Shared by the engine's thread, which sends, and the link tasks.
#[derive(Default)]
pub(super) struct Links {
    table: Mutex<Table>,
    /// Bytes waiting on all links.
    waiting: AtomicUsize,
    numbers: AtomicU64,
}

#[derive(Default)]
struct Table {
    peers: HashMap<Peer, Entry>,
    /// No new links: the node shuts down.
    closed: bool,
}

#[derive(Default)]
struct Entry {
    order: Arc<tokio::sync::Mutex<()>>,
    /// Those through a relay first, then the direct ones, each oldest first; the last one is written
    /// to.
    links: Vec<Slot>,
    /// The engine was told `Up` last.
    up: bool,
}

struct Slot {
    number: u64,
    how: Reach,
    /// Dropped to tell the link to write what waits and close.
    queue: Option<mpsc::Sender<Outgoing>>,
    state: Arc<LinkState>,
}

/// What the table and the link's task both look at.
#[derive(Default)]
pub(super) struct LinkState {
    /// Bytes in the link's queue.
    waiting: AtomicUsize,
    /// Frames to this peer are written here.
    pub(super) is_written_to: AtomicBool,
}

/// A link's place in the table.
pub(super) struct Place {
    pub(super) peer: Peer,
    pub(super) state: Arc<LinkState>,
    number: u64,
    how: Reach,
    order: Arc<tokio::sync::Mutex<()>>,
}

impl Links {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peers that are connected, as the engine was told.
    pub(super) fn connected(&self) -> usize {
        self.lock().peers.values().filter(|peer| peer.up).count()
    }

    /// Puts a frame into the queue of the peer's newest link. Never waits.
    pub(super) fn send(&self, to: Peer, id: u64, bytes: Vec<u8>) -> Result<(), SendError> {
        let length = bytes.len();
        if length == 0 || length > FRAME_BYTES_MAX {
            tracing::error!(length, "a frame of an impossible length was not sent");
            return Err(SendError::NotConnected);
        }
        let table = self.lock();
        let slot = table.peers.get(&to).and_then(|entry| entry.links.last());
        let Some((slot, queue)) = slot.and_then(|slot| Some((slot, slot.queue.as_ref()?))) else {
            return Err(SendError::NotConnected);
        };
        // Only this call adds, and it does so under the lock: the bounds hold exactly.
        if slot.state.waiting.load(Relaxed) + length > QUEUE_BYTES
            || self.waiting.load(Relaxed) + length > QUEUE_BYTES_ALL
        {
            return Err(SendError::Busy);
        }
        slot.state.waiting.fetch_add(length, Relaxed);
        self.waiting.fetch_add(length, Relaxed);
        queue.try_send(Outgoing { id, bytes }).map_err(|error| {
            self.took(&slot.state, length);
            match error {
                TrySendError::Full(_) => SendError::Busy,
                TrySendError::Closed(_) => SendError::NotConnected,
            }
        })
    }

    /// The link took so many bytes out of its queue.
    pub(super) fn took(&self, state: &LinkState, bytes: usize) {
        state.waiting.fetch_sub(bytes, Relaxed);
        self.waiting.fetch_sub(bytes, Relaxed);
    }

    /// Whether a link to the peer is open.
    pub(super) fn contains(&self, peer: &Peer) -> bool {
        self.lock()
            .peers
            .get(peer)
            .is_some_and(|entry| !entry.links.is_empty())
    }

    /// How the link to a peer that is written to leads there.
    pub(super) fn how(&self, peer: &Peer) -> Option<Reach> {
        let table = self.lock();
        Some(table.peers.get(peer)?.links.last()?.how)
    }

    /// Links that are open.
    pub(super) fn count(&self) -> usize {
        let table = self.lock();
        table.peers.values().map(|entry| entry.links.len()).sum()
    }

    /// Lets no link in any more and tells all to write what waits and close.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        for entry in table.peers.values_mut() {
            for slot in &mut entry.links {
                slot.queue = None;
            }
        }
    }

    /// Enters a new link, which is written to from now on if none is better, and tells the engine.
    /// `None` if the node shuts down.
    pub(super) async fn join(
        &self,
        peer: Peer,
        how: Reach,
        engine: &EngineHandle,
    ) -> Option<(Place, Queue)> {
        let order = {
            let mut table = self.lock();
            if table.closed {
                return None;
            }
            Arc::clone(&table.peers.entry(peer).or_default().order)
        };
        let (sender, queue) = mpsc::channel(QUEUE_FRAMES);
        let place = Place {
            peer,
            state: Arc::default(),
            number: self.numbers.fetch_add(1, Relaxed),
            how,
            order,
        };
        let guard = place.order.lock().await;
        let entered = self.enter(&place, sender);
        let told = match entered {
            None | Some(Entered::Aside) => Ok(()),
            Some(Entered::First) => tell_up(peer, false, how, engine).await,
            Some(Entered::Instead { better }) => tell_up(peer, !better, how, engine).await,
        };
        drop(guard);
        match (entered, told) {
            (Some(_), Ok(())) => Some((place, queue)),
            _ => {
                self.leave(place, queue, Vec::new(), engine).await;
                None
            }
        }
    }

    /// `None` if the table closed meanwhile.
    fn enter(&self, place: &Place, queue: mpsc::Sender<Outgoing>) -> Option<Entered> {
        let mut table = self.lock();
        if table.closed {
            return None;
        }
        let entry = table.peers.get_mut(&place.peer)?;
        let is_relayed = |slot: &Slot| slot.how == Reach::Relayed;
        let at = match place.how {
            Reach::Relayed => entry.links.iter().filter(|slot| is_relayed(slot)).count(),
            Reach::Direct | Reach::Punched => entry.links.len(),
        };
        let is_last = at == entry.links.len();
        let better = entry.links.last().is_some_and(is_relayed) && place.how != Reach::Relayed;
        if is_last {
            for slot in &mut entry.links {
                slot.state.is_written_to.store(false, Relaxed);
            }
        }
        place.state.is_written_to.store(is_last, Relaxed);
        let slot = Slot {
            number: place.number,
            how: place.how,
            queue: Some(queue),
            state: Arc::clone(&place.state),
        };
        entry.links.insert(at, slot);
        let surplus = entry.links.len().saturating_sub(LINKS_PER_PEER_MAX);
        for slot in entry.links.iter_mut().take(surplus) {
            slot.queue = None;
        }
        let was_up = std::mem::replace(&mut entry.up, true);
        Some(match (was_up, is_last) {
            (false, _) => Entered::First,
            (true, true) => Entered::Instead { better },
            (true, false) => Entered::Aside,
        })
    }

    /// Gives a frame to the engine; waits while its queue is full.
    pub(super) async fn deliver(
        &self,
        place: &Place,
        bytes: Vec<u8>,
        engine: &EngineHandle,
    ) -> Result<(), EngineError> {
        let _order = place.order.lock().await;
        let from = place.peer;
        engine.input(Input::Frame { from, bytes }).await
    }

    /// Takes a link out. What it did not write (`unwritten`, then its queue) goes back to the
    /// engine, then word of the change.
    pub(super) async fn leave(
        &self,
        place: Place,
        mut queue: Queue,
        unwritten: Vec<u64>,
        engine: &EngineHandle,
    ) {
        let peer = place.peer;
        let order = Arc::clone(&place.order);
        let guard = order.lock().await;
        let change = self.remove(peer, place.number);
        queue.close();
        let mut gone = false;
        let mut report = async |id| {
            let (to, why) = (peer, SendError::NotConnected);
            gone = gone
                || engine
                    .input(Input::Undelivered { to, id, why })
                    .await
                    .is_err();
        };
        for id in unwritten {
            report(id).await;
        }
        while let Ok(frame) = queue.try_recv() {
            self.took(&place.state, frame.bytes.len());
            report(frame.id).await;
        }
        // If the engine is gone there is nobody to tell.
        let _ = match change {
            Change::None => Ok(()),
            Change::Down => engine.input(Input::Down { peer }).await,
            Change::DownUp(how) => tell_up(peer, true, how, engine).await,
        };
        drop(guard);
        drop(place);
        let mut table = self.lock();
        // Nobody waits for this peer's turn if only the table and we hold its lock.
        if table
            .peers
            .get(&peer)
            .is_some_and(|entry| entry.links.is_empty() && Arc::strong_count(&entry.order) <= 2)
        {
            table.peers.remove(&peer);
        }
    }

    fn remove(&self, peer: Peer, number: u64) -> Change {
        let mut table = self.lock();
        let closed = table.closed;
        let Some(entry) = table.peers.get_mut(&peer) else {
            return Change::None;
        };
        let Some(at) = entry.links.iter().position(|slot| slot.number == number) else {
            return Change::None;
        };
        let was_written_to = at + 1 == entry.links.len();
        entry.links.remove(at);
        if !was_written_to || !entry.up {
            return Change::None;
        }
        match entry.links.last() {
            Some(slot) if !closed => {
                slot.state.is_written_to.store(true, Relaxed);
                Change::DownUp(slot.how)
            }
            _ => {
                entry.up = false;
                Change::Down
            }
        }
    }
}

/// What the engine has to hear when a link went.
enum Change {
    None,
    Down,
    DownUp(Reach),
}

/// Where a new link stands among those to the same peer.
#[derive(Clone, Copy)]
enum Entered {
    /// The engine knew of none.
    First,
    /// It is written to in place of another one, which was through a relay and this one is not.
    Instead { better: bool },
    /// It is read, and another one is written to.
    Aside,
}

async fn tell_up(
    peer: Peer,
    after_down: bool,
    how: Reach,
    engine: &EngineHandle,
) -> Result<(), EngineError> {
    if after_down {
        engine.input(Input::Down { peer }).await?;
    }
    engine.input(Input::Up { peer, how }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Ask;
    use tokio::sync::watch;

    fn heard(asks: &mut mpsc::Receiver<Ask>) -> Vec<Input> {
        std::iter::from_fn(|| match asks.try_recv() {
            Ok(Ask::Input(input)) => Some(input),
            _ => None,
        })
        .collect()
    }

    #[tokio::test]
    async fn a_link_through_a_relay_is_written_to_only_while_there_is_no_other() {
        let (sender, mut asks) = mpsc::channel(64);
        let engine = EngineHandle::new(sender, watch::channel(0).1);
        let links = Links::default();
        let peer = Peer::ZERO;
        let up = |how| Input::Up { peer, how };
        let down = Input::Down { peer };
        let join = |how| links.join(peer, how, &engine);

        let relayed = join(Reach::Relayed).await.unwrap();
        assert_eq!(heard(&mut asks), [up(Reach::Relayed)]);
        let (punched, mut queue) = join(Reach::Punched).await.unwrap();
        assert_eq!(heard(&mut asks), [up(Reach::Punched)], "nobody was away");
        assert_eq!(links.how(&peer), Some(Reach::Punched));
        // A later one through a relay is read and not written to.
        let later = join(Reach::Relayed).await.unwrap();
        assert_eq!(heard(&mut asks), []);
        links.send(peer, 7, vec![1]).unwrap();
        assert_eq!(queue.try_recv().unwrap().id, 7);
        assert!(!later.0.state.is_written_to.load(Relaxed));
        // Without the direct one the newest of the others is taken.
        links.leave(punched, queue, vec![7], &engine).await;
        let why = SendError::NotConnected;
        let lost = Input::Undelivered {
            to: peer,
            id: 7,
            why,
        };
        assert_eq!(heard(&mut asks), [lost, down.clone(), up(Reach::Relayed)]);
        assert!(later.0.state.is_written_to.load(Relaxed));
        links.leave(later.0, later.1, Vec::new(), &engine).await;
        assert_eq!(heard(&mut asks), [down.clone(), up(Reach::Relayed)]);
        links.leave(relayed.0, relayed.1, Vec::new(), &engine).await;
        assert_eq!(heard(&mut asks), [down]);
    }
}
