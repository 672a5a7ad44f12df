//! Items: what is queued for a device, and where its outbox stands.

use super::Cx;
use crate::feed::body::{Body, TypedBody};
use crate::id::{B32, DeviceId, Mid, SessionId};
use crate::identity::contact::{ContactNo, device_scope};
use crate::limits::LETTER_LIFE_MS;
use crate::session::Letter;
use crate::store::{Key, ReadExt, Span, StoreError, Table, suffix_u64};
use crate::time::{Millis, Secs};
use crate::wire::codec::Blob;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Sequence numbers begin here, so that an item can go before all others.
const FIRST_SEQ: u64 = 1 << 32;

/// What an item says.
#[derive(Clone, Debug, Encode, Decode)]
pub enum What {
    /// A message of the conversation, at its place.
    #[n(0)]
    Message {
        /// Order key.
        #[n(0)]
        order: Blob,
    },
    /// A body of its own.
    #[n(1)]
    Body {
        /// The body.
        #[n(0)]
        body: TypedBody,
        /// Clock, if it belongs to the conversation.
        #[n(1)]
        clock: Option<Millis>,
    },
    /// Whatever is true of us when it is sealed: profile, addresses, bundle, lists.
    #[n(2)]
    Current {
        /// Type of the body.
        #[n(0)]
        kind: u16,
        /// A note, in the profile of a first letter.
        #[n(1)]
        note: Option<String>,
    },
    /// The edit of a message of the conversation that has the item's id, while it stands.
    #[n(3)]
    Edit {
        /// Order key of the message.
        #[n(0)]
        order: Blob,
    },
}

/// A sealed letter.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Sealed {
    /// On which session.
    #[n(0)]
    pub session: SessionId,
    /// The letter.
    #[n(1)]
    pub letter: Letter,
    /// When.
    #[n(2)]
    pub at: Millis,
}

/// One item.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Item {
    /// Message id; the receipt names it.
    #[n(0)]
    pub mid: Mid,
    /// What it says.
    #[n(1)]
    pub what: What,
    /// When it was queued.
    #[n(2)]
    pub queued_at: Millis,
    /// Its letter, once sealed.
    #[n(3)]
    pub sealed: Option<Sealed>,
    /// When it was last written to a connection.
    #[n(4)]
    pub last_sent: Option<Millis>,
    /// How often it was written.
    #[n(5)]
    pub sends: u32,
    /// Its copies at bridges.
    #[n(6)]
    #[cbor(default)]
    pub copies: Vec<Copy>,
}

/// A copy of a letter on its way to a bridge, or there.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Copy {
    /// Where the recipient keeps a mailbox.
    #[n(0)]
    pub bridge: B32,
    /// How far it is.
    #[n(1)]
    pub at: Millis,
    /// Where it stands since then.
    #[n(2)]
    pub stands: Stands,
    /// Refusals in a row.
    #[n(3)]
    pub refusals: u32,
}

/// Where a copy stands.
#[derive(Clone, core::marker::Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Stands {
    /// Its box was written to a connection; no word yet.
    #[n(0)]
    Flying,
    /// A bridge promised to hand it on until then: unix seconds.
    #[n(1)]
    Queued(#[n(0)] Secs),
    /// The recipient's bridge holds it until then: unix seconds.
    #[n(2)]
    Held(#[n(0)] Secs),
    /// It was not taken; try again at this time.
    #[n(3)]
    Refused(#[n(0)] Millis),
}

impl Item {
    /// It says nothing but that letters arrived: nobody receipts it.
    pub fn is_receipt(&self) -> bool {
        match &self.what {
            What::Body { body, .. } => Body::open(body).is_ok_and(|body| !body.wants_receipt()),
            _ => false,
        }
    }

    /// When it is given up.
    pub fn dies(&self) -> Millis {
        self.sealed.as_ref().map_or(self.queued_at, |s| s.at) + LETTER_LIFE_MS
    }
}

/// Where the outbox of a device stands.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct OutState {
    /// Next sequence number.
    #[n(0)]
    pub next: u64,
    /// Next item to write to the current connection.
    #[n(1)]
    pub cursor: u64,
    /// Items before the cursor: written, not receipted.
    #[n(2)]
    pub flying: u32,
    /// All items.
    #[n(3)]
    pub waiting: u64,
    /// Tries since the last sign of life.
    #[n(4)]
    pub tries: u32,
    /// When the device is looked after next.
    #[n(5)]
    pub attend_at: Option<Millis>,
    /// Unsealed items that say something current: type and sequence number.
    #[n(6)]
    pub current: Vec<(u16, u64)>,
    /// Items before this one have been given to all of the device's bridges.
    #[n(7)]
    #[cbor(default)]
    pub deposited: u64,
    /// When letters are given to bridges next.
    #[n(8)]
    pub deposit_at: Option<Millis>,
}

/// Where an item is stored.
pub(super) fn item_key(no: ContactNo, device: &DeviceId, seq: u64) -> Key {
    Key::new(Table::Outbox, device_scope(no, device), seq.to_be_bytes())
}

pub(super) fn mid_key(no: ContactNo, device: &DeviceId, mid: &Mid) -> Key {
    Key::one(
        Table::OutboxByMid,
        [&device_scope(no, device)[..], &mid.0].concat(),
    )
}

pub(super) fn state_key(no: ContactNo, device: &DeviceId) -> Key {
    Key::one(Table::OutboxState, device_scope(no, device))
}

/// Where the outbox of a device stands.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn state(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    device: &DeviceId,
) -> Result<OutState, StoreError> {
    let fresh = || OutState {
        next: FIRST_SEQ,
        cursor: FIRST_SEQ,
        ..OutState::default()
    };
    Ok(store.row(&state_key(no, device))?.unwrap_or_else(fresh))
}

/// The item of a message to a device, while it waits.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn find(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    device: &DeviceId,
    mid: &Mid,
) -> Result<Option<Item>, StoreError> {
    match store.row::<u64>(&mid_key(no, device, mid))? {
        Some(seq) => store.row(&item_key(no, device, seq)),
        None => Ok(None),
    }
}

pub(super) fn put_item(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    seq: u64,
    item: &Item,
) {
    cx.tx.put(item_key(no, device, seq), item);
}

pub(super) fn put_state(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &OutState,
) {
    cx.tx.put(state_key(no, device), state);
}

/// Items from a sequence number on, at most `limit`.
pub(super) fn items(
    cx: &Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Item)>, StoreError> {
    // Most often it is the one that was just queued.
    let next = state(cx.tx, no, device)?.next;
    if from.saturating_add(1) == next
        && let Some(item) = cx.tx.row(&item_key(no, device, from))?
    {
        return Ok(alloc::vec![(from, item)]);
    }
    if from >= next {
        return Ok(Vec::new());
    }
    let span = Span::all(Table::Outbox, device_scope(no, device), limit).from(from.to_be_bytes());
    let rows = cx.tx.rows::<Item>(&span)?;
    Ok(rows
        .into_iter()
        .map(|(suffix, item)| (suffix_u64(&suffix), item))
        .collect())
}

/// Forgets an item, whatever came of it.
pub(super) fn drop_item(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
    seq: u64,
    item: &Item,
) {
    cx.tx.delete(item_key(no, device, seq));
    cx.tx.delete(mid_key(no, device, &item.mid));
    state.waiting = state.waiting.saturating_sub(1);
    if seq < state.cursor {
        state.flying = state.flying.saturating_sub(1);
    }
    state.current.retain(|(_, queued)| *queued != seq);
}
