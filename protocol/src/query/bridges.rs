//! Bridges: those where we keep a mailbox, and this node as one for others.

use super::{BridgeView, HostView};
use crate::store::{Read, StoreError};
use alloc::vec::Vec;

/// The bridges at which we keep a mailbox, in the order in which they were added.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn bridges(_store: &dyn Read) -> Result<Vec<BridgeView>, StoreError> {
    Ok(Vec::new())
}

/// This node as a bridge, once it was started as one.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn bridge(_store: &dyn Read) -> Result<Option<HostView>, StoreError> {
    Ok(None)
}
