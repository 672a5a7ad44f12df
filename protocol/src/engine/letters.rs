//! Letters of sessions: opened once, taken in, receipted.

use super::accounts::{keep_account, stand_in};
use super::{NONSENSE, STRANGER, amend, pack, penalise, repair, timers};
use crate::agenda;
use crate::crypto::hash::hash16;
use crate::feed::amend::{Amend, ReactionRow, Version};
use crate::feed::body::{
    Body, Delete, Edit, Lists, PeerIds, Plain, Profile, Reaction, Repair, Timer, kind,
};
use crate::feed::changes::ChangeKind;
use crate::feed::gone;
use crate::feed::view::{self, MessageRow};
use crate::id::{DeviceId, Hash16, Mid, Peer, SessionId};
use crate::identity::account::conversation_id;
use crate::identity::bundle;
use crate::identity::contact::{
    self, ContactNo, ContactRow, ContactState, HeldLetter, INVITER, clean_name,
};
use crate::identity::device::account_key;
use crate::identity::list::{AccountRow, Chain, Freshness};
use crate::limits::{CLOCK_AHEAD_MS, RECEIPT_REPEAT_MS, STRANGER_LETTERS_MAX};
use crate::outbox::{self, Cx};
use crate::session::ratchet::{self, Header, OpenError, SessionRow, closed_mark};
use crate::session::{self, Letter, SeenRow, skipped};
use crate::store::{ReadExt, StoreError};
use crate::time::{HOUR_MS, secs};
use crate::wire::codec::{Blob, decode, encode};
use alloc::format;

/// How a letter came to be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It made its session.
    First,
    /// On a session that was there.
    Later,
}

/// Names a letter among those seen.
pub(super) fn letter_hash(letter: &Letter) -> Hash16 {
    hash16(&encode(letter))
}

/// A letter from a connected peer.
pub(super) fn receive(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    letter: &Letter,
) -> Result<(), StoreError> {
    let Ok(header) = letter.header() else {
        penalise(cx, from, NONSENSE);
        return Ok(());
    };
    match session::load(cx.tx, &header.sid)? {
        Some(session) => open_on(cx, from, session, &header, letter),
        // Perhaps of somebody whom the user has removed, and who cannot know that.
        None => trouble(cx, from, &header.sid, header.n, STRANGER),
    }
}

/// A letter that names a session we do not have, or that fails on one we have: if it came from
/// the contact's own node, one of us is an old copy.
fn trouble(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    session: &SessionId,
    n: u32,
    points: u32,
) -> Result<(), StoreError> {
    match contact::by_peer(cx.tx, from)? {
        Some((no, device)) if device != INVITER => repair::schedule(cx, no, &device, session, n),
        _ => {
            penalise(cx, from, points);
            Ok(())
        }
    }
}

/// A letter that came within a first message, on the session that this had made.
pub(super) fn open_in(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    session: SessionRow,
    letter: &Letter,
) -> Result<(), StoreError> {
    match letter.header() {
        Ok(header) => open_on(cx, from, session, &header, letter),
        Err(_) => trouble(cx, from, &session.id, 0, NONSENSE),
    }
}

/// Opens a letter on its session.
fn open_on(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    mut session: SessionRow,
    header: &Header,
    letter: &Letter,
) -> Result<(), StoreError> {
    let (no, device) = (session.contact, session.device);
    let contact = contact::must(cx.tx, no)?;
    match contact.state {
        ContactState::Blocked | ContactState::Declined => return Ok(()),
        ContactState::Requested if contact.held.len() >= STRANGER_LETTERS_MAX => return Ok(()),
        _ => {}
    }
    let hash = letter_hash(letter);
    let key = session::seen_key(&session.id, &hash);
    // What is still to come in the receiving chain cannot have come before.
    if !session.is_to_come(header)
        && let Some(row) = cx.tx.row::<SeenRow>(&key)?
    {
        return duplicate(cx, from, &contact, &device, key, row);
    }
    match session.open_with(cx.tx, header, letter, cx.at.now)? {
        Ok(opened) => {
            let confirms = session.first.is_some();
            commit(cx, from, no, device, hash, opened, Taken::Later)?;
            if confirms {
                // The first reply opens the window for everything that waited behind the first
                // flight, receipts included.
                outbox::flush(cx, no, &device)?;
                if outbox::first_addrs(cx.tx)? {
                    let contact = contact::must(cx.tx, no)?;
                    outbox::enqueue_current(cx, &contact, kind::PEER_IDS)?;
                }
                outbox::pump(cx, no, &device)?;
            }
            Ok(())
        }
        Err(OpenError::NotYet) => {
            if session.beyond_since.is_none() {
                session.beyond_since = Some(cx.at.now);
                session::save(cx.tx, &session);
            }
            Ok(())
        }
        Err(OpenError::Used | OpenError::Broken) => {
            trouble(cx, from, &session.id, header.n, NONSENSE)
        }
    }
}

/// A letter that came again: its receipt may have been lost.
fn duplicate(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    contact: &ContactRow,
    device: &DeviceId,
    key: crate::store::Key,
    mut row: SeenRow,
) -> Result<(), StoreError> {
    let Some(mid) = row.mid.filter(|_| contact.state == ContactState::Connected) else {
        return Ok(());
    };
    // One that went to an earlier connection may have ended with it.
    let since = outbox::online_since(cx.tx, from)?.unwrap_or(0);
    let recent = cx.at.now.saturating_sub(row.receipted_at) < RECEIPT_REPEAT_MS;
    if recent && row.receipted_at >= since {
        return Ok(());
    }
    row.receipted_at = cx.at.now;
    cx.tx.put(key, &row);
    outbox::due(cx, contact.no, device, mid)
}

/// Keeps the state after a letter opened, together with what it says.
pub(super) fn commit(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    no: ContactNo,
    device: DeviceId,
    hash: Hash16,
    opened: ratchet::Opened,
    taken: Taken,
) -> Result<(), StoreError> {
    let ratchet::Opened {
        plain,
        next,
        spares,
        spare_used,
        closed,
    } = opened;
    let now = cx.at.now;
    let mut contact = contact::must(cx.tx, no)?;
    skipped::keep(cx.tx, &mut contact, &next.id, spares, now)?;
    if let Some((dh, n)) = spare_used {
        skipped::erase(cx.tx, &mut contact, &next.id, &dh, n)?;
    }
    if let Some(dh) = closed {
        cx.tx.put(
            session::seen_key(&next.id, &closed_mark(&dh)),
            &seen(now, None),
        );
    }
    session::save(cx.tx, &next);
    let plain = decode::<Plain>(&plain).ok();
    let body = plain
        .as_ref()
        .and_then(|plain| Body::open(&plain.body).ok());
    let mut row = contact::device(cx.tx, no, &device)?;
    row.heard = now;
    row.repair_due = false;
    if let Some(plain) = &plain {
        row.last = Some(plain.mid);
    }
    contact::put_device(cx.tx, no, &device, &row);
    contact.last_seen = Some(now);
    let replied = taken == Taken::Later && contact.state == ContactState::Pending;
    if replied {
        contact.state = ContactState::Connected;
    }
    contact::put(cx.tx, &contact);
    if replied {
        cx.log(ChangeKind::Contact { no })?;
        if let Some(peer) = row.peer {
            let reach = outbox::reach_of(cx.tx, &peer)?;
            if reach.is_some() {
                cx.log(ChangeKind::Reach { no, reach })?;
            }
        }
    }
    let key = session::seen_key(&next.id, &hash);
    let Some(plain) = plain else {
        cx.tx.put(key, &seen(now, None));
        penalise(cx, from, NONSENSE);
        return Ok(());
    };
    // What is not to be receipted is still to be known again.
    let receipted = earns_receipt(cx, &contact, &plain, body.as_ref());
    cx.tx.put(key, &seen(now, receipted.then_some(plain.mid)));
    if contact.state == ContactState::Requested {
        return hold(cx, contact, device, &plain, body);
    }
    take_in(cx, Some(from), contact, &device, &plain, body)?;
    if receipted {
        outbox::due(cx, no, &device, plain.mid)?;
    }
    Ok(())
}

/// Whether a body may be shown: of this conversation, and not from the far future.
fn acceptable(cx: &Cx<'_, '_, '_>, contact: &ContactRow, plain: &Plain, body: &Body) -> bool {
    if !body.is_user() {
        return true;
    }
    let ours = conversation_id(&cx.own.account, &contact.account);
    plain.conversation == Some(ours)
        && plain
            .clock
            .is_some_and(|clock| clock <= cx.at.now.saturating_add(CLOCK_AHEAD_MS))
}

/// What cannot be read is receipted too: sending it again would not help.
fn earns_receipt(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    plain: &Plain,
    body: Option<&Body>,
) -> bool {
    body.is_none_or(|body| body.wants_receipt() && acceptable(cx, contact, plain, body))
}

/// A requester's letter waits; its name and note are shown at once.
fn hold(
    cx: &mut Cx<'_, '_, '_>,
    mut contact: ContactRow,
    device: DeviceId,
    plain: &Plain,
    body: Option<Body>,
) -> Result<(), StoreError> {
    if let Some(Body::Profile(profile)) = &body {
        let fresh = contact.held.is_empty();
        introduce(cx, &mut contact, profile)?;
        if !fresh {
            cx.log(ChangeKind::Request { no: contact.no })?;
        }
    }
    contact::held::hold(cx.tx, &mut contact, device, encode(plain));
    contact::put(cx.tx, &contact);
    Ok(())
}

/// Takes in a letter that waited for the user's word.
pub(super) fn take_in_held(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    held: &HeldLetter,
) -> Result<(), StoreError> {
    let Ok(plain) = decode::<Plain>(&held.plain) else {
        return Ok(());
    };
    let contact = contact::must(cx.tx, no)?;
    let body = Body::open(&plain.body).ok();
    let receipted = earns_receipt(cx, &contact, &plain, body.as_ref());
    take_in(cx, None, contact, &held.device, &plain, body)?;
    if receipted {
        outbox::due(cx, no, &held.device, plain.mid)
    } else {
        Ok(())
    }
}

/// Acts on what a letter says.
fn take_in(
    cx: &mut Cx<'_, '_, '_>,
    from: Option<&Peer>,
    mut contact: ContactRow,
    device: &DeviceId,
    plain: &Plain,
    body: Option<Body>,
) -> Result<(), StoreError> {
    old_list(cx, &contact, device, plain)?;
    let Some(body) = body else { return Ok(()) };
    if !acceptable(cx, &contact, plain, &body) {
        let text = "a message was refused: its clock is more than a day ahead, or it belongs to \
                    another conversation";
        return cx.notice(Some(contact.no), "message_refused", text);
    }
    let clock = plain.clock.unwrap_or(0);
    match body {
        Body::Text(_) | Body::Later => message(cx, contact, plain, &body),
        Body::Timer(Timer { secs }) => {
            let told = timers::heard(cx, &mut contact, secs, clock, plain.mid)?;
            message(cx, contact, plain, &body)?;
            told.map_or(Ok(()), |no| cx.log(ChangeKind::Contact { no }).map(|_| ()))
        }
        Body::Reaction(Reaction { to, emoji }) => {
            let reaction = ReactionRow {
                mine: false,
                emoji,
                clock,
                mid: plain.mid,
            };
            amend::take(cx, contact, &to, clock, Amend::Reaction(reaction))
        }
        Body::Edit(Edit { to, text }) => {
            let version = Version {
                clock,
                mid: plain.mid,
            };
            let mine = false;
            let said = Amend::Edit {
                mine,
                text,
                version,
            };
            amend::take(cx, contact, &to, clock, said)
        }
        Body::Delete(Delete { to }) => {
            amend::take(cx, contact, &to, clock, Amend::Delete { mine: false })
        }
        Body::Receipt(receipt) => outbox::receipt(cx, contact.no, device, &receipt),
        Body::Profile(profile) => {
            let before = contact.name.clone();
            if introduce(cx, &mut contact, &profile)? {
                contact::put(cx.tx, &contact);
                cx.log(ChangeKind::Contact { no: contact.no })?;
                // Their first name takes the place of a part of their address: no news.
                if !before.starts_with(&stand_in(&contact.account, &contact.ak)) {
                    let text = format!("{before} is called {} from now on", contact.name);
                    cx.notice(Some(contact.no), "renamed", &text)?;
                }
            }
            Ok(())
        }
        Body::Lists(lists) => take_lists(cx, contact, &lists),
        Body::PeerIds(ids) => match from {
            Some(from) => bind(cx, &contact, device, from, &ids),
            None => bind_held(cx, &contact, device, &ids),
        },
        Body::Repair(repair) => take_repair(cx, &contact, device, &repair),
        Body::BundleRequest => outbox::enqueue_current(cx, &contact, kind::BUNDLE),
        Body::Bundle(body) => take_bundle(cx, &contact, device, body.bundle),
        Body::Ignored => Ok(()),
    }
}

/// The sender used an old list of ours: send it the new one, at most once an hour.
fn old_list(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    plain: &Plain,
) -> Result<(), StoreError> {
    if plain.recipient_list.version >= cx.own.list.version {
        return Ok(());
    }
    let mut row = contact::device(cx.tx, contact.no, device)?;
    if row.told != 0 && cx.at.now.saturating_sub(row.told) < HOUR_MS {
        return Ok(());
    }
    row.told = cx.at.now;
    contact::put_device(cx.tx, contact.no, device, &row);
    outbox::enqueue_current(cx, contact, kind::LISTS)
}

fn message(
    cx: &mut Cx<'_, '_, '_>,
    mut contact: ContactRow,
    plain: &Plain,
    body: &Body,
) -> Result<(), StoreError> {
    let clock = plain.clock.unwrap_or(0);
    let now = cx.at.now;
    let row = MessageRow {
        timer: gone::carried(body, plain.timer),
        // Somebody else's word, shown as a date: as far ahead as a clock may be, and no further.
        sent: plain.sent.unwrap_or(clock).min(now + CLOCK_AHEAD_MS),
        ..MessageRow::new(plain.mid, false, plain.body.clone(), clock, now)
    };
    let own = cx.own.account;
    let Some((order, mut row)) = view::insert(cx.tx, &mut contact, &own, row)? else {
        return Ok(());
    };
    let key = Blob(order.clone());
    let arrival = cx.log(ChangeKind::Message {
        no: contact.no,
        key,
    })?;
    if row.deleted_at.is_some() {
        amend::bury(cx, contact.no, &order);
    } else {
        view::mark_unread(cx.tx, &mut contact, arrival, &order, &mut row);
        if let Some(at) = gone::due(&row) {
            agenda::expire(cx.tx, at, contact.no, &order);
        }
    }
    pack::came(cx, &contact)?;
    contact::put(cx.tx, &contact);
    Ok(())
}

/// Takes over a self-declared name and note, unless the user chose the petname. The caller puts
/// `contact` back.
fn introduce(
    cx: &mut Cx<'_, '_, '_>,
    contact: &mut ContactRow,
    profile: &Profile,
) -> Result<bool, StoreError> {
    if contact.state == ContactState::Requested
        && let Some(note) = &profile.note
    {
        contact.note = note.clone();
    }
    let Some(name) = clean_name(&profile.name).filter(|_| !contact.name_given) else {
        return Ok(false);
    };
    let before = contact.name.clone();
    contact::rename(cx.tx, contact, &name)?;
    Ok(contact.name != before)
}

fn take_lists(
    cx: &mut Cx<'_, '_, '_>,
    mut contact: ContactRow,
    lists: &Lists,
) -> Result<(), StoreError> {
    let Some(row) = cx.tx.row::<AccountRow>(&account_key(&contact.account))? else {
        return Ok(());
    };
    let genesis = row.genesis;
    let Ok(chain) = Chain::open(&genesis, &lists.statement, &lists.list) else {
        return Ok(());
    };
    let fresh = chain.freshness(secs(cx.at.now)) == Freshness::Fresh;
    if chain.account != contact.account || !fresh {
        return Ok(());
    }
    keep_account(
        cx,
        &mut contact,
        &genesis,
        &lists.statement,
        &lists.list,
        &chain,
    )?;
    contact::put(cx.tx, &contact);
    Ok(())
}

/// The device says where it is. Only the node that says so itself is believed, or who says so
/// where nothing but the bringer of the first message was known: else one could claim another's
/// connection.
fn bind(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    from: &Peer,
    ids: &PeerIds,
) -> Result<(), StoreError> {
    let mut row = contact::device(cx.tx, contact.no, device)?;
    let whose = contact::by_peer(cx.tx, &ids.peer)?;
    let taken = whose.is_some_and(|(no, _)| no != contact.no);
    let told = ids.peer == *from || row.peer == Some(ids.peer) || row.provisional;
    if taken || !told {
        return Ok(());
    }
    let moved = row.peer != Some(ids.peer);
    if let Some(old) = row.peer.filter(|_| moved)
        && contact::by_peer(cx.tx, &old)? == Some((contact.no, *device))
    {
        contact::unbind_peer(cx.tx, &old);
    }
    row.peer = Some(ids.peer);
    row.provisional = false;
    row.addrs.clone_from(&ids.addrs);
    contact::put_device(cx.tx, contact.no, device, &row);
    contact::bind_peer(cx.tx, &ids.peer, contact.no, device);
    if moved && let Some(how) = outbox::reach_of(cx.tx, &ids.peer)? {
        outbox::up(cx, &ids.peer, how)?;
    }
    Ok(())
}

/// A requester's addresses, believed once it is accepted, unless the peer is somebody else's.
fn bind_held(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    ids: &PeerIds,
) -> Result<(), StoreError> {
    bind(cx, contact, device, &ids.peer, ids)?;
    outbox::attend_now(cx, contact.no, device)
}

/// The peer made a new session because this one failed there: what was sealed on it is sealed
/// anew.
fn take_repair(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    repair: &Repair,
) -> Result<(), StoreError> {
    let no = contact.no;
    let mut row = contact::device(cx.tx, no, device)?;
    for session in &mut row.sessions {
        session.broken |= session.id == repair.failed;
    }
    contact::put_device(cx.tx, no, device, &row);
    outbox::unseal(cx, no, device, |sealed| *sealed == repair.failed)?;
    outbox::pump(cx, no, device)
}

fn take_bundle(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    signed: crate::identity::account::Signed,
) -> Result<(), StoreError> {
    let Some(account) = cx.tx.row::<AccountRow>(&account_key(&contact.account))? else {
        return Ok(());
    };
    let Ok(devices) = account.devices() else {
        return Ok(());
    };
    let Some(listed) = devices.iter().find(|d| d.id == *device) else {
        return Ok(());
    };
    let now = secs(cx.at.now);
    if bundle::open(&signed, &contact.account, listed, now, 0).is_ok() {
        contact::put_bundle(cx.tx, contact.no, device, &signed);
    }
    Ok(())
}

/// A row that says a letter was seen.
const fn seen(now: u64, mid: Option<Mid>) -> SeenRow {
    SeenRow {
        at: now,
        mid,
        receipted_at: now,
    }
}
