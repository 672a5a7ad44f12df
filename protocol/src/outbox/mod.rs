//! What waits for a device: queued, sealed when its connection is there, sent, sent again until
//! its end-to-end receipt comes.
//!
//! Items lie in order of their sequence number. `cursor` is the next item to write to the current
//! connection: those before it are in flight. A new connection starts again at the oldest.

mod cx;
mod reach;
mod receipts;

pub use cx::Cx;
pub use reach::{
    DialRow, DialWhat, attend, attend_now, dials, down, failed, first_addrs, is_online, listening,
    reach_of, set_listening, undelivered, up,
};
pub use receipts::{due, flush, receipt};

use crate::agenda::{self, Job};
use crate::feed::body::{
    Body, BundleBody, Lists, NO_LIST, PeerIds, Plain, Profile, TypedBody, UsedList, kind,
};
use crate::feed::changes::ChangeKind;
use crate::feed::view::{self, State};
use crate::frame::Frame;
use crate::id::{DeviceId, Mid, SessionId};
use crate::identity::account::conversation_id;
use crate::identity::contact::{
    self, ContactNo, ContactRow, ContactState, DeviceRow, INVITER, device_scope,
};
use crate::identity::device;
use crate::limits::{
    FIRST_FLIGHT_LETTERS_MAX, FIRST_TEXT_BYTES_MAX, INIT_FRAME_BYTES_MAX, LETTER_LIFE_MS,
    WINDOW_LETTERS,
};
use crate::output::Output;
use crate::session::handshake::Init;
use crate::session::ratchet::SessionRow;
use crate::session::{self, Letter};
use crate::store::{Key, ReadExt, Span, StoreError, Table, suffix_u64};
use crate::time::{DAY_S, Millis, secs};
use crate::wire::codec::{Blob, encode};
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// Items that one scan reads.
const PAGE: usize = 64;
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
}

impl Item {
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
}

/// Where an item is stored.
fn item_key(no: ContactNo, device: &DeviceId, seq: u64) -> Key {
    Key::new(Table::Outbox, device_scope(no, device), seq.to_be_bytes())
}

fn mid_key(no: ContactNo, device: &DeviceId, mid: &Mid) -> Key {
    Key::one(
        Table::OutboxByMid,
        [&device_scope(no, device)[..], &mid.0].concat(),
    )
}

fn state_key(no: ContactNo, device: &DeviceId) -> Key {
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

/// Devices that letters to a contact are queued for.
pub fn targets(contact: &ContactRow) -> Vec<DeviceId> {
    if contact.devices.is_empty() {
        alloc::vec![INVITER]
    } else {
        contact.devices.clone()
    }
}

/// Whether letters may go to a contact at all.
pub fn may_send(state: ContactState) -> bool {
    matches!(state, ContactState::Pending | ContactState::Connected)
}

/// Queues an item for one device.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn enqueue(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    mid: Mid,
    what: What,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    if let What::Current { kind, .. } = what {
        if state.current.iter().any(|(queued, _)| *queued == kind) {
            return Ok(());
        }
        state.current.push((kind, state.next));
    }
    let item = Item {
        mid,
        what,
        queued_at: cx.at.now,
        sealed: None,
        last_sent: None,
        sends: 0,
    };
    let seq = state.next;
    state.next += 1;
    state.waiting += 1;
    put_state(cx, no, device, &state);
    put_item(cx, no, device, seq, &item);
    cx.tx.put(mid_key(no, device, &mid), &seq);
    Ok(())
}

/// Puts a body before everything else and seals it at once on a given session: the first letter
/// of a repair, which may not wait behind what does not fit into a first flight.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn enqueue_first(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    session: &mut SessionRow,
    body: &Body,
) -> Result<(), StoreError> {
    let no = contact.no;
    let mut state = state(cx.tx, no, device)?;
    let oldest = items(cx, no, device, 0, 1)?
        .first()
        .map_or(state.next, |(seq, _)| *seq);
    let seq = oldest.saturating_sub(1);
    let mut item = Item {
        mid: Mid::random(cx.at.rng),
        what: What::Body {
            body: body.to_typed(),
            clock: None,
        },
        queued_at: cx.at.now,
        sealed: None,
        last_sent: None,
        sends: 0,
    };
    let Some(plain) = plain(cx, contact, &item, true)? else {
        return Ok(());
    };
    if let Ok(letter) = session.seal(&encode(&plain), cx.at.now, cx.at.rng) {
        item.sealed = Some(Sealed {
            session: session.id,
            letter,
            at: cx.at.now,
        });
    }
    state.waiting += 1;
    rewind(cx, no, device, &mut state)?;
    state.cursor = state.cursor.min(seq);
    put_state(cx, no, device, &state);
    put_item(cx, no, device, seq, &item);
    cx.tx.put(mid_key(no, device, &item.mid), &seq);
    Ok(())
}

/// Queues a body for all devices of a contact, each under an id of its own.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn enqueue_current(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    kind: u16,
) -> Result<(), StoreError> {
    for device in targets(contact) {
        let mid = Mid::random(cx.at.rng);
        enqueue(
            cx,
            contact.no,
            &device,
            mid,
            What::Current { kind, note: None },
        )?;
        pump(cx, contact.no, &device)?;
    }
    Ok(())
}

fn put_item(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId, seq: u64, item: &Item) {
    cx.tx.put(item_key(no, device, seq), item);
}

fn put_state(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId, state: &OutState) {
    cx.tx.put(state_key(no, device), state);
}

/// Items from a sequence number on, at most `limit`.
fn items(
    cx: &Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Item)>, StoreError> {
    let span = Span::all(Table::Outbox, device_scope(no, device), limit).from(from.to_be_bytes());
    let rows = cx.tx.rows::<Item>(&span)?;
    Ok(rows
        .into_iter()
        .map(|(suffix, item)| (suffix_u64(&suffix), item))
        .collect())
}

/// Forgets an item, whatever came of it.
fn drop_item(
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

/// Moves what was queued before the inviter's devices were known to its device.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn readdress(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
) -> Result<(), StoreError> {
    let mut old = state(cx.tx, no, &INVITER)?;
    loop {
        let page = items(cx, no, &INVITER, 0, PAGE)?;
        if page.is_empty() {
            break;
        }
        for (seq, item) in page {
            drop_item(cx, no, &INVITER, &mut old, seq, &item);
            enqueue(cx, no, device, item.mid, item.what)?;
        }
    }
    cx.tx.delete(state_key(no, &INVITER));
    Ok(())
}

/// Forgets the letters of sessions that `gone` names, so that their items are sealed anew, and
/// starts again at the oldest item.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn unseal(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    gone: impl Fn(&SessionId) -> bool,
) -> Result<(), StoreError> {
    let mut state = state(cx.tx, no, device)?;
    let mut from = 0;
    loop {
        let page = items(cx, no, device, from, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        let mut sealed = false;
        for (seq, mut item) in page {
            sealed |= item.sealed.is_some();
            if item.sealed.as_ref().is_some_and(|s| gone(&s.session)) {
                item.sealed = None;
                put_item(cx, no, device, seq, &item);
            }
        }
        // Items are sealed in order: a page without a letter ends the sealed part.
        if !sealed {
            break;
        }
    }
    rewind(cx, no, device, &mut state)?;
    put_state(cx, no, device, &state);
    Ok(())
}

/// Starts again at the oldest item.
fn rewind(
    cx: &Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
) -> Result<(), StoreError> {
    state.cursor = items(cx, no, device, 0, 1)?
        .first()
        .map_or(state.next, |(seq, _)| *seq);
    state.flying = 0;
    Ok(())
}

/// Writes what waits for a device to its connection, sealing it first where needed, as far as the
/// window allows. Does nothing while the device is away.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn pump(cx: &mut Cx<'_, '_, '_>, no: ContactNo, device: &DeviceId) -> Result<(), StoreError> {
    let contact = contact::must(cx.tx, no)?;
    let row = contact::device(cx.tx, no, device)?;
    let Some(peer) = row.peer.filter(|_| may_send(contact.state)) else {
        return Ok(());
    };
    if !is_online(cx.tx, &peer)? {
        return Ok(());
    }
    let mut state = state(cx.tx, no, device)?;
    let mut press = Press {
        contact: &contact,
        row: &row,
        device: *device,
        session: None,
    };
    let mut wrote = false;
    'window: while state.flying < WINDOW_LETTERS {
        let page = items(cx, no, device, state.cursor, PAGE)?;
        if page.is_empty() {
            break;
        }
        for (seq, mut item) in page {
            if state.flying >= WINDOW_LETTERS {
                break 'window;
            }
            match press.letter(cx, &mut item)? {
                Ready::Frame(bytes) => {
                    cx.out.push(Output::Send {
                        to: peer,
                        id: seq,
                        bytes,
                    });
                    item.last_sent = Some(cx.at.now);
                    item.sends += 1;
                    put_item(cx, no, device, seq, &item);
                    sent(cx, no, device, &item)?;
                    state.current.retain(|(_, queued)| *queued != seq);
                    state.cursor = seq + 1;
                    state.flying += 1;
                    wrote = true;
                }
                Ready::Wait => break 'window,
                Ready::Gone => {
                    state.cursor = seq + 1;
                    state.flying += 1;
                    drop_item(cx, no, device, &mut state, seq, &item);
                }
            }
        }
    }
    press.finish(cx);
    if wrote {
        let soon = cx.at.now + crate::limits::RETRY_MS[0];
        schedule(cx, no, device, &mut state, soon);
    }
    put_state(cx, no, device, &state);
    Ok(())
}

/// Makes sure that the device is looked after at `at` or before.
fn schedule(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    state: &mut OutState,
    at: Millis,
) {
    if state.attend_at.is_none_or(|set| set > at) {
        let job = Job::Attend {
            no,
            device: *device,
        };
        if let Some(set) = state.attend_at.replace(at) {
            agenda::cancel(cx.tx, set, &job);
        }
        agenda::at(cx.tx, at, &job);
    }
}

/// Notes that a message was written to a connection.
fn sent(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    item: &Item,
) -> Result<(), StoreError> {
    let What::Message { order } = &item.what else {
        return Ok(());
    };
    let Some(mut message) = view::get(cx.tx, no, order)? else {
        return Ok(());
    };
    let now = cx.at.now;
    let trail = message.trail(device);
    trail.sealed_at = item.sealed.as_ref().map(|s| s.at);
    trail.sent_at.get_or_insert(now);
    trail.last_sent_at = Some(now);
    trail.sends = item.sends;
    let moved = message.advance(State::Sent);
    view::put(cx.tx, no, order, &message);
    if moved && cx.fresh != Some(item.mid) {
        cx.log(ChangeKind::State {
            no,
            mid: item.mid,
            state: State::Sent,
        })?;
    }
    Ok(())
}

/// What came of preparing an item.
enum Ready {
    /// This frame is to be sent.
    Frame(Vec<u8>),
    /// It cannot be sealed yet, nor what comes after it.
    Wait,
    /// There is nothing to say any more.
    Gone,
}

/// Seals letters of one device pair, keeping the session at hand between letters.
struct Press<'a> {
    contact: &'a ContactRow,
    row: &'a DeviceRow,
    device: DeviceId,
    session: Option<SessionRow>,
}

impl Press<'_> {
    fn letter(&mut self, cx: &mut Cx<'_, '_, '_>, item: &mut Item) -> Result<Ready, StoreError> {
        if let Some(sealed) = &item.sealed {
            if self.take_up(cx, sealed.session)? {
                let letter = sealed.letter.clone();
                return Ok(Ready::Frame(self.frame(letter)));
            }
            item.sealed = None;
        }
        let Some(id) = self.row.sending().map(|s| s.id) else {
            return Ok(Ready::Wait);
        };
        if !self.take_up(cx, id)? {
            return Ok(Ready::Wait);
        }
        let first = self.unanswered();
        let Some(plain) = plain(cx, self.contact, item, first)? else {
            return Ok(Ready::Gone);
        };
        let Some(session) = &mut self.session else {
            return Ok(Ready::Wait);
        };
        let bytes = encode(&plain);
        if let Some(first) = &session.first {
            let long =
                plain.body.kind == kind::TEXT && plain.body.bytes.len() > FIRST_TEXT_BYTES_MAX + 32;
            // Heads and the header of a letter without ML-KEM fields.
            let size = first.pb.len() + first.eid.len() + bytes.len() + 160;
            if first.sealed >= FIRST_FLIGHT_LETTERS_MAX || long || size > INIT_FRAME_BYTES_MAX {
                return Ok(Ready::Wait);
            }
        }
        let Ok(letter) = session.seal(&bytes, cx.at.now, cx.at.rng) else {
            return Ok(Ready::Wait);
        };
        item.sealed = Some(Sealed {
            session: session.id,
            letter: letter.clone(),
            at: cx.at.now,
        });
        Ok(Ready::Frame(self.frame(letter)))
    }

    /// Until the peer's first reply every letter travels inside the init.
    fn frame(&self, letter: Letter) -> Vec<u8> {
        let first = self.session.as_ref().and_then(|s| s.first.as_ref());
        match first {
            Some(first) => {
                let init = Init {
                    pb: first.pb.clone(),
                    eid: first.eid.clone(),
                    letter,
                };
                Frame::Init(init).to_bytes()
            }
            None => Frame::Letter(letter).to_bytes(),
        }
    }

    /// The session at hand still waits for the peer's first reply.
    fn unanswered(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.first.is_some())
    }

    fn take_up(&mut self, cx: &mut Cx<'_, '_, '_>, id: SessionId) -> Result<bool, StoreError> {
        if self.session.as_ref().is_none_or(|s| s.id != id) {
            self.finish(cx);
            self.session = session::load(cx.tx, &id)?.filter(|s| s.device == self.device);
        }
        Ok(self.session.is_some())
    }

    fn finish(&mut self, cx: &mut Cx<'_, '_, '_>) {
        if let Some(session) = self.session.take() {
            session::save(cx.tx, &session);
        }
    }
}

/// The plaintext of an item, or `None` if what it speaks of is gone. `first`: it has to fit a first
/// flight.
fn plain(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    item: &Item,
    first: bool,
) -> Result<Option<Plain>, StoreError> {
    let own = &cx.own;
    let mut sent = None;
    let (body, clock) = match &item.what {
        What::Message { order } => match view::get(cx.tx, contact.no, order)? {
            Some(message) => {
                sent = (message.sent != message.clock).then_some(message.sent);
                (message.body, Some(message.clock))
            }
            None => return Ok(None),
        },
        What::Body { body, clock } => (body.clone(), *clock),
        What::Current { kind, note } => match current(cx, *kind, note.clone(), first)? {
            Some(body) => (body.to_typed(), None),
            None => return Ok(None),
        },
    };
    Ok(Some(Plain {
        sender_list: own.list,
        recipient_list: contact.list.map_or(NO_LIST, |list| UsedList {
            version: list.version,
            hash: list.hash,
        }),
        mid: item.mid,
        conversation: clock.map(|_| conversation_id(&own.account, &contact.account)),
        clock,
        body,
        custody: None,
        timer: None,
        sent,
    }))
}

/// How long addresses that we tell are worth trying, in seconds.
const ADDRS_LIFE_S: u64 = 30 * DAY_S;

/// What is true of us now.
fn current(
    cx: &Cx<'_, '_, '_>,
    kind: u16,
    note: Option<String>,
    first: bool,
) -> Result<Option<Body>, StoreError> {
    let own = &cx.own;
    Ok(match kind {
        kind::PROFILE => Some(Body::Profile(Profile {
            name: own.name.clone(),
            note,
        })),
        kind::PEER_IDS => Some(Body::PeerIds(PeerIds {
            peer: own.peer,
            addrs: if first {
                reach::listening_first(cx.tx)?
            } else {
                reach::listening(cx.tx)?
            },
            expires: secs(cx.at.now) + ADDRS_LIFE_S,
        })),
        kind::BUNDLE => Some(Body::Bundle(BundleBody {
            bundle: device::current_bundle(cx.tx)?,
        })),
        kind::LISTS => {
            let objects = device::objects(cx.tx, own)?;
            Some(Body::Lists(Lists {
                statement: objects.statement,
                list: objects.list,
            }))
        }
        kind::BUNDLE_REQUEST => Some(Body::BundleRequest),
        _ => None,
    })
}
