//! Invites: made, taken up, and the objects that travel between.

use super::accounts::{effective, keep_account, merged, stand_in};
use super::handshake::begin;
use super::{NONSENSE, Outcome, STRANGER, penalise, refuse};
use crate::crypto::agree::AgreeKey;
use crate::discovery::invite::{
    self, Floor, Invite, InviteGet, InviteObjects, InvitePlain, InviteRow,
};
use crate::feed::body::{Body, Profile, kind};
use crate::feed::changes::ChangeKind;
use crate::frame::Frame;
use crate::id::{Fixed, Mid, Peer, peer_of_addr};
use crate::identity::account::SUITE;
use crate::identity::bundle::{self, Bundle, NumberedKey, OneTimeRow};
use crate::identity::contact::{self, ContactRow, ContactState, DeviceRow, INVITER, PendingInvite};
use crate::identity::device;
use crate::identity::list::{Chain, Freshness};
use crate::limits::{ADDRS_MAX, INVITE_ADDRS, INVITE_LIFE_S_MAX, INVITE_USES_MAX, INVITES_MAX};
use crate::outbox::{self, Cx, What};
use crate::output::{Answer, Output, RefusalKind};
use crate::private::Secret;
use crate::session;
use crate::store::{ReadExt, StoreError};
use crate::time::{MINUTE_S, Secs, secs};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Shortest life of an invite.
const INVITE_LIFE_S_MIN: Secs = MINUTE_S;

/// Makes an invite.
pub(super) fn make(cx: &mut Cx<'_, '_, '_>, uses: u8, life: Secs) -> Outcome<Answer> {
    if !(1..=INVITE_USES_MAX).contains(&uses) {
        let message = format!("an invite has 1 to {INVITE_USES_MAX} uses");
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "bad_uses",
            &message,
            None,
        )));
    }
    if !(INVITE_LIFE_S_MIN..=INVITE_LIFE_S_MAX).contains(&life) {
        let message = "an invite lives from one minute to 30 days";
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "bad_expiry",
            message,
            None,
        )));
    }
    let now = secs(cx.at.now);
    let mut index = invite::index(cx.tx)?;
    if index.iter().filter(|(_, expires)| *expires >= now).count() >= INVITES_MAX {
        let message = format!("{INVITES_MAX} invites are open already");
        let hint = Some("they close when they are used or expire");
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "too_many_invites",
            &message,
            hint,
        )));
    }
    let seed = Secret::random(cx.at.rng);
    let (id, expires) = (invite::id(&seed), now + life);
    let opk = if uses == 1 {
        let number = u32::try_from(cx.tx.count_up("one_time")? + 1).unwrap_or(u32::MAX);
        let key = AgreeKey::random(cx.at.rng);
        let row = OneTimeRow {
            key,
            invite: id,
            used: false,
        };
        cx.tx.put(invite::one_time_key(number), &row);
        Some(number)
    } else {
        None
    };
    let link = Invite {
        version: 1,
        account: cx.own.account,
        ak: cx.own.ak_public,
        floor: Floor {
            epoch: cx.own.list.epoch,
            version: cx.own.list.version,
            suite: SUITE,
        },
        bridges: Vec::new(),
        addrs: outbox::listening(cx.tx)?
            .into_iter()
            .take(INVITE_ADDRS)
            .collect(),
        uses,
        expires,
        seed: seed.clone(),
    }
    .to_link();
    let row = InviteRow {
        psk: invite::psk(&seed),
        seed: Some(seed),
        uses,
        used: 0,
        expires,
        opk,
        told_twice: false,
        made_at: cx.at.now,
    };
    cx.tx.put(invite::key(&id), &row);
    index.push((id, expires));
    invite::put_index(cx.tx, &index);
    Ok(Ok(Answer::Invite {
        link,
        expires,
        uses,
    }))
}

/// Gives an open invite's objects to whoever names it.
pub(super) fn give_objects(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    get: &InviteGet,
) -> Result<(), StoreError> {
    penalise(cx, from, STRANGER);
    let Some(row) = cx.tx.row::<InviteRow>(&invite::key(&get.id))? else {
        return Ok(());
    };
    let open = get.version == 1 && secs(cx.at.now) <= row.expires && row.used < row.uses;
    let Some(seed) = row.seed.filter(|_| open) else {
        return Ok(());
    };
    let objects = device::objects(cx.tx, &cx.own)?;
    let opk = match row.opk {
        Some(number) => cx
            .tx
            .row::<OneTimeRow>(&invite::one_time_key(number))?
            .map(|row| NumberedKey {
                id: number,
                key: row.key.public(),
            }),
        None => None,
    };
    let plain = InvitePlain {
        genesis: objects.genesis,
        statement: objects.statement,
        list: objects.list,
        bundle: device::current_bundle(cx.tx)?,
        opk,
    };
    if let Some(sealed) = invite::seal_objects(&seed, &plain, cx.at.rng) {
        let bytes = Frame::InviteObjects(sealed).to_bytes();
        cx.out.push(Output::Send {
            to: *from,
            id: u64::MAX,
            bytes,
        });
    }
    Ok(())
}

/// Takes up an invite: the contact is pending until its node was reached.
pub(super) fn take_up(
    cx: &mut Cx<'_, '_, '_>,
    known: Option<ContactRow>,
    link: &Invite,
    name: Option<String>,
    note: Option<String>,
) -> Outcome<ContactRow> {
    let mut grouped: Option<(Peer, Vec<String>)> = None;
    for addr in &link.addrs {
        let Some(peer) = peer_of_addr(addr) else {
            continue;
        };
        let (first, addrs) = grouped.get_or_insert((peer, Vec::new()));
        if *first == peer && addrs.len() < ADDRS_MAX {
            addrs.push(addr.clone());
        }
    }
    let Some((peer, addrs)) = grouped else {
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "no_address",
            "this link names no address at which its owner could be reached",
            Some("its owner's node was not listening when it was made; ask for a new one"),
        )));
    };
    let mut contact = match known {
        Some(contact) => contact,
        None => {
            let short = stand_in(&link.account, &link.ak);
            let name = name.as_deref().unwrap_or(&short);
            let now = cx.at.now;
            contact::add(
                cx.tx,
                link.account,
                link.ak,
                name,
                ContactState::Pending,
                now,
            )?
        }
    };
    if let Some(name) = name {
        contact::rename(cx.tx, &mut contact, &name)?;
        contact.name_given = true;
    }
    // To a contact the way by which it is reached stays until the new one leads somewhere.
    if contact.state != ContactState::Connected {
        contact.state = ContactState::Pending;
    }
    contact.came_by = Some(invite::id(&link.seed));
    contact.note = note.unwrap_or_default();
    contact.pending = Some(PendingInvite {
        id: invite::id(&link.seed),
        seed: link.seed.clone(),
        floor: (link.floor.epoch, link.floor.version),
        expires: link.expires,
    });
    contact::put(cx.tx, &contact);
    let row = DeviceRow {
        peer: Some(peer),
        addrs,
        ..DeviceRow::default()
    };
    contact::put_device(cx.tx, contact.no, &INVITER, &row);
    if contact::by_peer(cx.tx, &peer)?.is_none() {
        contact::bind_peer(cx.tx, &peer, contact.no, &INVITER);
    }
    cx.log(ChangeKind::Contact { no: contact.no })?;
    outbox::attend_now(cx, contact.no, &INVITER)?;
    Ok(Ok(contact))
}

/// The inviter's objects came: make the session and ask.
pub(super) fn take_objects(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    objects: &InviteObjects,
) -> Result<(), StoreError> {
    let Some((no, _)) = contact::by_peer(cx.tx, from)? else {
        // Perhaps the answer to what was asked before the user removed the contact.
        penalise(cx, from, STRANGER);
        return Ok(());
    };
    let mut contact = contact::must(cx.tx, no)?;
    let Some(pending) = contact.pending.clone().filter(|p| p.id == objects.id) else {
        return Ok(());
    };
    let now = secs(cx.at.now);
    let Some(checked) = check_objects(cx, &contact, &pending, objects, now)? else {
        penalise(cx, from, NONSENSE);
        return Ok(());
    };
    let Checked {
        plain,
        chain,
        bundle,
    } = checked;
    keep_account(
        cx,
        &mut contact,
        &plain.genesis,
        &plain.statement,
        &plain.list,
        &chain,
    )?;
    let inviter = contact::device(cx.tx, no, &INVITER)?;
    let mut row = contact::device(cx.tx, no, &bundle.device)?;
    row.peer = inviter.peer;
    row.addrs = inviter.addrs;
    contact::put_bundle(cx.tx, no, &bundle.device, &plain.bundle);
    let psk = (Fixed(pending.id.0), invite::psk(&pending.seed));
    let opk = plain.opk.map(|opk| (opk.id, opk.key));
    let hash = plain.bundle.hash();
    let Some(session) = begin(cx, &contact, &mut row, &bundle, hash, opk, Some(psk))? else {
        return Ok(());
    };
    contact.pending = None;
    if !contact.devices.contains(&bundle.device) {
        contact.devices.push(bundle.device);
    }
    contact::put(cx.tx, &contact);
    contact::put_device(cx.tx, no, &bundle.device, &row);
    contact::drop_device(cx.tx, no, &INVITER);
    contact::bind_peer(cx.tx, from, no, &bundle.device);
    let note = Some(contact.note.clone()).filter(|note| !note.is_empty());
    if contact.state == ContactState::Connected
        && let Some(mut row) = session::load(cx.tx, &session)?
    {
        // Ahead of what waits: earlier letters with the same messages may yet be receipted, and then
        // nothing else would bring the new session to the other side again.
        let name = cx.own.name.clone();
        let body = Body::Profile(Profile { name, note });
        outbox::enqueue_first(cx, &contact, &bundle.device, &mut row, &body)?;
        session::save(cx.tx, &row);
    } else {
        let mid = Mid::random(cx.at.rng);
        let profile = What::Current {
            kind: kind::PROFILE,
            note,
        };
        outbox::enqueue(cx, no, &bundle.device, mid, profile)?;
    }
    let mid = Mid::random(cx.at.rng);
    let peer_ids = What::Current {
        kind: kind::PEER_IDS,
        note: None,
    };
    outbox::enqueue(cx, no, &bundle.device, mid, peer_ids)?;
    // Letters of an earlier attempt went to somebody who did not answer.
    outbox::unseal(cx, no, &bundle.device, |sealed| *sealed != session)?;
    outbox::readdress(cx, no, &bundle.device)?;
    outbox::pump(cx, no, &bundle.device)
}

struct Checked {
    plain: InvitePlain,
    chain: Chain,
    bundle: Bundle,
}

fn check_objects(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    pending: &PendingInvite,
    objects: &InviteObjects,
    now: Secs,
) -> Result<Option<Checked>, StoreError> {
    let opened = invite::open_objects(&pending.seed, objects).and_then(|plain| {
        let chain = Chain::open(&plain.genesis, &plain.statement, &plain.list).ok()?;
        let claimed: Bundle = plain.bundle.peek().ok()?;
        Some((plain, chain, claimed.device))
    });
    let Some((plain, chain, device)) = opened else {
        return Ok(None);
    };
    let new_enough = (chain.list_ref.epoch, chain.list_ref.version) >= pending.floor;
    let fresh = matches!(chain.freshness(now), Freshness::Fresh | Freshness::Grace);
    if chain.account != contact.account || !new_enough || !fresh {
        return Ok(None);
    }
    let (after, _) = merged(cx, &plain.genesis, &plain.statement, &plain.list, &chain)?;
    let devices = effective(&after)?;
    let bundle = devices
        .iter()
        .find(|listed| listed.id == device)
        .and_then(|listed| bundle::open(&plain.bundle, &chain.account, listed, now, 0).ok());
    Ok(bundle.map(|bundle| Checked {
        plain,
        chain,
        bundle,
    }))
}
