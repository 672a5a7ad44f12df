//! Doing what the engine wants done, after the commit is durable.

use crate::runtime::{Network, Reply};
use std::collections::BTreeMap;
use tokio::sync::watch;
use waxwing_protocol::input::{Input, SendError};
use waxwing_protocol::output::Output;

/// Performs a group's outputs in order. Returns what the engine has to hear in the next group:
/// frames that were not sent.
pub(crate) fn outputs(
    outputs: Vec<Output>,
    replies: &mut BTreeMap<u64, Reply>,
    network: Option<&dyn Network>,
    cursor: &watch::Sender<u64>,
) -> Vec<Input> {
    let mut undelivered = Vec::new();
    for output in outputs {
        match output {
            Output::Reply { reply_to, result } => {
                if let Some(reply) = replies.remove(&reply_to) {
                    // Whoever asked may have gone; the command took effect all the same.
                    let _ = reply.send(Ok(result));
                }
            }
            Output::Send { to, id, bytes } => {
                let sent = match network {
                    Some(network) => network.send(to, id, bytes),
                    None => Err(SendError::NotConnected),
                };
                if let Err(why) = sent {
                    undelivered.push(Input::Undelivered { to, id, why });
                }
            }
            Output::Dial { peer, addrs } => {
                if let Some(network) = network {
                    network.dial(peer, addrs);
                }
            }
            Output::Notify { cursor: newest } => {
                cursor.send_if_modified(|known| {
                    let newer = newest > *known;
                    *known = newest.max(*known);
                    newer
                });
            }
            Output::Penalty { peer, points } => {
                if let Some(network) = network {
                    network.penalty(peer, points);
                }
            }
            // A time is taken note of when the engine names it, before the commit.
            Output::WakeAt(_) => {}
        }
    }
    undelivered
}
