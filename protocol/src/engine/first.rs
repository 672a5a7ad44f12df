//! First contact: invites, the handshake, and repairs, which are handshakes too.

use super::letters::{self, Taken};
use super::{NONSENSE, STRANGER, penalise, refuse};
use crate::agenda::{self, Job};
use crate::crypto::agree::AgreeKey;
use crate::discovery::invite::{
    self, Floor, Invite, InviteGet, InviteObjects, InvitePlain, InviteRow,
};
use crate::feed::body::{Body, Repair, kind};
use crate::feed::changes::ChangeKind;
use crate::frame::Frame;
use crate::id::{B32, DeviceId, Fixed, Hash16, Mid, Peer, SessionId, peer_of_addr};
use crate::identity::account::{SUITE, Signed};
use crate::identity::bundle::{self, Bundle, NumberedKey, OneTimeRow};
use crate::identity::contact::{
    self, ContactRow, ContactState, DeviceRow, INVITER, PendingInvite, SessionRef,
};
use crate::identity::device::{self, account_key};
use crate::identity::list::{AccountRow, Chain, Device, Freshness, Merge};
use crate::limits::{
    ADDRS_MAX, CLOCK_SKEW_S, INIT_SEEN_MAX, INVITE_ADDRS, INVITE_LIFE_S_MAX, INVITE_USES_MAX,
    INVITES_MAX, REPAIR_BUNDLE_GRACE_S, REPAIR_HOLD_MS, REPAIRS_PER_DAY_MAX, REPAIRS_PER_MONTH_MAX,
    REQUESTS_MAX,
};
use crate::outbox::{self, Cx, What};
use crate::output::{Answer, Output, Refusal, RefusalKind};
use crate::private::Secret;
use crate::session::handshake::{
    BundleOrHash, HsPublic, Init, Opened, Target, init_hash, initiate, respond,
};
use crate::session::ratchet::{FirstFlight, SessionRow};
use crate::session::{self, InitSeenRow, SeenRow};
use crate::store::{Key, ReadExt, StoreError, Table};
use crate::time::{DAY_MS, MINUTE_S, Secs, secs};
use crate::wire::codec::{Blob, decode};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Room for the first letter when A decides whether its bundle fits into the init.
const FIRST_LETTER_BYTES: usize = 330;
/// Shortest life of an invite.
const INVITE_LIFE_S_MIN: Secs = MINUTE_S;

type Outcome<T> = Result<Result<T, Refusal>, StoreError>;

/// Makes an invite.
pub(super) fn invite(cx: &mut Cx<'_, '_, '_>, uses: u8, life: Secs) -> Outcome<Answer> {
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
            let address = crate::identity::account::address(&link.account, &link.ak);
            // Until they say their name, the beginning of their address stands in.
            let short: String = address.chars().take(12).collect();
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
    contact.state = ContactState::Pending;
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
    if contact::by_peer(cx.tx, &peer)?.is_none_or(|(no, _)| no == contact.no) {
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
        penalise(cx, from, NONSENSE);
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
    row.bundle = Some(plain.bundle.clone());
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
    let mid = Mid::random(cx.at.rng);
    let profile = What::Current {
        kind: kind::PROFILE,
        note,
    };
    outbox::enqueue(cx, no, &bundle.device, mid, profile)?;
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

/// Stores verified account objects and what letters and queues need of them. The caller puts
/// `contact` back. Says whether the stored list speaks for `chain` too.
pub(super) fn keep_account(
    cx: &mut Cx<'_, '_, '_>,
    contact: &mut ContactRow,
    genesis: &Signed,
    statement: &Signed,
    list: &Signed,
    chain: &Chain,
) -> Result<(), StoreError> {
    let damaged = |_| StoreError::Damaged(Table::Account);
    let (row, merge) = merged(cx, genesis, statement, list, chain)?;
    if merge == Merge::Fork {
        let text = "two device lists of one version were signed: a key may be cloned";
        cx.notice(Some(contact.no), "device_list_fork", text)?;
    }
    let stored = row.chain().map_err(damaged)?;
    contact.list = Some(stored.list_ref);
    contact.ak = stored.statement.ak;
    let devices = effective(&row)?;
    contact
        .devices
        .retain(|id| devices.iter().any(|d| d.id == *id));
    cx.tx.put(account_key(&chain.account), &row);
    Ok(())
}

/// What is stored of an account once verified objects are merged in; nothing is written.
fn merged(
    cx: &Cx<'_, '_, '_>,
    genesis: &Signed,
    statement: &Signed,
    list: &Signed,
    chain: &Chain,
) -> Result<(AccountRow, Merge), StoreError> {
    let Some(mut row) = cx.tx.row::<AccountRow>(&account_key(&chain.account))? else {
        let row = AccountRow::new(genesis.clone(), statement.clone(), list.clone(), chain);
        return Ok((row, Merge::Newer));
    };
    let merge = row
        .merge(statement, list, chain)
        .map_err(|_| StoreError::Damaged(Table::Account))?;
    Ok((row, merge))
}

fn effective(row: &AccountRow) -> Result<Vec<Device>, StoreError> {
    row.devices()
        .map_err(|_| StoreError::Damaged(Table::Account))
}

/// Our side of HS towards a verified bundle. Adopts the session into `row`; the caller puts it.
fn begin(
    cx: &mut Cx<'_, '_, '_>,
    contact: &ContactRow,
    row: &mut DeviceRow,
    bundle: &Bundle,
    bundle_hash: B32,
    opk: Option<(u32, B32)>,
    psk: Option<(Hash16, Secret<32>)>,
) -> Result<Option<SessionId>, StoreError> {
    let born = secs(cx.at.now).max(row.born + 1);
    let objects = device::objects(cx.tx, &cx.own)?;
    let own_bundle = device::current_bundle(cx.tx)?;
    let first_letter = FIRST_LETTER_BYTES + contact.note.len();
    let to = Target {
        bundle,
        bundle_hash,
        opk,
        psk,
    };
    let made = initiate(
        &cx.own,
        &objects,
        &own_bundle,
        &to,
        born,
        first_letter,
        cx.at.rng,
    );
    // Only a malformed key of theirs can fail here; there is nobody to tell.
    let Ok(made) = made else { return Ok(None) };
    let first = FirstFlight {
        pb: Blob(made.pb),
        eid: Blob(made.eid),
        sealed: 0,
    };
    let session = SessionRow::initiator(
        &made.keys,
        contact.no,
        bundle.device,
        bundle.spk.key,
        first,
        born,
        cx.at.now,
    );
    let new = SessionRef {
        id: made.keys.sid,
        born,
        th2: made.keys.th2,
        ready: true,
        broken: false,
        k_mbx: made.keys.k_mbx,
        k_exp: made.keys.k_exp,
        made_at: cx.at.now,
    };
    session::adopt(cx.tx, row, &session, new);
    Ok(Some(session.id))
}

/// What admits a first message.
enum Pass {
    /// An invite of ours.
    Invite(crate::id::InviteId, InviteRow),
    /// A repair that proves knowledge of the broken session.
    Heal,
    /// Nothing: only an existing contact may do that, and it is told to the user.
    None,
}

/// A first message, or a later letter of somebody's first flight.
pub(super) fn receive(cx: &mut Cx<'_, '_, '_>, from: &Peer, init: &Init) -> Result<(), StoreError> {
    let Some(hs) = decode::<HsPublic>(&init.pb)
        .ok()
        .filter(|hs| hs.suite == SUITE && hs.device == cx.own.device)
    else {
        penalise(cx, from, NONSENSE);
        return Ok(());
    };
    let hash = init_hash(&init.pb, &init.eid);
    if let Some(seen) = cx
        .tx
        .row::<InitSeenRow>(&session::init_seen_key(&hs.bundle, &hash))?
    {
        // Known: hand its letter to the session, if that is still there.
        return match session::load(cx.tx, &seen.session)? {
            Some(session) => letters::open_on(cx, from, session, &init.letter),
            None => Ok(()),
        };
    }
    penalise(cx, from, STRANGER);
    let Some(prekeys) = device::prekeys(cx.tx, &hs.bundle)? else {
        return Ok(());
    };
    let Ok(published) = prekeys.bundle.peek::<Bundle>() else {
        return Ok(());
    };
    if published.spk.id != hs.spk || published.pq.id != hs.pq {
        penalise(cx, from, NONSENSE);
        return Ok(());
    }
    let (pass, psk) = match hs.psk {
        None => (Pass::None, None),
        Some(id) => match admission(cx, &id)? {
            Some((pass, psk)) => (pass, Some(psk)),
            None => return Ok(()),
        },
    };
    let opk = match hs.opk {
        None => None,
        Some(number) => match cx.tx.row::<OneTimeRow>(&invite::one_time_key(number))? {
            // Only its own invite gives it out, and marks it used.
            Some(row) if matches!(&pass, Pass::Invite(id, _) if *id == row.invite) => Some(row),
            _ => return Ok(()),
        },
    };
    let opk_key = opk.as_ref().map(|row| &row.key);
    let opened = respond(
        &cx.own,
        &prekeys,
        opk_key,
        psk.as_ref(),
        &init.pb,
        &hs,
        &init.eid,
    );
    let Ok(opened) = opened else {
        penalise(cx, from, NONSENSE);
        return Ok(());
    };
    if opk.as_ref().is_some_and(|row| row.used) {
        return used_twice(cx, pass);
    }
    let Some(arrival) = believe(cx, opened, pass)? else {
        return Ok(());
    };
    let Ok(keys) = arrival.opened.keys(&cx.own, &prekeys) else {
        return Ok(());
    };
    admit(cx, from, init, &hs, hash, arrival, keys, prekeys.spk)
}

/// What a pre-shared key admits to.
fn admission(cx: &Cx<'_, '_, '_>, id: &Hash16) -> Result<Option<(Pass, Secret<32>)>, StoreError> {
    let invite_id = Fixed(id.0);
    if let Some(row) = cx.tx.row::<InviteRow>(&invite::key(&invite_id))? {
        let psk = row.psk.clone();
        return Ok(Some((Pass::Invite(invite_id, row), psk)));
    }
    let Some((no, device, session)) = session::by_heal_id(cx.tx, id)? else {
        return Ok(None);
    };
    let row = contact::device(cx.tx, no, &device)?;
    let Some(session) = row.sessions.iter().find(|s| s.id == session) else {
        return Ok(None);
    };
    Ok(Some((Pass::Heal, session::heal_psk(&session.k_exp).1)))
}

/// Tells the owner, once, that a one-use link was tried by a second person.
fn used_twice(cx: &mut Cx<'_, '_, '_>, pass: Pass) -> Result<(), StoreError> {
    let Pass::Invite(id, mut row) = pass else {
        return Ok(());
    };
    if !row.told_twice {
        row.told_twice = true;
        cx.tx.put(invite::key(&id), &row);
        let text = "a one-use link was used by a second person, who was refused; \
                    compare safety numbers with the first";
        cx.notice(None, "link_used_twice", text)?;
    }
    Ok(())
}

/// A first message whose sender is who it says, and may come in.
struct Arrival {
    opened: Opened,
    chain: Chain,
    pass: Pass,
    known: Option<ContactRow>,
}

fn believe(
    cx: &mut Cx<'_, '_, '_>,
    opened: Opened,
    pass: Pass,
) -> Result<Option<Arrival>, StoreError> {
    let now = secs(cx.at.now);
    let ident = &opened.ident;
    let Ok(chain) = Chain::open(&ident.genesis, &ident.statement, &ident.list) else {
        return Ok(None);
    };
    let known = contact::by_account(cx.tx, &chain.account)?;
    // What would be stored after this decides which devices there are: a higher list that is
    // known, and every revocation ever seen.
    let (after, _) = merged(cx, &ident.genesis, &ident.statement, &ident.list, &chain)?;
    let devices = effective(&after)?;
    let listed = devices
        .iter()
        .any(|d| d.id == ident.device && d.dik == ident.dik);
    let sound = chain.account == ident.account
        && chain.account != cx.own.account
        && listed
        && ident.born <= now + CLOCK_SKEW_S;
    let proven = !matches!(pass, Pass::None);
    let fresh = match chain.freshness(now) {
        Freshness::Fresh => true,
        Freshness::Grace => known.is_some() || proven,
        Freshness::Expired | Freshness::FromTheFuture => false,
    };
    if !sound || !fresh {
        return Ok(None);
    }
    let state = known.as_ref().map(|contact| contact.state);
    let welcome = match &pass {
        _ if state == Some(ContactState::Blocked) => false,
        Pass::Invite(_, row) if row.used >= row.uses => {
            // A late first letter of somebody else than whoever used it up.
            if row.uses == 1 && state != Some(ContactState::Connected) {
                used_twice(cx, pass)?;
            }
            return Ok(None);
        }
        Pass::Invite(_, row) => {
            ident.born <= row.expires && (row.uses == 1 || known.is_some() || room(cx)?)
        }
        Pass::Heal | Pass::None => state == Some(ContactState::Connected),
    };
    Ok(welcome.then_some(Arrival {
        opened,
        chain,
        pass,
        known,
    }))
}

/// Whether another request may wait.
fn room(cx: &Cx<'_, '_, '_>) -> Result<bool, StoreError> {
    let mut waiting = 0;
    let mut from = 0;
    loop {
        let page = contact::list(cx.tx, from, REQUESTS_MAX)?;
        let Some(last) = page.last() else { break };
        from = last.no + 1;
        waiting += page
            .iter()
            .filter(|c| c.state == ContactState::Requested)
            .count();
    }
    Ok(waiting < REQUESTS_MAX)
}

/// Opens the first letter and, if that succeeds, keeps everything in one transaction.
#[allow(clippy::too_many_arguments)]
fn admit(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    init: &Init,
    hs: &HsPublic,
    hash: B32,
    arrival: Arrival,
    keys: session::handshake::SessionKeys,
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
        penalise(cx, from, NONSENSE);
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
            let address = crate::identity::account::address(&chain.account, &ak);
            let short: String = address.chars().take(12).collect();
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
            row.bundle = Some(signed.clone());
        }
    }
    // Whoever brought the first message gets the answer, until the device says itself where it is.
    if row.peer.is_none() && contact::by_peer(cx.tx, from)?.is_none_or(|(whose, _)| whose == no) {
        row.peer = Some(*from);
        row.provisional = true;
        contact::bind_peer(cx.tx, from, no, &ident.device);
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
    let repaired_unproven = matches!(pass, Pass::None);
    if let Pass::Invite(id, mut invite) = pass {
        use_up(cx, &id, &mut invite)?;
    }
    contact.pending = None;
    contact::put(cx.tx, &contact);
    if before == Some(ContactState::Pending) {
        outbox::readdress(cx, no, &ident.device)?;
    }
    if repaired_unproven {
        if contact.verified {
            contact.verified = false;
            contact::put(cx.tx, &contact);
        }
        let text = "the secure session was made anew without proof of the old one; \
                    compare safety numbers";
        cx.notice(Some(no), "session_unproven", text)?;
    }
    let now_connected = contact.state == ContactState::Connected;
    let letter_hash = letters::letter_hash(&init.letter);
    let mut opened = first;
    opened.next.contact = no;
    letters::commit(
        cx,
        from,
        no,
        ident.device,
        letter_hash,
        opened,
        Taken::First,
    )?;
    if now_connected && before != Some(ContactState::Connected) {
        let contact = contact::must(cx.tx, no)?;
        welcome(cx, &contact)?;
        let reach = outbox::reach_of(cx.tx, from)?.filter(|_| row.peer == Some(*from));
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
fn use_up(
    cx: &mut Cx<'_, '_, '_>,
    id: &crate::id::InviteId,
    row: &mut InviteRow,
) -> Result<(), StoreError> {
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
    outbox::enqueue_current(cx, contact, kind::PEER_IDS)
}

/// A letter of a connected contact failed: replace the session after a while, if it still fails.
pub(super) fn schedule_repair(
    cx: &mut Cx<'_, '_, '_>,
    no: contact::ContactNo,
    device: &DeviceId,
    session: &SessionId,
    n: u32,
) -> Result<(), StoreError> {
    let mut row = contact::device(cx.tx, no, device)?;
    if row.repair_due {
        return Ok(());
    }
    row.repair_due = true;
    contact::put_device(cx.tx, no, device, &row);
    let job = Job::Repair {
        no,
        device: *device,
        session: *session,
        n,
    };
    agenda::at(cx.tx, cx.at.now + REPAIR_HOLD_MS, &job);
    Ok(())
}

/// Replaces a session that fails by a new one that names it.
pub(super) fn repair(
    cx: &mut Cx<'_, '_, '_>,
    no: contact::ContactNo,
    device: &DeviceId,
    failed: &SessionId,
    n: u32,
) -> Result<(), StoreError> {
    let contact = contact::must(cx.tx, no)?;
    let mut row = contact::device(cx.tx, no, device)?;
    row.repair_due = false;
    let now = cx.at.now;
    let recent = |span| {
        row.repairs
            .iter()
            .filter(|at| now.saturating_sub(**at) < span)
            .count()
    };
    let too_often =
        recent(DAY_MS) >= REPAIRS_PER_DAY_MAX || recent(30 * DAY_MS) >= REPAIRS_PER_MONTH_MAX;
    let newer = row
        .sending()
        .is_some_and(|s| s.id != *failed && s.made_at + REPAIR_HOLD_MS > now);
    if contact.state != ContactState::Connected || too_often || newer {
        contact::put_device(cx.tx, no, device, &row);
        return Ok(());
    }
    let bundle = match verified_bundle(cx, &contact, device, &row)? {
        Some(bundle) => bundle,
        None => {
            contact::put_device(cx.tx, no, device, &row);
            let text = "the secure session is broken and their prekeys are too old to make a \
                        new one; ask them for a new invite link";
            return cx.notice(Some(no), "session_broken", text);
        }
    };
    let hash = row.bundle.as_ref().map_or(B32::ZERO, Signed::hash);
    // A session that was never answered may be a repair whose proof the peer has lost: only one
    // without proof gets through then, and the peer is told so.
    let answered = |id: &SessionId| -> Result<bool, StoreError> {
        Ok(session::load(cx.tx, id)?.is_some_and(|session| session.first.is_none()))
    };
    let proof = match row.sessions.iter().find(|s| s.id == *failed) {
        Some(known) if answered(failed)? => Some(session::heal_psk(&known.k_exp)),
        Some(_) => None,
        None => match row.sending() {
            Some(sending) if answered(&sending.id)? => Some(session::heal_psk(&sending.k_exp)),
            _ => None,
        },
    };
    for session in &mut row.sessions {
        session.broken |= session.id == *failed;
    }
    row.repairs
        .retain(|at| now.saturating_sub(*at) < 30 * DAY_MS);
    row.repairs.push(now);
    let last = row.last.unwrap_or(Mid::ZERO);
    let Some(id) = begin(cx, &contact, &mut row, &bundle, hash, None, proof)? else {
        contact::put_device(cx.tx, no, device, &row);
        return Ok(());
    };
    contact::put_device(cx.tx, no, device, &row);
    if let Some(mut session) = session::load(cx.tx, &id)? {
        let body = Body::Repair(Repair {
            failed: *failed,
            n,
            last,
        });
        outbox::enqueue_first(cx, &contact, device, &mut session, &body)?;
        session::save(cx.tx, &session);
    }
    outbox::unseal(cx, no, device, |sealed| sealed == failed)?;
    outbox::pump(cx, no, device)
}

/// The newest bundle of a device, if it may still be used for a repair.
fn verified_bundle(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
    row: &DeviceRow,
) -> Result<Option<Bundle>, StoreError> {
    let Some(signed) = &row.bundle else {
        return Ok(None);
    };
    let Some(account) = cx.tx.row::<AccountRow>(&account_key(&contact.account))? else {
        return Ok(None);
    };
    let devices = account
        .devices()
        .map_err(|_| StoreError::Damaged(Table::Account))?;
    let Some(listed) = devices.iter().find(|d| d.id == *device) else {
        return Ok(None);
    };
    let now = secs(cx.at.now);
    let open = bundle::open(signed, &contact.account, listed, now, REPAIR_BUNDLE_GRACE_S);
    Ok(open.ok())
}

/// A row that says a letter was seen.
pub(super) const fn seen(now: u64, mid: Option<Mid>) -> SeenRow {
    SeenRow {
        at: now,
        mid,
        receipted_at: now,
    }
}
