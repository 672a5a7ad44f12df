//! Group commit: what has queued up runs through the engine on one transaction, becomes durable
//! with one flush, and only then takes effect outside.

use crate::clock::{Clock, forward_ms};
use crate::compacting::Compactor;
use crate::deferred::Deferred;
use crate::dice::{self, Dice};
use crate::disk::{DiskStatus, Watermark};
use crate::perform;
use crate::runtime::{Ask, Door, Ended, EngineError, Network, QueryFn, Reply, Told};
use crate::store::{Disk, Rest};
use crate::telling::Telling;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Input, Moment, Settings};
use waxwing_protocol::output::Output;
use waxwing_protocol::store::{Batch, Read, StoreError, Tx};
use waxwing_protocol::time::{Millis, secs};

/// Inputs of one group.
const GROUP_ASKS_MAX: usize = 512;
/// Of these, what earlier groups left to do; the rest is for what was asked meanwhile.
const GROUP_LOCAL_MAX: usize = 256;
/// Bytes of frames in one group: what one flush writes in a few milliseconds.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// After this a group takes nothing more, so that those in it get their answer …
const GROUP_TIME_MAX: Duration = Duration::from_millis(50);
/// … but no fewer asks than this: a machine that is busy elsewhere still flushes in groups.
const GROUP_ASKS_MIN: usize = 16;
/// Wakes in one group: what is due because of the group leaves with it.
const GROUP_WAKES_MAX: u32 = 4;
/// A wake that did nothing and is due again at once waits this long.
const IDLE_WAKE_MS: Millis = 100;
/// Charged to a peer whose frame met a bug: more than any budget.
const BUG_POINTS: u32 = 10_000;
/// A call of the engine's door that takes longer is worth a line.
const SLOW: Duration = Duration::from_millis(20);
/// Undelivered frames that wait for the next group. The engine tries unanswered ones again by
/// itself, so one beyond this is only late.
const UNDELIVERED_MAX: usize = 4_096;
/// Time between looks at the disk.
const LOOK_MS: Millis = 2_000;
/// Time between asking the store for housekeeping.
const MAINTAIN_MS: Millis = 60_000;
/// Time between looks at a copy of the database that is under way.
const COPY_MS: Millis = 20;
/// The thread wakes up this often when nothing happens.
const IDLE_MS: Millis = 30_000;
/// Without anything to write for so long, a node comes to rest.
const REST_MS: Millis = if cfg!(test) { 50 } else { 3_000 };

/// What the engine's thread has around the store.
pub(crate) struct World {
    asks: mpsc::Receiver<Ask>,
    /// What groups before left to do: inputs that must not go through the channel, where the
    /// thread could wait for itself.
    local: VecDeque<Input>,
    network: Option<Box<dyn Network>>,
    cursor: watch::Sender<u64>,
    telling: Telling,
    clock: Clock,
    dice: Dice,
    settings: Settings,
    door: Door,
    next_wake: Option<Millis>,
    started: bool,
    next_reply: u64,
    deferred: Deferred,
}

impl World {
    pub(crate) fn new(
        asks: mpsc::Receiver<Ask>,
        cursor: watch::Sender<u64>,
        told: broadcast::Sender<Arc<Told>>,
        clock: Clock,
        settings: Settings,
        door: Door,
    ) -> Self {
        Self {
            asks,
            local: VecDeque::new(),
            network: None,
            cursor,
            telling: Telling::new(told),
            clock,
            dice: dice::dice(),
            settings,
            door,
            next_wake: None,
            started: false,
            next_reply: 0,
            deferred: Deferred::default(),
        }
    }

    fn due(&self) -> bool {
        self.started && self.next_wake.is_some_and(|at| at <= self.clock.now())
    }
}

/// What one group came to.
#[derive(Default)]
struct Group {
    outputs: Vec<Output>,
    replies: BTreeMap<u64, Reply>,
    queries: Vec<QueryFn>,
    compact: Vec<oneshot::Sender<()>>,
    /// Inputs that must not be lost if the disk turns out to be full.
    links: Deferred,
    asks: usize,
    bytes: usize,
    inputs: usize,
    stop: bool,
}

/// The engine's thread.
pub(crate) struct Core {
    pub(crate) store: Box<dyn Disk>,
    pub(crate) reopen: Box<dyn FnMut() -> Result<Box<dyn Disk>, String> + Send>,
    pub(crate) world: World,
    pub(crate) disk: Watermark,
    pub(crate) compactor: Compactor,
    pub(crate) disk_out: watch::Sender<DiskStatus>,
    pub(crate) timer: Runtime,
    pub(crate) looked_ms: Option<Millis>,
    pub(crate) maintained_ms: Option<Millis>,
    /// When something was last written, until the node is at rest.
    pub(crate) wrote_ms: Option<Millis>,
}

impl Core {
    /// Runs until asked to stop, or until it cannot go on.
    pub(crate) fn run(&mut self) -> Ended {
        loop {
            let more = match self.housekeeping() {
                Ok(more) => more,
                Err(end) => return end,
            };
            let first = match self.first(more) {
                Ok(first) => first,
                Err(end) => return end,
            };
            match self.group(first) {
                Ok(false) => {}
                Ok(true) => return Ended::Stopped,
                Err(end) => return end,
            }
        }
    }

    fn read_only(&self) -> bool {
        self.disk.status().read_only
    }

    /// Waits for something to do, not at all if there is `more` to do.
    fn first(&mut self, more: bool) -> Result<Option<Ask>, Ended> {
        let world = &mut self.world;
        match world.asks.try_recv() {
            Ok(ask) => return Ok(Some(ask)),
            // Nobody is left who could ask.
            Err(mpsc::error::TryRecvError::Disconnected) => return Err(Ended::Stopped),
            Err(mpsc::error::TryRecvError::Empty) => {}
        }
        let read_only = self.disk.status().read_only;
        let idle_ms = match (self.compactor.is_running(), read_only) {
            (true, _) => COPY_MS,
            (false, true) => LOOK_MS,
            (false, false) if self.wrote_ms.is_some() => REST_MS,
            (false, false) => IDLE_MS,
        };
        let wait_ms = match world.next_wake {
            Some(at) if world.started && !read_only => {
                at.saturating_sub(world.clock.now()).min(idle_ms)
            }
            _ => idle_ms,
        };
        if more || wait_ms == 0 || (!read_only && !world.local.is_empty()) {
            return Ok(None);
        }
        let wait = Duration::from_millis(wait_ms);
        let asks = &mut world.asks;
        match self
            .timer
            .block_on(async { tokio::time::timeout(wait, asks.recv()).await })
        {
            Ok(Some(ask)) => Ok(Some(ask)),
            Ok(None) => Err(Ended::Stopped),
            Err(_) => Ok(None),
        }
    }

    /// One group. True if it was the last one.
    fn group(&mut self, first: Option<Ask>) -> Result<bool, Ended> {
        let read_only = self.read_only();
        let collected = collect(&*self.store, &mut self.world, first, read_only);
        let (mut group, batch) = collected.map_err(|error| fatal(&error))?;
        let queries = std::mem::take(&mut group.queries);
        let stop = group.stop;
        let compact = std::mem::take(&mut group.compact);
        let wrote = !batch.is_empty();
        let applied = if wrote {
            self.store.apply(batch)
        } else {
            Ok(())
        };
        match applied {
            Ok(()) => {
                if wrote {
                    self.wrote_ms = Some(forward_ms());
                }
                let idle = !wrote && group.asks == 0 && group.inputs > 0;
                self.perform(group, idle);
            }
            Err(StoreError::Full) => {
                self.ran_out()?;
                self.world.deferred.add_all(group.links);
                for reply in group.replies.into_values() {
                    refuse(reply);
                }
            }
            Err(error) => return Err(fatal(&error)),
        }
        for query in queries {
            let store: &dyn Read = &*self.store;
            // Whoever asked sees that no answer came.
            if catch_unwind(AssertUnwindSafe(|| query(store))).is_err() {
                tracing::error!("a query met a bug");
            }
        }
        for reply in compact {
            self.compact()?;
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
        Ok(stop)
    }

    fn perform(&mut self, mut group: Group, idle: bool) {
        let world = &mut self.world;
        let notified = |output: &Output| match output {
            Output::Notify { cursor } => Some(*cursor),
            _ => None,
        };
        if let Some(newest) = group.outputs.iter().filter_map(notified).max() {
            world.telling.tell(&*self.store, newest);
        }
        let undelivered = perform::outputs(
            std::mem::take(&mut group.outputs),
            &mut group.replies,
            world.network.as_deref(),
            &world.cursor,
        );
        let room = UNDELIVERED_MAX.saturating_sub(world.local.len());
        world.local.extend(undelivered.into_iter().take(room));
        if idle && world.due() {
            world.next_wake = Some(world.clock.now() + IDLE_WAKE_MS);
        }
    }

    /// The disk had no room for a batch: releases the reserve and goes on reading.
    pub(crate) fn ran_out(&mut self) -> Result<(), Ended> {
        tracing::warn!("the disk is full: reading works, writing is refused");
        // sled fails for good once it failed; what it acknowledged is there when opened anew.
        self.close();
        self.disk.ran_out();
        self.open("the disk is full and the store does not open again")?;
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.disk_out.send_replace(self.disk.status());
    }

    /// Looks at the disk and the store from time to time. True if there is more to do at once.
    fn housekeeping(&mut self) -> Result<bool, Ended> {
        self.look_at_copy()?;
        let now_ms = forward_ms();
        let since = |at: Option<Millis>| at.map_or(Millis::MAX, |at| now_ms.saturating_sub(at));
        if since(self.looked_ms) >= LOOK_MS {
            self.looked_ms = Some(now_ms);
            self.look();
        }
        if self.read_only() {
            return Ok(false);
        }
        if self.wrote_ms.is_some_and(|at| since(Some(at)) >= REST_MS) {
            self.rest(now_ms)?;
        }
        if since(self.maintained_ms) < MAINTAIN_MS {
            return Ok(false);
        }
        match self.store.maintain(secs(self.world.clock.now())) {
            Ok(true) => Ok(true),
            Ok(false) => {
                self.maintained_ms = Some(now_ms);
                self.compact_bloated()?;
                Ok(false)
            }
            Err(StoreError::Full) => {
                self.ran_out()?;
                Ok(false)
            }
            Err(error) => Err(fatal(&error)),
        }
    }

    /// Gives memory back after work.
    fn rest(&mut self, now_ms: Millis) -> Result<(), Ended> {
        match self.store.rest() {
            Ok(Rest::Later) => self.wrote_ms = Some(now_ms),
            Ok(Rest::Anew) => {
                self.wrote_ms = Some(now_ms);
                self.close();
                // Should there be no room for it, the reserve gives it.
                if self.open("the store does not open again").is_err() {
                    self.ran_out()?;
                }
            }
            Ok(Rest::Done) => {
                self.wrote_ms = None;
                // What was freed some time ago goes back to the system when a thread ends.
                if let Ok(thread) = std::thread::Builder::new().spawn(|| {}) {
                    let _ = thread.join();
                }
            }
            Err(StoreError::Full) => self.ran_out()?,
            Err(error) => return Err(fatal(&error)),
        }
        Ok(())
    }

    fn look(&mut self) {
        match self.disk.look(self.store.used_bytes().ok()) {
            Err(error) => tracing::warn!(kind = %error.kind(), "the disk cannot be looked at"),
            Ok(false) => {}
            Ok(true) if self.read_only() => {
                tracing::warn!("the disk is nearly full: reading works, writing is refused");
            }
            Ok(true) => {
                tracing::info!("there is room on the disk again");
                let world = &mut self.world;
                world.local.extend(world.deferred.take());
                world.next_wake = Some(world.clock.now());
            }
        }
        self.publish();
    }
}

pub(crate) fn fatal(error: &StoreError) -> Ended {
    Ended::Failed(error.to_string())
}

/// Runs a group's inputs on one transaction.
fn collect(
    store: &dyn Read,
    world: &mut World,
    first: Option<Ask>,
    read_only: bool,
) -> Result<(Group, Batch), StoreError> {
    let began = Instant::now();
    let mut tx = Tx::new(store);
    let mut group = Group::default();
    if !read_only {
        for _ in 0..GROUP_LOCAL_MAX {
            let Some(input) = world.local.pop_front() else {
                break;
            };
            group.links.add(&input);
            handle(&mut tx, world, &mut group, input)?;
        }
    }
    let mut next = first;
    while let Some(ask) = next.take() {
        group.asks += 1;
        take(&mut tx, world, &mut group, ask, read_only)?;
        let full = group.asks >= GROUP_ASKS_MAX
            || group.bytes >= GROUP_BYTES_MAX
            || (group.asks >= GROUP_ASKS_MIN && began.elapsed() >= GROUP_TIME_MAX);
        if full || group.stop {
            break;
        }
        next = world.asks.try_recv().ok();
    }
    if !read_only {
        for _ in 0..GROUP_WAKES_MAX {
            if !world.due() {
                break;
            }
            world.next_wake = None;
            handle(&mut tx, world, &mut group, Input::Wake)?;
        }
    }
    Ok((group, tx.into_batch()))
}

fn take(
    tx: &mut Tx<'_>,
    world: &mut World,
    group: &mut Group,
    ask: Ask,
    read_only: bool,
) -> Result<(), StoreError> {
    match ask {
        Ask::Input(input) if read_only => world.deferred.add(&input),
        Ask::Input(input) => {
            group.links.add(&input);
            handle(tx, world, group, input)?;
        }
        Ask::Command { reply, .. } if read_only => refuse(reply),
        Ask::Command {
            key,
            command,
            reply,
        } => {
            let reply_to = world.next_reply;
            world.next_reply += 1;
            group.replies.insert(reply_to, reply);
            let input = Input::Command {
                reply_to,
                key,
                command,
            };
            handle(tx, world, group, input)?;
        }
        Ask::Query(query) => group.queries.push(query),
        // Without an answer it is refused.
        Ask::Compact(_) if read_only => {}
        Ask::Compact(reply) => group.compact.push(reply),
        Ask::Network(network) => world.network = Some(network),
        Ask::Stop => group.stop = true,
    }
    Ok(())
}

fn handle(
    tx: &mut Tx<'_>,
    world: &mut World,
    group: &mut Group,
    input: Input,
) -> Result<(), StoreError> {
    group.inputs += 1;
    if let Input::Frame { bytes, .. } = &input {
        group.bytes += bytes.len();
    }
    world.started |= matches!(input, Input::Start { .. });
    let kind = kind(&input);
    let began = Instant::now();
    let mut moment = Moment {
        now: world.clock.now(),
        rng: &mut world.dice,
        settings: &world.settings,
    };
    let outputs = match &input {
        Input::Frame { from, .. } => {
            let from = *from;
            guarded(tx, world.door, &mut moment, input, from)?
        }
        _ => (world.door)(tx, &mut moment, input)?,
    };
    let took = began.elapsed();
    if took > SLOW {
        tracing::debug!(kind, ms = took.as_millis() as u64, "a slow step");
    }
    for output in outputs {
        match output {
            Output::WakeAt(at) => {
                world.next_wake = Some(world.next_wake.map_or(at, |known| known.min(at)));
            }
            other => group.outputs.push(other),
        }
    }
    Ok(())
}

/// A frame runs on a transaction of its own: one that meets a bug is dropped with all it wrote, and
/// costs its sender the connection, not us the node.
fn guarded(
    tx: &mut Tx<'_>,
    door: Door,
    moment: &mut Moment<'_>,
    input: Input,
    from: Peer,
) -> Result<Vec<Output>, StoreError> {
    let mut inner = Tx::new(tx);
    let met = catch_unwind(AssertUnwindSafe(|| door(&mut inner, moment, input)));
    match met {
        Ok(outputs) => {
            let batch = inner.into_batch();
            tx.absorb(batch);
            outputs
        }
        Err(_) => {
            tracing::error!("a frame met a bug and was dropped");
            Ok(vec![Output::Penalty {
                peer: from,
                points: BUG_POINTS,
            }])
        }
    }
}

/// Whoever asked may have gone; then nobody needs to know.
fn refuse(reply: Reply) {
    let _ = reply.send(Err(EngineError::ReadOnly));
}

/// What an input is, without anything of what is in it.
fn kind(input: &Input) -> &'static str {
    match input {
        Input::Start { .. } => "start",
        Input::Listening { .. } => "listening",
        Input::Command { .. } => "command",
        Input::Frame { .. } => "frame",
        Input::Up { .. } => "up",
        Input::Down { .. } => "down",
        Input::DialFailed { .. } => "dial_failed",
        Input::Undelivered { .. } => "undelivered",
        Input::Wake => "wake",
    }
}

#[cfg(test)]
mod full;
#[cfg(test)]
mod tests;
