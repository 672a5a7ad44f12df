//! The engine's thread, and how the rest of the node talks to it: one owner of the engine and its
//! store, and bounded channels between.

use crate::clock::Clock;
use crate::compacting::{Compaction, Compactor};
use crate::disk::{DiskStatus, Watermark};
use crate::group::{Core, World};
use crate::store::Disk;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use waxwing_protocol::id::Peer;
use waxwing_protocol::input::{Command, Input, Moment, SendError, Settings};
use waxwing_protocol::output::{Answer, Output, Refusal};
use waxwing_protocol::query::ChangeView;
use waxwing_protocol::store::{Read, StoreError, Tx};

/// Asks that wait for the engine. Beyond it the askers wait: two groups' worth, so that the next
/// group is complete while one is being flushed.
const ASKS_MAX: usize = 1_024;
/// Groups of changes that a listener may fall behind before it has to read by itself.
const TOLD_MAX: usize = 16;
/// The engine's stack: decoding recurses a few levels, the post-quantum keys are large.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// Where a command's answer goes.
pub type Reply = oneshot::Sender<Result<Result<Answer, Refusal>, EngineError>>;

/// A query runs on the engine's thread between groups.
pub type QueryFn = Box<dyn FnOnce(&dyn Read) + Send>;

/// The door of the engine, as [`waxwing_protocol::engine::handle`].
pub(crate) type Door = fn(&mut Tx<'_>, &mut Moment<'_>, Input) -> Result<Vec<Output>, StoreError>;

/// The network, as the engine's thread sees it. No call may block.
pub trait Network: Send {
    /// Queues a frame on the connection to a peer.
    ///
    /// # Errors
    /// [`SendError`] if it was not queued.
    fn send(&self, to: Peer, id: u64, bytes: Vec<u8>) -> Result<(), SendError>;

    /// Connects to a peer unless connected; failure comes back as [`Input::DialFailed`].
    fn dial(&self, peer: Peer, addrs: Vec<String>);

    /// Charges a peer's budget.
    fn penalty(&self, peer: Peer, points: u32);
}

/// What the engine's thread is asked.
pub enum Ask {
    /// Something happened.
    Input(Input),
    /// A command with its answer.
    Command {
        /// Idempotency key.
        key: Option<String>,
        /// The wish.
        command: Command,
        /// Where the answer goes.
        reply: Reply,
    },
    /// A read.
    Query(QueryFn),
    /// Compact the database; answered when that has begun.
    Compact(oneshot::Sender<()>),
    /// From now on, this is the network.
    Network(Box<dyn Network>),
    /// End, once everything asked before is done.
    Stop,
}

/// Why the engine gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine's thread has ended.
    #[error("the node is shutting down")]
    Gone,
    /// The disk is nearly full: reading works, writing does not.
    #[error("the disk is full")]
    ReadOnly,
    /// The store failed while reading.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes of a group, as they are shown to every client that listens.
pub struct Told {
    /// They come after this cursor …
    pub after: u64,
    /// … and reach up to this one.
    pub upto: u64,
    /// In the order of their cursors. Changes whose objects are gone are not among them.
    pub rows: Vec<ChangeView>,
}

/// How tasks talk to the engine. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    asks: mpsc::Sender<Ask>,
    cursor: watch::Receiver<u64>,
    told: broadcast::Sender<Arc<Told>>,
    disk: watch::Receiver<DiskStatus>,
    compaction: watch::Receiver<Compaction>,
}

impl EngineHandle {
    /// A handle from its parts, with a disk that never fills.
    pub fn new(asks: mpsc::Sender<Ask>, cursor: watch::Receiver<u64>) -> Self {
        let (_, disk) = watch::channel(DiskStatus::default());
        let (told, _) = broadcast::channel(TOLD_MAX);
        let (_, compaction) = watch::channel(Compaction::default());
        Self {
            asks,
            cursor,
            told,
            disk,
            compaction,
        }
    }

    /// Runs a command and waits until its effect is durable.
    ///
    /// # Errors
    /// [`EngineError`] if the engine is gone or cannot write.
    pub async fn command(
        &self,
        key: Option<String>,
        command: Command,
    ) -> Result<Result<Answer, Refusal>, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Command {
            key,
            command,
            reply,
        })
        .await?;
        answer.await.map_err(|_| EngineError::Gone)?
    }

    /// Reads on the engine's thread.
    ///
    /// # Errors
    /// [`EngineError`] if the engine is gone or the disk fails.
    pub async fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Read) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let run: QueryFn = Box::new(move |store| {
            let _ = reply.send(read(store));
        });
        self.ask(Ask::Query(run)).await?;
        Ok(answer.await.map_err(|_| EngineError::Gone)??)
    }

    /// Reports something that happened; waits while the engine's queue is full.
    ///
    /// # Errors
    /// [`EngineError::Gone`] if the engine has ended.
    pub async fn input(&self, input: Input) -> Result<(), EngineError> {
        self.ask(Ask::Input(input)).await
    }

    /// The newest cursor of the change log, and word of every newer one.
    pub fn cursor(&self) -> watch::Receiver<u64> {
        self.cursor.clone()
    }

    /// The changes themselves, right behind the commit that made them. A listener that is slow, or
    /// that is told of a gap, reads on from its cursor by itself.
    pub fn told(&self) -> broadcast::Receiver<Arc<Told>> {
        self.told.subscribe()
    }

    /// How the disk was doing when the engine last looked: two seconds ago while there is work,
    /// half a minute at most.
    pub fn disk(&self) -> DiskStatus {
        *self.disk.borrow()
    }

    /// Begins to compact the database, unless that is under way.
    ///
    /// # Errors
    /// [`EngineError`] if the engine is gone or cannot write.
    pub async fn compact(&self) -> Result<Compaction, EngineError> {
        let (reply, begun) = oneshot::channel();
        self.ask(Ask::Compact(reply)).await?;
        begun.await.map_err(|_| {
            if self.disk().read_only {
                EngineError::ReadOnly
            } else {
                EngineError::Gone
            }
        })?;
        Ok(self.compaction())
    }

    /// How the compaction of the database stands, or the last one of this run ended.
    pub fn compaction(&self) -> Compaction {
        self.compaction.borrow().clone()
    }

    /// Gives the engine a network, in place of the one before.
    pub(crate) async fn attach(&self, network: Box<dyn Network>) -> Result<(), EngineError> {
        self.ask(Ask::Network(network)).await
    }

    /// Asks in the queue, for tests that wait until everybody has asked.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        self.asks.max_capacity() - self.asks.capacity()
    }

    async fn ask(&self, ask: Ask) -> Result<(), EngineError> {
        self.asks.send(ask).await.map_err(|_| EngineError::Gone)
    }
}

/// How the engine's thread ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// It could not go on; why, in one sentence.
    Failed(String),
}

/// Everything that an engine's thread begins with.
pub(crate) struct Setup {
    pub(crate) store: Box<dyn Disk>,
    /// Opens the store anew after it failed on a full disk and the reserve was released.
    pub(crate) reopen: Box<dyn FnMut() -> Result<Box<dyn Disk>, String> + Send>,
    pub(crate) disk: Watermark,
    pub(crate) settings: Settings,
    pub(crate) door: Door,
    /// Dropped last, when the store is closed: the lock of the home.
    pub(crate) keep: Box<dyn Any + Send>,
}

/// A running engine.
pub(crate) struct Engine {
    pub(crate) handle: EngineHandle,
    ended: watch::Receiver<Option<Ended>>,
    thread: thread::JoinHandle<()>,
}

impl Engine {
    /// Starts the thread. Nothing happens on it until it is asked.
    pub(crate) fn spawn(setup: Setup) -> io::Result<Self> {
        let timer = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (cursor_out, cursor) = watch::channel(0);
        let (disk_out, disk) = watch::channel(setup.disk.status());
        let (told, _) = broadcast::channel(TOLD_MAX);
        let (compaction_out, compaction) = watch::channel(Compaction::default());
        let (ended_out, ended) = watch::channel(None);
        let keep = setup.keep;
        let mut core = Core {
            store: setup.store,
            reopen: setup.reopen,
            world: World::new(
                asked,
                cursor_out,
                told.clone(),
                Clock::start(),
                setup.settings,
                setup.door,
            ),
            disk: setup.disk,
            compactor: Compactor::new(compaction_out),
            disk_out,
            timer,
            looked_ms: None,
            maintained_ms: None,
            wrote_ms: None,
        };
        let run = move || {
            let end = catch_unwind(AssertUnwindSafe(|| core.run()))
                .unwrap_or_else(|_| Ended::Failed("the engine met a bug and stopped".into()));
            if let Ended::Failed(why) = &end {
                tracing::error!(%why, "the engine has ended");
            }
            // Closing sled may find the failure again, loudly.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(core)));
            drop(keep);
            ended_out.send_replace(Some(end));
        };
        let thread = thread::Builder::new()
            .name("engine".into())
            .stack_size(STACK_BYTES)
            .spawn(run)?;
        let handle = EngineHandle {
            asks,
            cursor,
            told,
            disk,
            compaction,
        };
        Ok(Self {
            handle,
            ended,
            thread,
        })
    }

    /// Resolves when the thread has ended, with how.
    pub(crate) fn ended(&self) -> impl Future<Output = Ended> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(end) => end.clone().unwrap_or(Ended::Stopped),
                Err(_) => Ended::Failed("the engine's thread vanished".into()),
            }
        }
    }

    /// Ends the thread once everything asked so far is durable, and waits for it.
    pub(crate) async fn stop(self) -> Ended {
        // A thread that has ended already cannot be asked, and need not.
        let _ = self.handle.ask(Ask::Stop).await;
        let end = self.ended().await;
        // It has said its last word; what is left of it takes no time.
        let _ = self.thread.join();
        end
    }
}
