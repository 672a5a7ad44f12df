//! What time brings: starts, rotations, expiries, sweeps. Each step is bounded; the agenda
//! carries on.

use super::{answers, bridge, bridges, pack};
use crate::agenda::{self, Job};
use crate::discovery::invite::{self, InviteRow};
use crate::feed::body::kind;
use crate::feed::{amend, changes, erase};
use crate::id::{B32, Hash16, SessionId};
use crate::identity::bundle::Bundle;
use crate::identity::contact::{self, ContactNo, ContactState, INVITER};
use crate::identity::device;
use crate::identity::list::DeviceList;
use crate::limits::{
    CONTACTS_STEP, INVITE_KEEP_S, LIST_REFRESH_S, PREKEY_ROTATE_S, SEEN_KEEP_MS, SESSION_KEEP_MS,
    SWEEP_ROWS,
};
use crate::mailbox::client;
use crate::outbox::{self, Cx};
use crate::session::{self, InitSeenRow, SeenRow, skipped};
use crate::store::{Key, Read, ReadExt, Span, StoreError, Table};
use crate::time::{DAY_MS, HOUR_MS, Millis, Secs, secs};
use alloc::string::String;
use alloc::vec::Vec;

/// Bundles whose private halves live: hash and when they are erased.
type LiveBundles = Vec<(B32, Secs)>;

fn upkeep_key() -> Key {
    Key::one(Table::Meta, *b"upkeep_at")
}

fn sweep_key() -> Key {
    Key::one(Table::Meta, *b"sweep_at")
}

fn live_key() -> Key {
    Key::one(Table::Own, *b"bundles")
}

/// First input of every run.
pub(super) fn start(cx: &mut Cx<'_, '_, '_>, listen: &[String]) -> Result<(), StoreError> {
    cx.tx.count_up("starts")?;
    listening(cx, listen)?;
    // A deadline that an earlier run set may lie anywhere if the clock was moved since.
    let now = cx.at.now;
    cx.tx.put(upkeep_key(), &now);
    agenda::at(cx.tx, now, &Job::Upkeep);
    bridge::start(cx)?;
    bridges::start(cx)?;
    greet(cx, 0)
}

/// Our addresses; contacts are told when they changed.
pub(super) fn listening(cx: &mut Cx<'_, '_, '_>, listen: &[String]) -> Result<(), StoreError> {
    let fit: Vec<String> = listen
        .iter()
        .filter(|addr| contact::fit_addrs(core::slice::from_ref(addr)))
        .take(crate::limits::ADDRS_MAX)
        .cloned()
        .collect();
    if fit.is_empty() || !outbox::set_listening(cx.tx, &fit)? {
        return Ok(());
    }
    bridge::upkeep(cx)?;
    tell(cx, kind::PEER_IDS, 0)
}

/// Reaches for every contact, some a step.
pub(super) fn greet(cx: &mut Cx<'_, '_, '_>, from: ContactNo) -> Result<(), StoreError> {
    let page = contact::list(cx.tx, from, CONTACTS_STEP)?;
    let next = page.last().map(|contact| contact.no + 1);
    for contact in page {
        let mut devices = outbox::targets(&contact);
        // A second link of somebody who never answered the first.
        if contact.pending.is_some() && !devices.contains(&INVITER) {
            devices.push(INVITER);
        }
        for device in devices {
            outbox::attend_now(cx, contact.no, &device)?;
        }
    }
    if let Some(from) = next {
        agenda::at(cx.tx, cx.at.now, &Job::Greet { from });
    }
    Ok(())
}

/// Queues a current body for every connected contact, some a step.
pub(super) fn tell(cx: &mut Cx<'_, '_, '_>, kind: u16, from: ContactNo) -> Result<(), StoreError> {
    let page = contact::list(cx.tx, from, CONTACTS_STEP)?;
    let next = page.last().map(|contact| contact.no + 1);
    for contact in page {
        if contact.state == ContactState::Connected {
            outbox::enqueue_current(cx, &contact, kind)?;
        }
    }
    if let Some(from) = next {
        agenda::at(cx.tx, cx.at.now, &Job::Tell { kind, from });
    }
    Ok(())
}

/// Rotates, refreshes, expires, trims; then comes back in an hour.
pub(super) fn hourly(cx: &mut Cx<'_, '_, '_>, set: Millis) -> Result<(), StoreError> {
    if cx.tx.row::<Millis>(&upkeep_key())? != Some(set) {
        return Ok(());
    }
    let now = cx.at.now;
    prekeys(cx)?;
    list(cx)?;
    invites(cx)?;
    let more_changes = changes::trim(cx.tx, now)?;
    let old = cx.tx.rows::<String>(&answers::old(now))?;
    let more_answers = old.len() == SWEEP_ROWS;
    for (suffix, key) in old {
        answers::forget(cx.tx, suffix, &key);
    }
    let swept: Millis = cx.tx.row(&sweep_key())?.unwrap_or(0);
    if now.saturating_sub(swept) >= DAY_MS || swept > now {
        cx.tx.put(sweep_key(), &now);
        agenda::at(cx.tx, now, &Job::Sweep { from: 0 });
        bridges::upkeep(cx)?;
    }
    bridge::upkeep(cx)?;
    pack::start(cx)?;
    let next = if more_changes || more_answers {
        now + 1
    } else {
        now + HOUR_MS
    };
    cx.tx.put(upkeep_key(), &next);
    agenda::at(cx.tx, next, &Job::Upkeep);
    Ok(())
}

/// New signed prekeys every week; old private halves erased when no letter can need them.
fn prekeys(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    let now = secs(cx.at.now);
    let damaged = |_| StoreError::Damaged(Table::Prekey);
    let mut live: LiveBundles = cx.tx.row(&live_key())?.unwrap_or_default();
    let signed = device::current_bundle(cx.tx)?;
    let bundle: Bundle = signed.peek().map_err(damaged)?;
    let hash = signed.hash();
    if !live.iter().any(|(known, _)| *known == hash) {
        live.push((hash, bundle.expires + crate::limits::PREKEY_KEEP_S));
    }
    // A bundle from the future was made before the clock was set right.
    if now >= bundle.issued + PREKEY_ROTATE_S || now + PREKEY_ROTATE_S < bundle.issued {
        let own = cx.own.clone();
        let row = device::rotate_prekeys(cx.tx, &own, now, cx.at.rng)?;
        live.push((row.bundle.hash(), row.erase_at));
        tell(cx, kind::BUNDLE, 0)?;
    }
    let current = device::current_bundle(cx.tx)?.hash();
    let (gone, kept): (LiveBundles, LiveBundles) = live
        .into_iter()
        .partition(|(hash, erase_at)| *erase_at <= now && *hash != current);
    for (bundle, _) in gone {
        device::erase_prekeys(cx.tx, &bundle);
        agenda::at(cx.tx, cx.at.now, &Job::ForgetInits { bundle });
    }
    cx.tx.put(live_key(), &kept);
    Ok(())
}

/// A fresh device list every week.
fn list(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    let now = secs(cx.at.now);
    let objects = device::objects(cx.tx, &cx.own)?;
    let list: DeviceList = objects
        .list
        .peek()
        .map_err(|_| StoreError::Damaged(Table::Account))?;
    if now >= list.issued + LIST_REFRESH_S {
        let mut own = cx.own.clone();
        device::refresh_list(cx.tx, &mut own, now)?;
        cx.own = own;
        tell(cx, kind::LISTS, 0)?;
    }
    Ok(())
}

/// Seeds of expired invites are erased; what late first letters need goes a month later.
fn invites(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    let now = secs(cx.at.now);
    let index = invite::index(cx.tx)?;
    if index.is_empty() {
        return Ok(());
    }
    let mut kept = Vec::new();
    for (id, expires) in index {
        let key = invite::key(&id);
        let Some(mut row) = cx.tx.row::<InviteRow>(&key)? else {
            continue;
        };
        if now > expires + INVITE_KEEP_S {
            cx.tx.delete(key);
            if let Some(number) = row.opk {
                cx.tx.delete(invite::one_time_key(number));
            }
            continue;
        }
        if now > expires && row.seed.is_some() {
            row.seed = None;
            cx.tx.put(key, &row);
        }
        kept.push((id, expires));
    }
    invite::put_index(cx.tx, &kept);
    Ok(())
}

/// Daily: old keys, old sessions, reactions that waited in vain; some contacts a step.
pub(super) fn sweep(cx: &mut Cx<'_, '_, '_>, from: ContactNo) -> Result<(), StoreError> {
    let now = cx.at.now;
    let page = contact::list(cx.tx, from, CONTACTS_STEP)?;
    let mut next = page.last().map(|contact| contact.no + 1);
    for mut contact in page {
        let no = contact.no;
        let more = skipped::sweep(cx.tx, &mut contact, now)?;
        amend::sweep_waiting(cx.tx, &mut contact, now)?;
        contact::put(cx.tx, &contact);
        let more = more || erase::sweep(cx.tx, no, now)?;
        if more {
            next = Some(no);
            break;
        }
        for device in contact.devices {
            let mut row = contact::device(cx.tx, no, &device)?;
            let sending = row.sending().map(|s| s.id);
            let old = |s: &contact::SessionRef| {
                Some(s.id) != sending && now.saturating_sub(s.made_at) > SESSION_KEEP_MS
            };
            for session in row.sessions.iter().filter(|s| old(s)) {
                session::erase(cx.tx, session);
                client::forget_lanes(cx.tx, session, now)?;
                let job = Job::ForgetSession {
                    session: session.id,
                    from: None,
                };
                agenda::at(cx.tx, now, &job);
            }
            row.sessions.retain(|s| !old(s));
            for session in &row.sessions {
                let job = Job::SweepSession {
                    session: session.id,
                    from: None,
                };
                agenda::at(cx.tx, now, &job);
            }
            contact::put_device(cx.tx, no, &device, &row);
        }
    }
    if let Some(from) = next {
        agenda::at(cx.tx, now, &Job::Sweep { from });
    }
    Ok(())
}

/// Forgets letters and chains that a session saw long ago.
pub(super) fn sweep_session(
    cx: &mut Cx<'_, '_, '_>,
    session: &SessionId,
    from: Option<Hash16>,
) -> Result<(), StoreError> {
    let now = cx.at.now;
    let mut span = Span::all(Table::Seen, session.0, SWEEP_ROWS);
    if let Some(from) = from {
        span = span.from(from.0);
    }
    let rows = cx.tx.rows::<SeenRow>(&span)?;
    let more = rows.len() == SWEEP_ROWS;
    let last = rows
        .last()
        .and_then(|(suffix, _)| Hash16::from_slice(suffix));
    for (suffix, row) in rows {
        if now.saturating_sub(row.at) > SEEN_KEEP_MS {
            cx.tx.delete(Key::new(Table::Seen, session.0, suffix));
        }
    }
    if more {
        let job = Job::SweepSession {
            session: *session,
            from: last,
        };
        agenda::at(cx.tx, now, &job);
    }
    Ok(())
}

/// Forgets everything that a session which is gone saw.
pub(super) fn forget_session(
    cx: &mut Cx<'_, '_, '_>,
    session: &SessionId,
    from: Option<Hash16>,
) -> Result<(), StoreError> {
    let mut span = Span::all(Table::Seen, session.0, SWEEP_ROWS);
    if let Some(from) = from {
        span = span.from(from.0);
    }
    let rows = cx.tx.scan(&span)?;
    let last = rows.last();
    let last = last.and_then(|(suffix, _)| Hash16::from_slice(suffix));
    let next = last.filter(|_| rows.len() == SWEEP_ROWS);
    for (suffix, _) in rows {
        cx.tx.delete(Key::new(Table::Seen, session.0, suffix));
    }
    if next.is_some() {
        let job = Job::ForgetSession {
            session: *session,
            from: next,
        };
        agenda::at(cx.tx, cx.at.now, &job);
    }
    Ok(())
}

/// Forgets first messages to a bundle that cannot open any more.
pub(super) fn forget_inits(cx: &mut Cx<'_, '_, '_>, bundle: &B32) -> Result<(), StoreError> {
    let span = Span::all(Table::InitSeen, bundle.0, SWEEP_ROWS);
    let rows = cx.tx.rows::<InitSeenRow>(&span)?;
    let more = rows.len() == SWEEP_ROWS;
    for (suffix, row) in rows {
        cx.tx.delete(Key::new(Table::InitSeen, bundle.0, suffix));
        let counter = if row.pinned {
            "inits_pinned"
        } else {
            "inits_strangers"
        };
        let key = Key::one(Table::Meta, counter);
        let count: u64 = cx.tx.row(&key)?.unwrap_or(0);
        cx.tx.put(key, &count.saturating_sub(1));
    }
    if more {
        agenda::at(cx.tx, cx.at.now, &Job::ForgetInits { bundle: *bundle });
    }
    Ok(())
}
