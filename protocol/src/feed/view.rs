//! A conversation as it is stored: messages in canonical order, each with its story.

use super::amend::{self, ReactionRow, Version};
use super::body::{Body, TypedBody};
use super::{changes, fading, gone, segments};
use crate::id::{AccountId, B32, DeviceId, Mid};
use crate::identity::contact::{ContactNo, ContactRow};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx};
use crate::time::{Millis, Secs};
use crate::wire::codec::Blob;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// State of a message to one contact, in the order in which it may move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// Durable here.
    #[n(0)]
    Queued,
    /// Written to a live connection of one of their devices.
    #[n(1)]
    Sent,
    /// Durable at one bridge or more.
    #[n(2)]
    Held,
    /// Gave up after 30 days.
    #[n(3)]
    Expired,
    /// Blocked, against policy, or too large.
    #[n(4)]
    Refused,
    /// Their device's end-to-end receipt came.
    #[n(5)]
    Delivered,
    /// They read it.
    #[n(6)]
    Read,
    /// Deleted.
    #[n(7)]
    Deleted,
}

/// What happened to a message on its way to one device.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub struct Trail {
    /// Which device.
    #[n(0)]
    pub device: Option<DeviceId>,
    /// When it was sealed.
    #[n(1)]
    pub sealed_at: Option<Millis>,
    /// When it was first written to a connection.
    #[n(2)]
    pub sent_at: Option<Millis>,
    /// When it was last written to a connection.
    #[n(3)]
    pub last_sent_at: Option<Millis>,
    /// How often it was written.
    #[n(4)]
    pub sends: u32,
    /// When its receipt came.
    #[n(5)]
    pub delivered_at: Option<Millis>,
    /// When it was read.
    #[n(6)]
    pub read_at: Option<Millis>,
    /// When it was last found that a write had failed.
    #[n(7)]
    pub failed_at: Option<Millis>,
    /// Its copies at bridges.
    #[n(8)]
    #[cbor(default)]
    pub bridges: Vec<AtBridge>,
}

/// What happened to a letter on its way to and at one bridge.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct AtBridge {
    /// The bridge at which the recipient keeps a mailbox.
    #[n(0)]
    pub bridge: B32,
    /// The bridge that hands on, if one does.
    #[n(1)]
    pub via: Option<B32>,
    /// When it promised to hand on.
    #[n(2)]
    pub queued_at: Option<Millis>,
    /// When we learned that it is held.
    #[n(3)]
    pub held_at: Option<Millis>,
    /// Until when it is held, unless it is fetched: unix seconds.
    #[n(4)]
    pub until: Option<Secs>,
    /// When it was last refused.
    #[n(5)]
    pub refused_at: Option<Millis>,
    /// Why.
    #[n(6)]
    pub refusal: Option<Refused>,
}

/// Why a bridge did not take a letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Refused {
    /// It does not know the recipient's mailbox of that day.
    #[n(0)]
    NotHere,
    /// It has no room.
    #[n(1)]
    Full,
    /// The bridge that hands on gave up.
    #[n(2)]
    GaveUp,
    /// The bridge that hands on did not take it.
    #[n(3)]
    NotQueued,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct MessageRow {
    /// Its id.
    #[n(0)]
    pub mid: Mid,
    /// We wrote it.
    #[n(1)]
    pub mine: bool,
    /// What it says.
    #[n(2)]
    pub body: TypedBody,
    /// Canonical clock.
    #[n(3)]
    pub clock: Millis,
    /// When its author sent it.
    #[n(4)]
    pub sent: Millis,
    /// When it came here, or was queued here.
    #[n(5)]
    pub at: Millis,
    /// Where it stands.
    #[n(6)]
    pub state: State,
    /// Arrived after one that sorts behind it.
    #[n(7)]
    pub late: bool,
    /// At most one per account.
    #[n(8)]
    pub reactions: Vec<ReactionRow>,
    /// Stories of its letters, one per device.
    #[n(9)]
    pub trails: Vec<Trail>,
    /// When we read it (received ones).
    #[n(11)]
    pub read_at: Option<Millis>,
    /// Which edit its text is, if it was edited.
    #[n(12)]
    pub edit: Option<Version>,
    /// When it was deleted: the row is a tombstone from then on.
    #[n(13)]
    pub deleted_at: Option<Millis>,
    /// Its place among the unread, while it is unread.
    #[n(14)]
    pub unread: Option<u64>,
    /// After how many seconds it disappears.
    #[n(15)]
    pub timer: Option<Secs>,
    /// When it disappears, once that time counts; of a tombstone, that it disappeared.
    #[n(16)]
    pub expires_at: Option<Millis>,
    /// Newest cursor of the change log when it was inserted.
    #[n(18)]
    pub arrival: Option<u64>,
    /// When it was taken in from another home: it was never sent or received here.
    #[n(17)]
    pub imported: Option<Millis>,
}

/// Bytes of an order key.
pub const ORDER_BYTES: usize = 8 + 1 + 16;

/// Place of a message in its conversation: clock, author, id. Orders as people see it on every
/// device: by clock, then by the authors' account ids, then by id.
pub fn order_key(clock: Millis, author: &AccountId, other: &AccountId, mid: &Mid) -> Vec<u8> {
    let side = u8::from(author > other);
    [&clock.to_be_bytes()[..], &[side], &mid.0].concat()
}

pub(super) fn message_key(no: ContactNo, order: &[u8]) -> Key {
    Key::new(Table::Message, no.to_be_bytes(), order)
}

fn places_key(mid: &Mid) -> Key {
    Key::one(Table::ByMid, mid.0)
}

/// Where a message id occurs.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Place {
    /// Whose conversation.
    #[n(0)]
    pub no: ContactNo,
    /// We wrote it.
    #[n(1)]
    pub mine: bool,
    /// Order key.
    #[n(2)]
    pub order: Blob,
}

/// Places of one id: more than one only if somebody reused it.
const PLACES_MAX: usize = 4;

/// Where an id occurs.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn places(store: &(impl ReadExt + ?Sized), mid: &Mid) -> Result<Vec<Place>, StoreError> {
    Ok(store.row(&places_key(mid))?.unwrap_or_default())
}

/// A message of a conversation by author and id.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn find(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    mine: bool,
    mid: &Mid,
) -> Result<Option<(Blob, MessageRow)>, StoreError> {
    let place = places(store, mid)?
        .into_iter()
        .find(|p| p.no == no && p.mine == mine);
    match place {
        Some(place) => Ok(get(store, no, &place.order)?.map(|row| (place.order, row))),
        None => Ok(None),
    }
}

/// A message by its place.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn get(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    order: &[u8],
) -> Result<Option<MessageRow>, StoreError> {
    let mut row: Option<MessageRow> = store.row(&message_key(no, order))?;
    if let Some(row) = &mut row {
        fading::fill(store, no, order, row)?;
    }
    Ok(row)
}

/// Writes a message back to its place.
pub fn put(tx: &mut Tx<'_>, no: ContactNo, order: &[u8], row: &MessageRow) {
    if fading::fades(row) {
        let bare = fading::put(tx, no, order, row);
        tx.put(message_key(no, order), &bare);
        return;
    }
    if row.timer.is_some() {
        fading::erase(tx, no, order);
    }
    tx.put(message_key(no, order), row);
}

/// Rows of a conversation, whole.
fn rows(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    span: &Span,
) -> Result<Vec<(Vec<u8>, MessageRow)>, StoreError> {
    let mut rows: Vec<(Vec<u8>, MessageRow)> = store.rows(span)?;
    for (order, row) in &mut rows {
        fading::fill(store, no, order, row)?;
    }
    Ok(rows)
}

/// The newest messages of a conversation in canonical order, oldest first, before a place.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn newest(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    before: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<MessageRow>, StoreError> {
    let mut span = Span::all(Table::Message, no.to_be_bytes(), limit).backwards();
    if let Some(before) = before {
        span = span.until(before);
    }
    let rows = rows(store, no, &span)?.into_iter();
    let mut rows: Vec<MessageRow> = rows.map(|(_, row)| row).collect();
    rows.reverse();
    Ok(rows)
}

/// Messages of a conversation behind a place, in canonical order.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn after(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    place: &[u8],
    limit: usize,
) -> Result<Vec<(Vec<u8>, MessageRow)>, StoreError> {
    let span = Span::all(Table::Message, no.to_be_bytes(), limit).from([place, &[0]].concat());
    rows(store, no, &span)
}

/// Messages of a conversation between two places, both left out, from the newest back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn back(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    after: &[u8],
    before: &[u8],
    limit: usize,
) -> Result<Vec<(Vec<u8>, MessageRow)>, StoreError> {
    let span = Span::all(Table::Message, no.to_be_bytes(), limit)
        .from([after, &[0]].concat())
        .until(before)
        .backwards();
    rows(store, no, &span)
}

/// Inserts a message, unless its author already wrote one with this id (the first body wins).
/// Returns its place and what is stored there if it is new. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn insert(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    own: &AccountId,
    row: MessageRow,
) -> Result<Option<(Vec<u8>, MessageRow)>, StoreError> {
    let places = places(tx, &row.mid)?;
    let taken = places
        .iter()
        .any(|p| p.no == contact.no && p.mine == row.mine);
    if taken || places.len() >= PLACES_MAX {
        return Ok(None);
    }
    insert_beside(tx, contact, own, row, places).map(Some)
}

/// As [`insert`], for a message whose id was drawn just now.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn insert_new(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    own: &AccountId,
    row: MessageRow,
) -> Result<(Vec<u8>, MessageRow), StoreError> {
    insert_beside(tx, contact, own, row, Vec::new())
}

fn insert_beside(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    own: &AccountId,
    mut row: MessageRow,
    mut places: Vec<Place>,
) -> Result<(Vec<u8>, MessageRow), StoreError> {
    let (author, other) = if row.mine {
        (own, &contact.account)
    } else {
        (&contact.account, own)
    };
    let order = order_key(row.clock, author, other, &row.mid);
    row.late = contact
        .shown
        .as_ref()
        .is_some_and(|shown| order[..] < shown[..]);
    if !row.late {
        contact.shown = Some(Blob(order.clone()));
    }
    contact.clock = contact.clock.max(row.clock);
    row.arrival = Some(changes::newest(tx)?);
    segments::came(tx, contact, &order);
    let now = row.at;
    for waiting in amend::take_waiting(tx, contact, &row.mid)? {
        amend::fold(&mut row, waiting, now);
    }
    places.push(Place {
        no: contact.no,
        mine: row.mine,
        order: Blob(order.clone()),
    });
    tx.put(places_key(&row.mid), &places);
    put(tx, contact.no, &order, &row);
    Ok((order, row))
}

fn unread_key(no: ContactNo, arrival: u64) -> Key {
    Key::new(Table::Unread, no.to_be_bytes(), arrival.to_be_bytes())
}

/// Notes a received message as unread. The caller puts `contact` back.
pub fn mark_unread(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    arrival: u64,
    order: &[u8],
    row: &mut MessageRow,
) {
    tx.put(unread_key(contact.no, arrival), &Blob(order.to_vec()));
    contact.unread += 1;
    row.unread = Some(arrival);
    put(tx, contact.no, order, row);
}

/// Places of unread messages in order of arrival.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn unread(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    limit: usize,
) -> Result<Vec<Blob>, StoreError> {
    let rows = store.rows(&Span::all(Table::Unread, no.to_be_bytes(), limit))?;
    Ok(rows.into_iter().map(|(_, order)| order).collect())
}

/// Takes a message from the unread ones. The caller puts `contact` and `row` back.
pub fn clear_unread(tx: &mut Tx<'_>, contact: &mut ContactRow, row: &mut MessageRow) {
    if let Some(arrival) = row.unread.take() {
        tx.delete(unread_key(contact.no, arrival));
        contact.unread = contact.unread.saturating_sub(1);
    }
}

/// Forgets a message altogether: its row and its id. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    order: &[u8],
    row: &mut MessageRow,
) -> Result<(), StoreError> {
    erase(tx, contact, order, row);
    segments::replace(tx, contact, order, None)?;
    gone::forget(tx, contact.no, order);
    let no = contact.no;
    forget_id(tx, no, &row.mid, row.mine)
}

/// Erases a message's row. Its id is still known, so that it is not taken in again, and what is
/// packed for search is the caller's to erase. The caller puts `contact` back.
pub fn erase(tx: &mut Tx<'_>, contact: &mut ContactRow, order: &[u8], row: &mut MessageRow) {
    clear_unread(tx, contact, row);
    take_out(tx, contact.no, order);
}

/// Forgets the id of a message whose row is gone.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget_erased(
    tx: &mut Tx<'_>,
    no: ContactNo,
    mid: &Mid,
    mine: bool,
) -> Result<(), StoreError> {
    let places = places(tx, mid)?.into_iter();
    let mut here = places.filter(|place| place.no == no && place.mine == mine);
    let Some(place) = here.next() else {
        return Ok(());
    };
    match get(tx, no, &place.order)? {
        Some(_) => Ok(()),
        None => forget_id(tx, no, mid, mine),
    }
}

/// Forgets the id of a message.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget_id(tx: &mut Tx<'_>, no: ContactNo, mid: &Mid, mine: bool) -> Result<(), StoreError> {
    let mut places = places(tx, mid)?;
    places.retain(|place| place.no != no || place.mine != mine);
    if places.is_empty() {
        tx.delete(places_key(mid));
    } else {
        tx.put(places_key(mid), &places);
    }
    Ok(())
}

/// Takes a row out of its conversation, and leaves its id known.
pub(super) fn take_out(tx: &mut Tx<'_>, no: ContactNo, order: &[u8]) {
    tx.delete(message_key(no, order));
    fading::erase(tx, no, order);
}

impl MessageRow {
    /// A message as it begins.
    pub fn new(mid: Mid, mine: bool, body: TypedBody, clock: Millis, at: Millis) -> Self {
        Self {
            mid,
            mine,
            body,
            clock,
            sent: at,
            at,
            state: if mine {
                State::Queued
            } else {
                State::Delivered
            },
            late: false,
            reactions: Vec::new(),
            trails: Vec::new(),
            read_at: None,
            edit: None,
            deleted_at: None,
            unread: None,
            arrival: None,
            timer: None,
            expires_at: None,
            imported: None,
        }
    }

    /// Its body; what this version cannot read is [`Body::Later`].
    pub fn open_body(&self) -> Body {
        Body::open(&self.body).unwrap_or(Body::Later)
    }

    /// Moves the state forward; says whether it moved. A receipt after `Expired` turns it.
    pub fn advance(&mut self, to: State) -> bool {
        let forward = to > self.state;
        if forward {
            self.state = to;
        }
        forward
    }

    /// The story of its letter to a device, made if there is none.
    pub fn trail(&mut self, device: &DeviceId) -> &mut Trail {
        let at = match self.trails.iter().position(|t| t.device == Some(*device)) {
            Some(at) => at,
            None => {
                self.trails.push(Trail {
                    device: Some(*device),
                    ..Trail::default()
                });
                self.trails.len() - 1
            }
        };
        &mut self.trails[at]
    }
}
