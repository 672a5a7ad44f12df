//! Bridges: those where we keep a mailbox, and this node as one for others.

use super::{BridgeState, BridgeView, HostView};
use crate::mailbox::client::{self, Stage};
use crate::mailbox::{descriptor, host, known};
use crate::outbox;
use crate::store::{Read, StoreError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The bridges at which we keep a mailbox, in the order in which they were added.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn bridges(store: &dyn Read) -> Result<Vec<BridgeView>, StoreError> {
    let run = outbox::starts(store)?;
    let mut views = Vec::new();
    for row in client::list(store)? {
        let Some(said) = known::descriptor(store, &row.bridge)? else {
            continue;
        };
        let open = row.live.run == run && row.live.stage == Stage::Open;
        let state = match (row.leaving, open) {
            (Some(_), _) => BridgeState::Leaving,
            (None, true) => BridgeState::Connected,
            (None, false) => BridgeState::Connecting,
        };
        views.push(BridgeView {
            bridge: row.bridge,
            operator: said.name,
            country: said.country,
            roles: said.roles,
            addrs: said.addrs,
            state,
            last_seen: row.last_seen,
            collected: row.collected,
            held: row.held,
            trouble: row.trouble,
        });
    }
    Ok(views)
}

/// This node as a bridge, once it was started as one. `quota_bytes` is the shell's to fill in.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn bridge(store: &dyn Read) -> Result<Option<HostView>, StoreError> {
    let Some(own) = host::own(store)? else {
        return Ok(None);
    };
    let counts = host::counts(store)?;
    let refused = counts.refused.iter();
    let mut refused: Vec<(String, u64)> = refused
        .map(|(why, count)| (format!("{why:?}").to_lowercase(), *count))
        .collect();
    if counts.not_here > 0 {
        refused.push(("not_here".into(), counts.not_here));
    }
    Ok(Some(HostView {
        bridge: own.key.public(),
        descriptor: own
            .descriptor
            .as_ref()
            .map(descriptor::to_text)
            .unwrap_or_default(),
        mailboxes: counts.mailboxes,
        tags: counts.tags,
        blocks: counts.blocks,
        bytes: counts.bytes,
        quota_bytes: 0,
        oldest: None,
        deposits: counts.deposits,
        collects: counts.collects,
        forwards: counts.forwards,
        queued: counts.queued,
        refused,
    }))
}
