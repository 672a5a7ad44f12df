//! Erasing at the user's word: the history with a contact, or the contact. Nobody else is told, and
//! each call does a bounded part; the agenda carries on.

use super::Outcome;
use super::commands::{allowed, contact_answer, known};
use crate::agenda::{self, Job};
use crate::feed::changes::{self, ChangeKind};
use crate::feed::erase::Rest;
use crate::feed::view::{self, MessageRow};
use crate::feed::{draft, erase, notices};
use crate::id::DeviceId;
use crate::identity::account::address;
use crate::identity::contact::{self, Clearing, ContactNo, ContactRow, INVITER, Packed};
use crate::identity::device::account_key;
use crate::identity::list::{AccountRow, DeviceList};
use crate::outbox::{self, Cx};
use crate::output::Answer;
use crate::session::{self, skipped};
use crate::store::{ReadExt, StoreError, Tx};
use crate::wire::codec::Blob;
use alloc::vec::Vec;

/// Erases what was said with a contact, here. What still waits for delivery stays, as does whatever
/// comes from now on.
pub(super) fn clear(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let no = contact.no;
    contact.clearing = Some(Clearing {
        upto: changes::newest(cx.tx)?,
        from: Blob(Vec::new()),
    });
    contact::put(cx.tx, &contact);
    notices::erase(cx.tx, no);
    let text = "you erased here what was said before";
    cx.notice(Some(no), "cleared", text)?;
    more(cx, no)?;
    let contact = contact::must(cx.tx, no)?;
    if contact.clearing.is_some() {
        cx.log(ChangeKind::Contact { no })?;
    }
    Ok(Ok(contact_answer(&contact)))
}

/// Erases more of a history.
pub(super) fn more(cx: &mut Cx<'_, '_, '_>, no: ContactNo) -> Result<(), StoreError> {
    let Some(mut contact) = contact::get(cx.tx, no)? else {
        return Ok(());
    };
    let Some(clearing) = contact.clearing.take() else {
        return Ok(());
    };
    let whose = contact.clone();
    let spared = |tx: &Tx<'_>, row: &MessageRow| outbox::waits(tx, &whose, row);
    contact.clearing = erase::step(cx.tx, &mut contact, &clearing, cx.at.now, spared)?;
    if contact.clearing.is_none() && view::after(cx.tx, no, &[], 1)?.is_empty() {
        // Whatever is put there from now on begins the index anew.
        contact.packed = Some(Packed::default());
    }
    contact::put(cx.tx, &contact);
    if contact.clearing.is_some() {
        agenda::at(cx.tx, cx.at.now, &Job::Clear { no });
        return Ok(());
    }
    cx.log(ChangeKind::Contact { no })?;
    Ok(())
}

/// Forgets a contact. Whatever could lead back to it goes at once; what is long goes in steps, under
/// a number that names nobody any more.
pub(super) fn remove(cx: &mut Cx<'_, '_, '_>, name: &str) -> Outcome<Answer> {
    let mut contact = allowed!(known(cx, name)?);
    let no = contact.no;
    let devices = devices(cx, &contact)?;
    for device in &devices {
        let row = contact::device(cx.tx, no, device)?;
        if let Some(peer) = row.peer
            && contact::by_peer(cx.tx, &peer)? == Some((no, *device))
        {
            contact::unbind_peer(cx.tx, &peer);
        }
        for session in &row.sessions {
            session::erase(cx.tx, session);
            let job = Job::ForgetSession {
                session: session.id,
                from: None,
            };
            agenda::at(cx.tx, cx.at.now, &job);
        }
        contact::drop_device(cx.tx, no, device);
        outbox::close(cx, no, device)?;
    }
    if let Some(until) = contact.muted.and_then(|muted| muted.until) {
        agenda::cancel(cx.tx, until, &Job::Unmute { no });
    }
    draft::forget(cx.tx, &mut contact);
    contact::held::forget(cx.tx, &mut contact);
    contact::remove(cx.tx, &contact)?;
    cx.tx.delete(account_key(&contact.account));
    outbox::forget_dials(cx.tx, no);
    notices::erase(cx.tx, no);
    cx.log(ChangeKind::Removed {
        name: contact.name.clone(),
        account: contact.account,
        ak: contact.ak,
    })?;
    more_of_removed(cx, no, devices, 0, &Rest::default())?;
    Ok(Ok(Answer::Removed {
        address: address(&contact.account, &contact.ak),
        name: contact.name,
    }))
}

/// Every device of a contact that rows may be there for.
fn devices(cx: &Cx<'_, '_, '_>, contact: &ContactRow) -> Result<Vec<DeviceId>, StoreError> {
    let mut devices = contact.devices.clone();
    devices.push(INVITER);
    if let Some(account) = cx.tx.row::<AccountRow>(&account_key(&contact.account))?
        && let Ok(list) = account.list.peek::<DeviceList>()
    {
        let listed = list.devices.into_iter().map(|device| device.id);
        devices.extend(listed.chain(list.revoked));
    }
    devices.sort();
    devices.dedup();
    Ok(devices)
}

/// Erases more of what is stored of a contact that was removed: keys first.
pub(super) fn more_of_removed(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    mut devices: Vec<DeviceId>,
    seq: u64,
    rest: &Rest,
) -> Result<(), StoreError> {
    let (seq, rest) = if skipped::forget(cx.tx, no)? {
        (seq, Some(rest.clone()))
    } else if let Some(device) = devices.last() {
        let more = outbox::forget(cx, no, device, seq)?;
        if more.is_none() {
            devices.pop();
        }
        (more.unwrap_or(0), Some(rest.clone()))
    } else {
        (0, erase::remove(cx.tx, no, rest)?)
    };
    if let Some(rest) = rest {
        let job = Job::Remove {
            no,
            devices,
            seq,
            rest,
        };
        agenda::at(cx.tx, cx.at.now, &job);
    }
    Ok(())
}
