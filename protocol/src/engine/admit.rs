//! A first message that may come in: everything it changes, in one transaction.

use super::accounts::{keep_account, stand_in};
use super::arrival::{Arrival, Pass};
use super::letters::{self, Taken};
use super::way::Way;
use super::{NONSENSE, bridges};
use crate::crypto::agree::AgreeKey;
use crate::discovery::invite::{self, InviteRow};
use crate::feed::body::kind;
use crate::feed::changes::ChangeKind;
use crate::id::{B32, InviteId};
use crate::identity::bundle::{self, OneTimeRow};
use crate::identity::contact::{self, ContactRow, ContactState, SessionRef};
use crate::limits::INIT_SEEN_MAX;
use crate::outbox::{self, Cx};
use crate::session::handshake::{BundleOrHash, HsPublic, Init, Opened, SessionKeys};
use crate::session::ratchet::SessionRow;
use crate::session::{self, InitSeenRow};
use crate::store::{Key, ReadExt, StoreError, Table};
use crate::time::secs;

/// Opens the first letter and, if that succeeds, keeps everything in one transaction.
#[allow(clippy::too_many_arguments)]
pub(super) fn admit(
    cx: &mut Cx<'_, '_, '_>,
    way: Way<'_>,
    init: &Init,
    hs: &HsPublic,
    hash: B32,
    arrival: Arrival,
    keys: SessionKeys,
    spk: AgreeKey,
) -> Result<(), StoreError> {
    let Arrival {
        opened: Opened { ident, .. },
        chain,
        pass,
        known,
    } = arrival;
    let pinned = known.is_some();
    let counter = if pinned {
        "inits_pinned"
    } else {
        "inits_strangers"
    };
    let seen: u64 = cx.tx.row(&Key::one(Table::Meta, counter))?.unwrap_or(0);
    if seen >= u64::from(INIT_SEEN_MAX) {
        return Ok(());
    }
    let probe = SessionRow::responder(&keys, 0, ident.device, spk, ident.born, cx.at.now);
    let Ok(first) = probe.open(cx.tx, &init.letter, cx.at.now)? else {
        way.penalise(cx, NONSENSE);
        return Ok(());
    };
    if let Some(contact) = &known {
        let row = contact::device(cx.tx, contact.no, &ident.device)?;
        if !session::would_last(&row, ident.born, &keys.th2) {
            return Ok(());
        }
    }
    let (mut contact, before) = match known {
        Some(contact) => {
            let before = Some(contact.state);
            (contact, before)
        }
        None => {
            let ak = chain.statement.ak;
            let short = stand_in(&chain.account, &ak);
            let state = ContactState::Requested;
            let now = cx.at.now;
            (
                contact::add(cx.tx, chain.account, ak, &short, state, now)?,
                None,
            )
        }
    };
    contact.state = match (&pass, before) {
        (_, Some(ContactState::Connected | ContactState::Pending)) => ContactState::Connected,
        (Pass::Invite(_, row), _) if row.uses == 1 => ContactState::Connected,
        _ => ContactState::Requested,
    };
    keep_account(
        cx,
        &mut contact,
        &ident.genesis,
        &ident.statement,
        &ident.list,
        &chain,
    )?;
    if !contact.devices.contains(&ident.device) {
        contact.devices.push(ident.device);
    }
    let no = contact.no;
    let mut row = contact::device(cx.tx, no, &ident.device)?;
    if let BundleOrHash::Bundle(signed) = &ident.bundle {
        let listed = chain.list.devices.iter().find(|d| d.id == ident.device);
        let now = secs(cx.at.now);
        if listed.is_some_and(|d| bundle::open(signed, &chain.account, d, now, 0).is_ok()) {
            contact::put_bundle(cx.tx, no, &ident.device, signed);
        }
    }
    // Whoever brought the first message gets the answer, until the device says itself where it is.
    if let Some(from) = way.peer().filter(|_| row.peer.is_none())
        && contact::by_peer(cx.tx, &from)?.is_none_or(|(whose, _)| whose == no)
    {
        row.peer = Some(from);
        row.provisional = true;
        contact::bind_peer(cx.tx, &from, no, &ident.device);
    }
    let mut session = probe;
    session.contact = no;
    let new = SessionRef {
        id: keys.sid,
        born: ident.born,
        th2: keys.th2,
        ready: true,
        broken: false,
        k_mbx: keys.k_mbx,
        k_exp: keys.k_exp,
        made_at: cx.at.now,
        initiator: Some(false),
    };
    session::adopt(cx.tx, &mut row, &session, new);
    contact::put_device(cx.tx, no, &ident.device, &row);
    cx.tx.put(
        session::init_seen_key(&hs.bundle, &hash),
        &InitSeenRow {
            session: keys.sid,
            pinned,
        },
    );
    cx.tx.put(Key::one(Table::Meta, counter), &(seen + 1));
    // A link proves as little about an earlier session as nothing does.
    let unproven = match &pass {
        Pass::Heal(_) => false,
        Pass::None => true,
        Pass::Invite(..) => contact.verified && before == Some(ContactState::Connected),
    };
    // A contact that comes by a link again may have forgotten us, and whatever we told it.
    let begins_anew = matches!(pass, Pass::Invite(..)) && before == Some(ContactState::Connected);
    if let Pass::Invite(id, mut invite) = pass {
        use_up(cx, &id, &mut invite)?;
    }
    contact.pending = None;
    contact::put(cx.tx, &contact);
    if before == Some(ContactState::Pending) {
        outbox::readdress(cx, no, &ident.device)?;
    }
    if unproven {
        if contact.doubt(cx.at.now) {
            contact::put(cx.tx, &contact);
            cx.log(ChangeKind::Contact { no })?;
        }
        let text = "the secure session was made anew without proof of the old one; \
                    compare safety numbers";
        cx.notice(Some(no), "session_unproven", text)?;
    }
    if before == Some(ContactState::Connected) {
        bridges::lane(cx, no, &ident.device, &keys.sid)?;
    }
    let now_connected = contact.state == ContactState::Connected;
    let letter_hash = letters::letter_hash(&init.letter);
    let mut opened = first;
    opened.next.contact = no;
    letters::commit(cx, way, no, ident.device, letter_hash, opened, Taken::First)?;
    if begins_anew {
        outbox::unseal(cx, no, &ident.device, |sealed| *sealed != keys.sid)?;
        let contact = contact::must(cx.tx, no)?;
        welcome(cx, &contact)?;
    }
    if now_connected && before != Some(ContactState::Connected) {
        let contact = contact::must(cx.tx, no)?;
        welcome(cx, &contact)?;
        let from = way.peer().filter(|from| row.peer == Some(*from));
        let reach = match from {
            Some(from) => outbox::reach_of(cx.tx, &from)?,
            None => None,
        };
        if reach.is_some() {
            cx.log(ChangeKind::Reach { no, reach })?;
        }
    }
    if contact.state == ContactState::Requested {
        cx.log(ChangeKind::Request { no })?;
    }
    Ok(())
}

/// Counts a use; a used-up invite keeps only what late first letters need.
fn use_up(cx: &mut Cx<'_, '_, '_>, id: &InviteId, row: &mut InviteRow) -> Result<(), StoreError> {
    row.used = row.used.saturating_add(1);
    if row.used >= row.uses {
        row.seed = None;
    }
    if let Some(number) = row.opk {
        let key = invite::one_time_key(number);
        if let Some(mut one) = cx.tx.row::<OneTimeRow>(&key)? {
            one.used = true;
            cx.tx.put(key, &one);
        }
    }
    cx.tx.put(invite::key(id), row);
    Ok(())
}

/// A contact is connected from now on: tell it who and where we are.
pub(super) fn welcome(cx: &mut Cx<'_, '_, '_>, contact: &ContactRow) -> Result<(), StoreError> {
    cx.log(ChangeKind::Contact { no: contact.no })?;
    outbox::enqueue_current(cx, contact, kind::PROFILE)?;
    outbox::enqueue_current(cx, contact, kind::PEER_IDS)?;
    bridges::lanes_of(cx, contact.no)
}
