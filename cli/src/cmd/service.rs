//! What a service manager is told while a node runs: `sd_notify(3)`. Without one, nothing.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio::task::JoinHandle;
use waxwing_node::runtime::EngineHandle;
use waxwing_protocol::query;

/// Tells that the node is ready, and from then on that its engine answers, as often as the manager
/// wants to hear it. Dropped, it falls silent.
pub struct Service(Option<JoinHandle<()>>);

impl Service {
    /// The node is ready.
    pub fn ready(engine: EngineHandle) -> Self {
        tell(&[NotifyState::Ready]);
        let watch = sd_notify::watchdog_enabled().map(|every| tokio::spawn(watch(every, engine)));
        Self(watch)
    }

    /// The node ends. What that takes is the manager's own timeout, not the watchdog's: it is heard
    /// until then.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.abort();
        }
    }
}

/// Twice in the time that the manager waits, and each time only if the engine answers.
async fn watch(every: Duration, engine: EngineHandle) {
    let half = every / 2;
    loop {
        let asked = tokio::time::timeout(half, engine.query(query::me));
        if matches!(asked.await, Ok(Ok(_))) {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(half / 2).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // A manager that does not hear it ends the node by its own timeout.
    let _ = sd_notify::notify(state);
}
