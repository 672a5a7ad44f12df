//! A device's side: the bridges at which it keeps a mailbox, and the tags under which letters for
//! it may be left there.

use super::block::{Lane, day};
use super::descriptor::Descriptor;
use super::known;
use crate::crypto::hash::hash16;
use crate::crypto::sign::SignKey;
use crate::feed::body::Bridges;
use crate::id::{B32, DeviceId, Fixed, SessionId, Tag};
use crate::identity::contact::{self, ContactNo, ContactState, SessionRef, device_scope};
use crate::limits::{
    BRIDGES_MAX, CONTACT_BRIDGES_MAX, SWEEP_ROWS, TAG_BATCH, TAG_DAYS_AHEAD, TAG_DAYS_BACK,
    TAG_DAYS_READ,
};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx};
use crate::time::{DAY_S, Millis, Secs};
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

/// Days that one lane is registered for at once, at most.
const LANE_DAYS: usize = (TAG_DAYS_BACK + TAG_DAYS_AHEAD + 1) as usize;
/// Lanes in one registration.
const BATCH_LANES: usize = TAG_BATCH / LANE_DAYS;
/// The newest days first: most letters are of today.
const LOOK_AHEAD: u32 = 2;

/// Days that are swept: a node that was off for longer leaves some rows behind.
const DAYS_SWEPT: u32 = 100;
/// Lanes to be registered that are looked at when a contact is removed.
const DUE_LOOKED_AT: usize = 16 * SWEEP_ROWS;

/// How far a bridge has let us in over the connection that is there now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum Stage {
    /// There is none, or nothing was said yet.
    #[n(0)]
    #[default]
    Away,
    /// A challenge is awaited, or the word on its answer.
    #[n(1)]
    Proving,
    /// The mailbox is open.
    #[n(2)]
    Open,
}

/// What is true of one connection only.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Live {
    /// The run of this node that it belongs to.
    #[n(0)]
    pub run: u64,
    /// How far we are.
    #[n(1)]
    pub stage: Stage,
    /// Lanes whose registration is under way, each with its last day.
    #[n(2)]
    pub batch: Vec<(u64, SessionId, u32)>,
    /// A fetch is under way.
    #[n(3)]
    pub fetching: bool,
    /// There is more to fetch.
    #[n(4)]
    pub more: bool,
    /// Bridges that it was told of.
    #[n(5)]
    pub told: Vec<B32>,
}

/// A bridge at which we keep a mailbox.
#[derive(Clone, Debug, Encode, Decode)]
pub struct BridgeRow {
    /// Its place in the order of adding.
    #[n(0)]
    pub no: u32,
    /// Its id.
    #[n(1)]
    pub bridge: B32,
    /// The mailbox's key: made for this bridge alone.
    #[n(2)]
    pub key: SignKey,
    /// Since when it is given up.
    #[n(3)]
    pub leaving: Option<Millis>,
    /// Blocks up to this number were taken in.
    #[n(4)]
    pub after: u64,
    /// Blocks before it that wait for others.
    #[n(5)]
    pub back: Vec<u64>,
    /// When it last let us in.
    #[n(6)]
    pub last_seen: Option<Millis>,
    /// Letters that came through it.
    #[n(7)]
    pub collected: u64,
    /// Letters of ours that it promised to hold or to hand on.
    #[n(8)]
    pub held: u64,
    /// What went wrong last.
    #[n(9)]
    pub trouble: Option<String>,
    /// Its clock less ours, in seconds, when it last let us in.
    #[n(10)]
    pub ahead_s: i64,
    /// Tries since it was last reached.
    #[n(11)]
    pub tries: u32,
    /// When it is looked after next.
    #[n(12)]
    pub attend_at: Option<Millis>,
    /// Next place among the lanes to register.
    #[n(13)]
    pub lane_no: u64,
    /// The connection.
    #[n(14)]
    pub live: Live,
}

/// Whose letters come under a tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub struct LaneOf {
    /// Whose.
    #[n(0)]
    pub no: ContactNo,
    /// Which of their devices.
    #[n(1)]
    pub device: DeviceId,
    /// On which session.
    #[n(2)]
    pub session: SessionId,
}

fn bridge_key(no: u32) -> Key {
    Key::new(Table::Bridge, [], no.to_be_bytes())
}

fn due_key(bridge: &B32, place: u64) -> Key {
    Key::new(Table::LaneDue, bridge.0, place.to_be_bytes())
}

fn lane_key(bridge: &B32, session: &SessionId) -> Key {
    Key::one(Table::Lane, [&bridge.0[..], &session.0].concat())
}

fn tag_scope(bridge: &B32, day: u32) -> Vec<u8> {
    [&bridge.0[..], &day.to_be_bytes()].concat()
}

fn tag_key(bridge: &B32, day: u32, tag: &Tag) -> Key {
    // Hashed: the clear part of a key is not what the bridge knows.
    Key::new(Table::TagIn, tag_scope(bridge, day), hash16(&tag.0).0)
}

/// The bridges that we use, oldest first; those that were given up among them.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn list(store: &(impl ReadExt + ?Sized)) -> Result<Vec<BridgeRow>, StoreError> {
    let span = Span::all(Table::Bridge, Vec::new(), 4 * BRIDGES_MAX);
    let rows = store.rows::<BridgeRow>(&span)?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// One of them.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn find(
    store: &(impl ReadExt + ?Sized),
    bridge: &B32,
) -> Result<Option<BridgeRow>, StoreError> {
    Ok(list(store)?.into_iter().find(|row| row.bridge == *bridge))
}

/// Writes one back.
pub fn put(tx: &mut Tx<'_>, row: &BridgeRow) {
    tx.put(bridge_key(row.no), row);
}

/// Adds a bridge.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn add(tx: &mut Tx<'_>, bridge: B32, rng: &mut dyn CryptoRng) -> Result<BridgeRow, StoreError> {
    let no = list(tx)?.last().map_or(0, |row| row.no + 1);
    let row = BridgeRow {
        no,
        bridge,
        key: SignKey::random(rng),
        leaving: None,
        after: 0,
        back: Vec::new(),
        last_seen: None,
        collected: 0,
        held: 0,
        trouble: None,
        ahead_s: 0,
        tries: 0,
        attend_at: None,
        lane_no: 0,
        live: Live::default(),
    };
    put(tx, &row);
    Ok(row)
}

/// Notes that a session's tags are to be registered at a bridge.
pub fn lane_due(tx: &mut Tx<'_>, row: &mut BridgeRow, lane: LaneOf) {
    tx.put(due_key(&row.bridge, row.lane_no), &lane);
    row.lane_no += 1;
}

/// Up to which day a session's tags are registered at a bridge.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn registered(
    store: &(impl ReadExt + ?Sized),
    bridge: &B32,
    session: &SessionId,
) -> Result<Option<u32>, StoreError> {
    store.row(&lane_key(bridge, session))
}

/// The lane on which letters of a session come to us; `None` for sessions made before it was
/// kept who began them.
pub fn incoming<'a>(session: &'a SessionRef, bridge: &'a B32) -> Option<Lane<'a>> {
    let initiator = session.initiator?;
    Some(Lane {
        key: &session.k_mbx,
        bridge,
        from_initiator: !initiator,
    })
}

/// The lane on which letters of a session leave us.
pub fn outgoing<'a>(session: &'a SessionRef, bridge: &'a B32) -> Option<Lane<'a>> {
    let initiator = session.initiator?;
    Some(Lane {
        key: &session.k_mbx,
        bridge,
        from_initiator: initiator,
    })
}

/// A registration to be sent.
pub struct Batch {
    /// Exactly [`TAG_BATCH`] tags.
    pub tags: Vec<Tag>,
    /// Until when they are ours: unix seconds.
    pub until: Secs,
}

/// Takes lanes that are due into a registration, and notes which; `None` if none is.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn batch(
    tx: &mut Tx<'_>,
    row: &mut BridgeRow,
    now: Millis,
    rng: &mut dyn CryptoRng,
) -> Result<Option<Batch>, StoreError> {
    let today = day(now);
    let last = today + TAG_DAYS_AHEAD;
    let bridge = row.bridge;
    let mut tags = Vec::with_capacity(TAG_BATCH);
    row.live.batch.clear();
    loop {
        let span = Span::all(Table::LaneDue, bridge.0, BATCH_LANES);
        let due = tx.rows::<LaneOf>(&span)?;
        let none = due.is_empty();
        for (suffix, lane) in due {
            let place = crate::store::suffix_u64(&suffix);
            let contact = contact::get(tx, lane.no)?;
            let wanted = contact.is_some_and(|contact| {
                matches!(
                    contact.state,
                    ContactState::Pending | ContactState::Connected
                )
            });
            let device = contact::device(tx, lane.no, &lane.device)?;
            let session = device.sessions.iter().find(|s| s.id == lane.session);
            let ours = session
                .filter(|_| wanted)
                .and_then(|s| incoming(s, &bridge));
            // Days of long ago are left out: a batch holds so many days of each lane.
            let oldest = today.saturating_sub(TAG_DAYS_BACK);
            let from = match registered(tx, &bridge, &lane.session)? {
                Some(until) => oldest.max(until + 1),
                None => oldest,
            };
            let Some(incoming) = ours.filter(|_| from <= last) else {
                tx.delete(due_key(&bridge, place));
                continue;
            };
            for day in from..=last {
                let tag = incoming.tag(day);
                tx.put(tag_key(&bridge, day, &tag), &lane);
                tags.push(tag);
            }
            row.live.batch.push((place, lane.session, last));
        }
        if !tags.is_empty() {
            break;
        }
        if none {
            return Ok(None);
        }
    }
    while tags.len() < TAG_BATCH {
        tags.push(Fixed::random(rng));
    }
    // In no order that says where one lane ends.
    tags.sort_unstable();
    let until = u64::from(last + 3) * DAY_S;
    Ok(Some(Batch { tags, until }))
}

/// A registration was taken; gives its lanes.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn batch_done(tx: &mut Tx<'_>, row: &mut BridgeRow) -> Result<Vec<LaneOf>, StoreError> {
    let mut lanes = Vec::new();
    for (place, session, until) in core::mem::take(&mut row.live.batch) {
        // It is gone if the contact was removed meanwhile.
        if let Some(lane) = tx.take::<LaneOf>(due_key(&row.bridge, place))? {
            tx.put(lane_key(&row.bridge, &session), &until);
            lanes.push(lane);
        }
    }
    Ok(lanes)
}

/// Whose letters come under a tag, and of which day it is; `None` for those of nobody.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn lane_of(
    store: &(impl ReadExt + ?Sized),
    bridge: &B32,
    tag: &Tag,
    now: Millis,
) -> Result<Option<(LaneOf, u32)>, StoreError> {
    let today = day(now);
    let back = (0..=TAG_DAYS_READ).map(|back| today.saturating_sub(back));
    let ahead = (1..=LOOK_AHEAD).map(|ahead| today.saturating_add(ahead));
    for day in back.chain(ahead) {
        if let Some(lane) = store.row(&tag_key(bridge, day, tag))? {
            return Ok(Some((lane, day)));
        }
    }
    Ok(None)
}

/// Forgets tags of days that are no longer read; says whether there are more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn sweep_tags(tx: &mut Tx<'_>, bridge: &B32, now: Millis) -> Result<bool, StoreError> {
    let oldest = day(now).saturating_sub(TAG_DAYS_READ);
    for back in 1..=DAYS_SWEPT {
        let scope = tag_scope(bridge, oldest.saturating_sub(back));
        let rows = tx.scan_keys(Table::TagIn, &scope, SWEEP_ROWS)?;
        let more = rows.len() == SWEEP_ROWS;
        for suffix in rows {
            tx.delete(Key::new(Table::TagIn, &scope, suffix));
        }
        if more {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A session is gone: nothing comes under its tags any more, and they are not renewed.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget_lanes(tx: &mut Tx<'_>, session: &SessionRef, now: Millis) -> Result<(), StoreError> {
    let today = day(now);
    for BridgeRow { bridge, .. } in list(tx)? {
        tx.delete(lane_key(&bridge, &session.id));
        let Some(lane) = incoming(session, &bridge) else {
            continue;
        };
        let oldest = today.saturating_sub(TAG_DAYS_READ + 1);
        for day in oldest..=today.saturating_add(TAG_DAYS_AHEAD + 1) {
            tx.delete(tag_key(&bridge, day, &lane.tag(day)));
        }
    }
    Ok(())
}

/// A contact was removed: none of its lanes is to be registered.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget_due(tx: &mut Tx<'_>, no: ContactNo) -> Result<(), StoreError> {
    for row in list(tx)? {
        // What lies further back goes when the bridge is told of what lies before it.
        let span = Span::all(Table::LaneDue, row.bridge.0, DUE_LOOKED_AT);
        for (suffix, lane) in tx.rows::<LaneOf>(&span)? {
            if lane.no == no {
                tx.delete(Key::new(Table::LaneDue, row.bridge.0, suffix));
            }
        }
    }
    Ok(())
}

/// Erases more of what is kept of a bridge that was given up long ago, and in the end the bridge;
/// says whether there is more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget_more(tx: &mut Tx<'_>, row: &BridgeRow, now: Millis) -> Result<bool, StoreError> {
    let bridge = row.bridge;
    let due = tx.scan_keys(Table::LaneDue, &bridge.0, SWEEP_ROWS)?;
    let mut room = SWEEP_ROWS.saturating_sub(due.len());
    for suffix in due {
        tx.delete(Key::new(Table::LaneDue, bridge.0, suffix));
    }
    let today = day(now);
    for day in today.saturating_sub(DAYS_SWEPT)..=today.saturating_add(2 * TAG_DAYS_AHEAD) {
        let scope = tag_scope(&bridge, day);
        let span = Span::all(Table::TagIn, &scope[..], room);
        let tags = tx.rows::<LaneOf>(&span)?;
        room -= tags.len();
        for (suffix, lane) in tags {
            tx.delete(lane_key(&bridge, &lane.session));
            tx.delete(Key::new(Table::TagIn, &scope, suffix));
        }
        if room == 0 {
            return Ok(true);
        }
    }
    tx.delete(bridge_key(row.no));
    Ok(false)
}

fn theirs_key(no: ContactNo, device: &DeviceId) -> Key {
    Key::new(Table::Device, device_scope(no, device), *b"bridges")
}

/// What a contact's device said of its bridges last.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Theirs {
    #[n(0)]
    said: u64,
    #[n(1)]
    bridges: Vec<B32>,
}

/// The bridges at which a contact's device keeps a mailbox.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn theirs(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    device: &DeviceId,
) -> Result<Vec<B32>, StoreError> {
    let theirs: Option<Theirs> = store.row(&theirs_key(no, device))?;
    Ok(theirs.unwrap_or_default().bridges)
}

fn said_key() -> Key {
    Key::one(Table::Meta, *b"bridges_said")
}

/// Names what is true of our bridges now: greater than all before.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn said(store: &(impl ReadExt + ?Sized)) -> Result<u64, StoreError> {
    Ok(store.row(&said_key())?.unwrap_or(0))
}

/// Something else is true of our bridges from now on.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn changed(tx: &mut Tx<'_>, now: Millis) -> Result<(), StoreError> {
    // The time as well: an old copy of the disk does not fall behind what was said after it.
    let said = said(tx)?.saturating_add(1).max(now);
    tx.put(said_key(), &said);
    Ok(())
}

/// Takes over what a contact's device says of its bridges; those that do not verify are left out.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn take_theirs(
    tx: &mut Tx<'_>,
    no: ContactNo,
    device: &DeviceId,
    body: &Bridges,
) -> Result<(), StoreError> {
    let old: Option<Theirs> = tx.row(&theirs_key(no, device))?;
    if old.is_some_and(|old| old.said > body.said) {
        return Ok(());
    }
    let mut bridges: Vec<B32> = Vec::new();
    for signed in body.descriptors.iter().take(CONTACT_BRIDGES_MAX) {
        if let Ok(Some(Descriptor { bridge, .. })) = known::learn(tx, signed, known::By::Other)?
            && !bridges.contains(&bridge)
        {
            bridges.push(bridge);
        }
    }
    let said = body.said;
    tx.put(theirs_key(no, device), &Theirs { said, bridges });
    Ok(())
}
