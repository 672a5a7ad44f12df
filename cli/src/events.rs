//! Waiting for changes without missing one.

use crate::client::{Client, EventStream};
use crate::error::{CliError, Kind};
use std::time::Duration;
use waxwing_node::api::model::{Event, Status};

/// A broken stream is picked up again this often before giving up …
const RECONNECTS_MAX: u32 = 20;
/// … with this pause before each try: in all, long enough for a node to restart.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// A place in the change log. A connection that breaks is made anew from the same place.
pub struct Subscription {
    client: Client,
    stream: EventStream,
    cursor: u64,
}

/// One change, with the line it came as.
#[derive(Debug)]
pub struct Heard {
    /// The change.
    pub event: Event,
    /// Its JSON, unchanged.
    pub raw: String,
}

impl Subscription {
    /// From the present on: whatever happens after this call returns will be heard.
    ///
    /// # Errors
    /// [`CliError`] if the node is not there.
    pub async fn now(client: &Client) -> Result<Self, CliError> {
        let status: Status = client.get("/v1/status").await?;
        Self::after(client, status.cursor).await
    }

    /// From a cursor on.
    ///
    /// # Errors
    /// [`CliError`] if the node is not there, or the log no longer reaches back.
    pub async fn after(client: &Client, cursor: u64) -> Result<Self, CliError> {
        Ok(Self {
            client: client.clone(),
            stream: client.events(cursor).await?,
            cursor,
        })
    }

    /// The next change.
    ///
    /// # Errors
    /// [`CliError`] if the node went away for good.
    pub async fn next(&mut self) -> Result<Heard, CliError> {
        loop {
            let Some(heard) = self.stream.next().await else {
                self.reconnect().await?;
                continue;
            };
            if heard.event == "resync" {
                return Err(resync());
            }
            // What this version cannot read is passed over, but its place is kept.
            if let Some(cursor) = heard.id.and_then(|id| id.parse().ok()) {
                self.cursor = cursor;
            }
            if let Ok(event) = serde_json::from_str::<Event>(&heard.data) {
                return Ok(Heard {
                    event,
                    raw: heard.data,
                });
            }
        }
    }

    async fn reconnect(&mut self) -> Result<(), CliError> {
        let mut tries = 1;
        loop {
            tokio::time::sleep(RECONNECT_PAUSE).await;
            match self.client.events(self.cursor).await {
                Ok(stream) => {
                    self.stream = stream;
                    return Ok(());
                }
                Err(error) if error.kind != Kind::Unreachable || tries >= RECONNECTS_MAX => {
                    return Err(error);
                }
                Err(_) => tries += 1,
            }
        }
    }
}

fn resync() -> CliError {
    CliError::failed(
        "resync",
        "the change log does not reach back to that cursor",
    )
    .hint("read what you need anew and go on from the cursor of `waxwing status`")
}
