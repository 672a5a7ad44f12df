//! How a letter came: over a connection, or through a bridge.

use super::penalise;
use crate::id::{DeviceId, Peer};
use crate::identity::contact::{self, ContactNo, INVITER};
use crate::limits::{MAIL_RECEIPT_REPEAT_MS, RECEIPT_REPEAT_MS};
use crate::outbox::{self, Cx};
use crate::store::StoreError;
use crate::time::Millis;

/// How a letter came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    /// Over a connection with this peer.
    Link(&'a Peer),
    /// From a mailbox of ours, under a tag of this device.
    Mail(ContactNo, &'a DeviceId),
}

impl Way<'_> {
    /// The peer that brought it.
    pub(super) fn peer(&self) -> Option<Peer> {
        match self {
            Self::Link(peer) => Some(**peer),
            Self::Mail(..) => None,
        }
    }

    /// Charges whoever brought it; a bridge cannot know what it brings.
    pub(super) fn penalise(&self, cx: &mut Cx<'_, '_, '_>, points: u32) {
        if let Self::Link(peer) = self {
            penalise(cx, peer, points);
        }
    }

    /// The contact's device that it must be from.
    pub(super) fn device(
        &self,
        cx: &Cx<'_, '_, '_>,
    ) -> Result<Option<(ContactNo, DeviceId)>, StoreError> {
        match self {
            Self::Link(peer) => {
                let whose = contact::by_peer(cx.tx, peer)?;
                Ok(whose.filter(|(_, device)| *device != INVITER))
            }
            Self::Mail(no, device) => Ok(Some((*no, **device))),
        }
    }

    /// Whether a receipt that went at a time need not go again. One that went to an earlier
    /// connection may have ended with it; two bridges bring every letter twice.
    pub(super) fn receipted_lately(
        &self,
        cx: &Cx<'_, '_, '_>,
        at: Millis,
    ) -> Result<bool, StoreError> {
        let ago = cx.at.now.saturating_sub(at);
        match self {
            Self::Link(peer) => {
                let since = outbox::online_since(cx.tx, peer)?.unwrap_or(0);
                Ok(ago < RECEIPT_REPEAT_MS && at >= since)
            }
            Self::Mail(..) => Ok(ago < MAIL_RECEIPT_REPEAT_MS),
        }
    }
}
