//! The engine's thread: one owner of the engine and its store.

use tokio::sync::{mpsc, oneshot, watch};
use waxwing_protocol::input::{Command, Input};
use waxwing_protocol::output::{Answer, Refusal};
use waxwing_protocol::store::{Read, StoreError};

/// A query runs on the engine's thread between groups.
pub type QueryFn = Box<dyn FnOnce(&dyn Read) + Send>;

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
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// A read.
    Query(QueryFn),
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

/// How tasks talk to the engine. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    asks: mpsc::Sender<Ask>,
    cursor: watch::Receiver<u64>,
}

impl EngineHandle {
    /// A handle from its parts.
    pub fn new(asks: mpsc::Sender<Ask>, cursor: watch::Receiver<u64>) -> Self {
        Self { asks, cursor }
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
        let ask = Ask::Command {
            key,
            command,
            reply,
        };
        self.asks.send(ask).await.map_err(|_| EngineError::Gone)?;
        answer.await.map_err(|_| EngineError::Gone)
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
        self.asks
            .send(Ask::Query(run))
            .await
            .map_err(|_| EngineError::Gone)?;
        Ok(answer.await.map_err(|_| EngineError::Gone)??)
    }

    /// Reports something that happened; waits while the engine's queue is full.
    ///
    /// # Errors
    /// [`EngineError::Gone`] if the engine has ended.
    pub async fn input(&self, input: Input) -> Result<(), EngineError> {
        self.asks
            .send(Ask::Input(input))
            .await
            .map_err(|_| EngineError::Gone)
    }

    /// The newest cursor of the change log, and word of every newer one.
    pub fn cursor(&self) -> watch::Receiver<u64> {
        self.cursor.clone()
    }
}
