//! Repairs: a session that fails is replaced by a new one that names it.

use super::accounts::effective;
use super::handshake::begin;
use crate::agenda::{self, Job};
use crate::feed::body::{Body, Repair};
use crate::id::{B32, DeviceId, Mid, SessionId};
use crate::identity::bundle::{self, Bundle};
use crate::identity::contact::{self, ContactNo, ContactRow, ContactState};
use crate::identity::device::account_key;
use crate::identity::list::AccountRow;
use crate::limits::{
    REPAIR_BUNDLE_GRACE_S, REPAIR_HOLD_MS, REPAIRS_PER_DAY_MAX, REPAIRS_PER_MONTH_MAX,
};
use crate::outbox::{self, Cx};
use crate::session;
use crate::store::{ReadExt, StoreError};
use crate::time::{DAY_MS, secs};

/// A letter of a connected contact failed: replace the session after a while, if it still fails.
pub(super) fn schedule(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
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
    no: ContactNo,
    device: &DeviceId,
    failed: &SessionId,
    n: u32,
) -> Result<(), StoreError> {
    let Some(contact) = contact::get(cx.tx, no)? else {
        return Ok(());
    };
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
    let (bundle, hash) = match verified_bundle(cx, &contact, device)? {
        Some(found) => found,
        None => {
            contact::put_device(cx.tx, no, device, &row);
            let text = "the secure session is broken and their prekeys are too old to make a \
                        new one; theirs makes it when it next reaches yours";
            return cx.notice(Some(no), "session_broken", text);
        }
    };
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

/// The newest bundle of a device and its hash, if it may still be used for a repair.
fn verified_bundle(
    cx: &Cx<'_, '_, '_>,
    contact: &ContactRow,
    device: &DeviceId,
) -> Result<Option<(Bundle, B32)>, StoreError> {
    let Some(signed) = contact::bundle(cx.tx, contact.no, device)? else {
        return Ok(None);
    };
    let Some(account) = cx.tx.row::<AccountRow>(&account_key(&contact.account))? else {
        return Ok(None);
    };
    let devices = effective(&account)?;
    let Some(listed) = devices.iter().find(|d| d.id == *device) else {
        return Ok(None);
    };
    let now = secs(cx.at.now);
    let open = bundle::open(
        &signed,
        &contact.account,
        listed,
        now,
        REPAIR_BUNDLE_GRACE_S,
    );
    Ok(open.ok().map(|open| (open, signed.hash())))
}
