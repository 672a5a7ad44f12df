//! First messages: who sends them, and what admits them.

use super::accounts::{effective, merged};
use super::admit::admit;
use super::letters;
use super::way::Way;
use super::{NONSENSE, STRANGER};
use crate::discovery::invite::{self, InviteRow};
use crate::id::{Fixed, Hash16, InviteId};
use crate::identity::account::SUITE;
use crate::identity::bundle::{Bundle, OneTimeRow};
use crate::identity::contact::{self, ContactRow, ContactState};
use crate::identity::device;
use crate::identity::list::{Chain, Freshness};
use crate::limits::{CLOCK_SKEW_S, REQUESTS_MAX};
use crate::outbox::Cx;
use crate::private::Secret;
use crate::session::handshake::{HsPublic, Init, Opened, init_hash, respond};
use crate::session::{self, InitSeenRow};
use crate::store::{ReadExt, StoreError};
use crate::time::secs;
use crate::wire::codec::decode;

/// What admits a first message.
pub(super) enum Pass {
    /// An invite of ours.
    Invite(InviteId, InviteRow),
    /// A repair that proves knowledge of the broken session.
    Heal(contact::ContactNo),
    /// Nothing: only an existing contact may do that, and it is told to the user.
    None,
}

/// A first message, or a later letter of somebody's first flight. Says whether its letter has to
/// wait for others, and is to be brought again.
pub(super) fn receive(
    cx: &mut Cx<'_, '_, '_>,
    way: Way<'_>,
    init: &Init,
) -> Result<bool, StoreError> {
    let Some(hs) = decode::<HsPublic>(&init.pb)
        .ok()
        .filter(|hs| hs.suite == SUITE && hs.device == cx.own.device)
    else {
        way.penalise(cx, NONSENSE);
        return Ok(false);
    };
    let hash = init_hash(&init.pb, &init.eid);
    if let Some(seen) = cx
        .tx
        .row::<InitSeenRow>(&session::init_seen_key(&hs.bundle, &hash))?
    {
        // Known: hand its letter to the session, if that is still there.
        return match session::load(cx.tx, &seen.session)? {
            Some(session) => letters::open_in(cx, way, session, &init.letter),
            None => Ok(false),
        };
    }
    way.penalise(cx, STRANGER);
    let Some(prekeys) = device::prekeys(cx.tx, &hs.bundle)? else {
        return Ok(false);
    };
    let Ok(published) = prekeys.bundle.peek::<Bundle>() else {
        return Ok(false);
    };
    if published.spk.id != hs.spk || published.pq.id != hs.pq {
        way.penalise(cx, NONSENSE);
        return Ok(false);
    }
    let (pass, psk) = match hs.psk {
        None => (Pass::None, None),
        Some(id) => match admission(cx, &id)? {
            Some((pass, psk)) => (pass, Some(psk)),
            None => return Ok(false),
        },
    };
    let opk = match hs.opk {
        None => None,
        Some(number) => match cx.tx.row::<OneTimeRow>(&invite::one_time_key(number))? {
            // Only its own invite gives it out, and marks it used.
            Some(row) if matches!(&pass, Pass::Invite(id, _) if *id == row.invite) => Some(row),
            _ => return Ok(false),
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
        way.penalise(cx, NONSENSE);
        return Ok(false);
    };
    if opk.as_ref().is_some_and(|row| row.used) {
        return used_twice(cx, pass).map(|()| false);
    }
    let Some(arrival) = believe(cx, opened, pass)? else {
        return Ok(false);
    };
    let Ok(keys) = arrival.opened.keys(&cx.own, &prekeys) else {
        return Ok(false);
    };
    admit(cx, way, init, &hs, hash, arrival, keys, prekeys.spk)?;
    Ok(false)
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
    Ok(Some((Pass::Heal(no), session::heal_psk(&session.k_exp).1)))
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
pub(super) struct Arrival {
    pub(super) opened: Opened,
    pub(super) chain: Chain,
    pub(super) pass: Pass,
    pub(super) known: Option<ContactRow>,
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
        // Knowing somebody else's session proves nothing about oneself.
        Pass::Heal(no) => {
            state == Some(ContactState::Connected)
                && known.as_ref().is_some_and(|contact| contact.no == *no)
        }
        Pass::None => state == Some(ContactState::Connected),
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
