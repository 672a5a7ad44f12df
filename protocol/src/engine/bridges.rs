//! The bridges at which we keep a mailbox: added, let in, registered with, collected from, given
//! up.

use super::bridge::{dial, say};
use super::{NONSENSE, Outcome, block, penalise, refuse};
use crate::agenda::{self, Job};
use crate::feed::body::kind;
use crate::id::{B32, DeviceId, Peer, SessionId};
use crate::identity::contact::{self, ContactNo, ContactState};
use crate::limits::{
    ACK_IDS_MAX, ADVANCE_AFTER_MS, BRIDGE_POLL_MS, BRIDGES_MAX, CONTACTS_STEP, FETCH_BLOCKS_MAX,
    LEAVING_MS, MAILBOX_STALE_MS, TAG_DAYS_RENEW, retry_ms,
};
use crate::mailbox::block::day;
use crate::mailbox::client::{self, BridgeRow, LaneOf, Live, Stage};
use crate::mailbox::descriptor;
use crate::mailbox::host::Say;
use crate::mailbox::known;
use crate::mailbox::talk::{Ask, Tell, Why, ask, auth};
use crate::outbox::{self, Cx};
use crate::output::{Answer, RefusalKind};
use crate::store::StoreError;
use crate::time::{Millis, secs};
use crate::wire::codec::Blob;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Keeps a mailbox at a bridge from now on.
pub(super) fn add(cx: &mut Cx<'_, '_, '_>, text: &str) -> Outcome<Answer> {
    let Ok((signed, said)) = descriptor::from_text(text) else {
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "bad_descriptor",
            "not a bridge descriptor, or one that was cut or changed",
            Some("it begins with `waxwing-bridge:`; ask the bridge's operator for it"),
        )));
    };
    if said.expires <= secs(cx.at.now) {
        return Ok(Err(refuse(
            RefusalKind::Invalid,
            "old_descriptor",
            "this bridge descriptor has expired",
            Some("ask the bridge's operator for a new one"),
        )));
    }
    if !said.does(descriptor::MAILBOX) {
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "no_mailbox",
            "this bridge keeps no mailboxes",
            None,
        )));
    }
    let answer = Answer::Bridge {
        bridge: said.bridge,
        operator: said.name.clone(),
        country: said.country.clone(),
    };
    let Ok(Some(_)) = known::learn(cx.tx, &signed, known::By::User)? else {
        return Ok(Err(refuse(
            RefusalKind::Policy,
            "too_many_bridges",
            "no room for another bridge",
            None,
        )));
    };
    let rows = client::list(cx.tx)?;
    let row = match rows.iter().find(|row| row.bridge == said.bridge) {
        Some(row) if row.leaving.is_none() => return Ok(Ok(answer)),
        _ if rows.iter().filter(|row| row.leaving.is_none()).count() >= BRIDGES_MAX => {
            return Ok(Err(refuse(
                RefusalKind::Policy,
                "too_many_bridges",
                &format!("a home keeps mailboxes at {BRIDGES_MAX} bridges at most"),
                Some("give one up with `waxwing bridges remove`; two are enough"),
            )));
        }
        Some(row) => {
            let mut row = row.clone();
            row.leaving = None;
            client::put(cx.tx, &row);
            // What is registered there still is: nothing else would say that it is read again.
            client::changed(cx.tx, cx.at.now)?;
            super::upkeep::tell(cx, kind::BRIDGES, 0)?;
            row
        }
        None => client::add(cx.tx, said.bridge, cx.at.rng)?,
    };
    let job = Job::Lanes {
        bridge: row.no,
        from: 0,
    };
    agenda::at(cx.tx, cx.at.now, &job);
    reach(cx, row)?;
    Ok(Ok(answer))
}

/// Gives up the mailbox at a bridge.
pub(super) fn remove(cx: &mut Cx<'_, '_, '_>, which: &str) -> Outcome<Answer> {
    let which = which.trim();
    let mut found = Vec::new();
    for row in client::list(cx.tx)? {
        let said = known::descriptor(cx.tx, &row.bridge)?;
        let named = said.is_some_and(|said| said.name.eq_ignore_ascii_case(which));
        let by_id = which.len() >= 4 && row.bridge.to_text().starts_with(which);
        if row.leaving.is_none() && (named || by_id) {
            found.push(row);
        }
    }
    let Some(mut row) = found.pop() else {
        return Ok(Err(refuse(
            RefusalKind::NotFound,
            "no_bridge",
            "no such bridge",
            Some("`waxwing bridges` lists those that you use"),
        )));
    };
    if !found.is_empty() {
        return Ok(Err(refuse(
            RefusalKind::Conflict,
            "several_bridges",
            "more than one of your bridges is called that",
            Some("say the beginning of its id; `waxwing bridges` shows it"),
        )));
    }
    row.leaving = Some(cx.at.now);
    client::put(cx.tx, &row);
    client::changed(cx.tx, cx.at.now)?;
    super::upkeep::tell(cx, kind::BRIDGES, 0)?;
    let said = known::descriptor(cx.tx, &row.bridge)?;
    let (operator, country) = said.map_or_else(Default::default, |d| (d.name, d.country));
    Ok(Ok(Answer::Bridge {
        bridge: row.bridge,
        operator,
        country,
    }))
}

/// A session was made, or its contact may be heard now: its letters may come through bridges.
pub(super) fn lane(
    cx: &mut Cx<'_, '_, '_>,
    no: ContactNo,
    device: &DeviceId,
    session: &SessionId,
) -> Result<(), StoreError> {
    for mut row in client::list(cx.tx)? {
        if row.leaving.is_some() {
            continue;
        }
        let lane = LaneOf {
            no,
            device: *device,
            session: *session,
        };
        client::lane_due(cx.tx, &mut row, lane);
        // With the next wake: the session's row may not be written yet.
        if row.live.stage == Stage::Open {
            look_at(cx, &mut row, cx.at.now);
        }
        client::put(cx.tx, &row);
    }
    Ok(())
}

/// All sending sessions of a contact.
pub(super) fn lanes_of(cx: &mut Cx<'_, '_, '_>, no: ContactNo) -> Result<(), StoreError> {
    let Some(contact) = contact::get(cx.tx, no)? else {
        return Ok(());
    };
    for device in &contact.devices {
        let row = contact::device(cx.tx, no, device)?;
        if let Some(session) = row.sending().map(|session| session.id) {
            lane(cx, no, device, &session)?;
        }
    }
    Ok(())
}

/// Notes which lanes a bridge has to be told of, some contacts a step.
pub(super) fn lanes(
    cx: &mut Cx<'_, '_, '_>,
    bridge: u32,
    from: ContactNo,
) -> Result<(), StoreError> {
    let Some(mut row) = by_no(cx, bridge)? else {
        return Ok(());
    };
    let today = day(cx.at.now);
    let page = contact::list(cx.tx, from, CONTACTS_STEP)?;
    let next = page.last().map(|contact| contact.no + 1);
    for contact in page {
        if !outbox::may_send(contact.state) {
            continue;
        }
        for device in &contact.devices {
            let known = contact::device(cx.tx, contact.no, device)?;
            let Some(session) = known.sending().map(|session| session.id) else {
                continue;
            };
            let until = client::registered(cx.tx, &row.bridge, &session)?;
            if until.is_none_or(|until| until < today + TAG_DAYS_RENEW) {
                let lane = LaneOf {
                    no: contact.no,
                    device: *device,
                    session,
                };
                client::lane_due(cx.tx, &mut row, lane);
            }
        }
    }
    if let Some(from) = next {
        agenda::at(cx.tx, cx.at.now, &Job::Lanes { bridge, from });
    }
    advance(cx, row)
}

fn by_no(cx: &Cx<'_, '_, '_>, no: u32) -> Result<Option<BridgeRow>, StoreError> {
    Ok(client::list(cx.tx)?.into_iter().find(|row| row.no == no))
}

fn by_peer(cx: &Cx<'_, '_, '_>, peer: &Peer) -> Result<Option<BridgeRow>, StoreError> {
    for row in client::list(cx.tx)? {
        if known::is_peer(cx.tx, &row.bridge, peer)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn peer_of(cx: &Cx<'_, '_, '_>, bridge: &B32) -> Result<Option<Peer>, StoreError> {
    Ok(known::descriptor(cx.tx, bridge)?.map(|said| said.peer))
}

fn ask_it(cx: &mut Cx<'_, '_, '_>, row: &BridgeRow, asked: Ask) -> Result<(), StoreError> {
    if let Some(peer) = peer_of(cx, &row.bridge)? {
        say(cx, &peer, Say::Ask(asked));
    }
    Ok(())
}

/// A run begins: reaches for all bridges.
pub(super) fn start(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    for row in client::list(cx.tx)? {
        reach(cx, row)?;
    }
    Ok(())
}

/// A bridge that was given up is not read any more.
fn has_left(row: &BridgeRow, now: Millis) -> bool {
    row.leaving
        .is_some_and(|at| now.saturating_sub(at) > LEAVING_MS)
}

/// Daily: tags are registered further ahead, those of long ago forgotten.
pub(super) fn upkeep(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    for mut row in client::list(cx.tx)? {
        if has_left(&row, cx.at.now) {
            look_at(cx, &mut row, cx.at.now);
            client::put(cx.tx, &row);
            continue;
        }
        client::sweep_tags(cx.tx, &row.bridge, cx.at.now)?;
        if row.leaving.is_none() {
            let job = Job::Lanes {
                bridge: row.no,
                from: 0,
            };
            agenda::at(cx.tx, cx.at.now, &job);
        }
    }
    Ok(())
}

/// Reaches for a bridge, now.
fn reach(cx: &mut Cx<'_, '_, '_>, mut row: BridgeRow) -> Result<(), StoreError> {
    row.tries = 0;
    if let Some(peer) = peer_of(cx, &row.bridge)?
        && outbox::is_online(cx.tx, &peer)?
    {
        return hello(cx, row);
    }
    dial(cx, &row.bridge)?;
    again(cx, &mut row);
    client::put(cx.tx, &row);
    Ok(())
}

/// Sets the time of the next try.
fn again(cx: &mut Cx<'_, '_, '_>, row: &mut BridgeRow) {
    let wait = retry_ms(row.tries);
    row.tries = row.tries.saturating_add(1);
    look_at(cx, row, cx.at.now + wait);
}

fn look_at(cx: &mut Cx<'_, '_, '_>, row: &mut BridgeRow, at: Millis) {
    let job = Job::Bridge { bridge: row.no };
    if let Some(set) = row.attend_at.replace(at) {
        agenda::cancel(cx.tx, set, &job);
    }
    agenda::at(cx.tx, at, &job);
}

/// Looks after a bridge: dials it, knocks again, fetches what had to wait.
pub(super) fn attend(cx: &mut Cx<'_, '_, '_>, no: u32, set: Millis) -> Result<(), StoreError> {
    let Some(mut row) = by_no(cx, no)?.filter(|row| row.attend_at == Some(set)) else {
        return Ok(());
    };
    row.attend_at = None;
    if has_left(&row, cx.at.now) {
        if client::forget_more(cx.tx, &row, cx.at.now)? {
            look_at(cx, &mut row, cx.at.now);
            client::put(cx.tx, &row);
        }
        return Ok(());
    }
    let Some(peer) = peer_of(cx, &row.bridge)? else {
        client::put(cx.tx, &row);
        return Ok(());
    };
    if !outbox::is_online(cx.tx, &peer)? {
        dial(cx, &row.bridge)?;
        again(cx, &mut row);
        client::put(cx.tx, &row);
        return Ok(());
    }
    if row.live.stage != Stage::Open {
        return hello(cx, row);
    }
    // What waited for others is asked for again, and so is whatever had no answer.
    if let Some(first) = row.back.first().copied() {
        row.after = first.saturating_sub(1);
        row.back.clear();
    }
    row.live.fetching = false;
    row.live.more = true;
    row.live.batch.clear();
    look_at(cx, &mut row, cx.at.now + BRIDGE_POLL_MS);
    advance(cx, row)
}

/// Nobody came to the mailbox for so long that the bridge has erased it, or is about to.
fn forgotten(row: &BridgeRow, now: Millis) -> bool {
    let seen = row.last_seen.unwrap_or(now);
    now.saturating_sub(seen) > MAILBOX_STALE_MS
}

/// A mailbox that was made again: its numbers begin anew. All that was registered has run out.
fn begin_anew(cx: &mut Cx<'_, '_, '_>, row: &mut BridgeRow) {
    row.after = 0;
    row.back.clear();
    let job = Job::Lanes {
        bridge: row.no,
        from: 0,
    };
    agenda::at(cx.tx, cx.at.now, &job);
}

/// A connection to a peer came, or was replaced.
pub(super) fn up(cx: &mut Cx<'_, '_, '_>, peer: &Peer) -> Result<(), StoreError> {
    if let Some(row) = by_peer(cx, peer)? {
        hello(cx, row)?;
    }
    for bridge in known::by_peer(cx.tx, peer)? {
        outbox::bridge_ready(cx, &bridge)?;
    }
    Ok(())
}

/// It went.
pub(super) fn down(cx: &mut Cx<'_, '_, '_>, peer: &Peer) -> Result<(), StoreError> {
    let Some(mut row) = by_peer(cx, peer)? else {
        return Ok(());
    };
    row.live = Live::default();
    again(cx, &mut row);
    client::put(cx.tx, &row);
    Ok(())
}

fn hello(cx: &mut Cx<'_, '_, '_>, mut row: BridgeRow) -> Result<(), StoreError> {
    row.live = Live {
        run: outbox::starts(cx.tx)?,
        stage: Stage::Proving,
        ..Live::default()
    };
    again(cx, &mut row);
    client::put(cx.tx, &row);
    let mailbox = row.key.public();
    ask_it(cx, &row, Ask::Hello(mailbox))
}

/// A bridge says something about our mailbox.
pub(super) fn told(cx: &mut Cx<'_, '_, '_>, from: &Peer, tell: Tell) -> Result<(), StoreError> {
    let row = by_peer(cx, from)?;
    let Some(mut row) = row.filter(|row| row.live.stage != Stage::Away) else {
        penalise(cx, from, NONSENSE);
        return Ok(());
    };
    match tell {
        Tell::Challenge(nonce, time, _) => {
            if row.live.stage == Stage::Proving {
                let now = i64::try_from(secs(cx.at.now)).unwrap_or(i64::MAX);
                row.ahead_s = i64::try_from(time).unwrap_or(i64::MAX).saturating_sub(now);
                client::put(cx.tx, &row);
                let answer = auth(&row.key, &row.bridge, &nonce, time);
                ask_it(cx, &row, answer)?;
            }
            Ok(())
        }
        Tell::Result(of, why) => result(cx, row, of, why),
        Tell::Blocks(blocks, more) => collect(cx, row, blocks, more),
        Tell::New(_) => {
            row.live.more = true;
            advance(cx, row)
        }
        Tell::Queued(signed) => outbox::box_queued(cx, &row.bridge, &signed),
        Tell::NotQueued(fid, why) => {
            match why {
                Why::UnknownBridge => {
                    row.live.told.clear();
                    client::put(cx.tx, &row);
                }
                Why::Proof => hello(cx, row)?,
                _ => {}
            }
            outbox::box_refused(cx, &fid)
        }
        Tell::Keys(signed) => outbox::keys_came(cx, signed),
    }
}

fn trouble(row: &mut BridgeRow, text: &str) {
    row.trouble = Some(text.to_string());
}

fn result(cx: &mut Cx<'_, '_, '_>, mut row: BridgeRow, of: u8, why: Why) -> Result<(), StoreError> {
    match (of, why) {
        (ask::AUTH, Why::Ok) => {
            if forgotten(&row, cx.at.now) {
                begin_anew(cx, &mut row);
            }
            row.live.stage = Stage::Open;
            row.live.more = true;
            row.last_seen = Some(cx.at.now);
            row.tries = 0;
            row.trouble = None;
            look_at(cx, &mut row, cx.at.now + BRIDGE_POLL_MS);
            let bridge = row.bridge;
            advance(cx, row)?;
            outbox::bridge_ready(cx, &bridge)
        }
        (ask::AUTH, _) => {
            trouble(&mut row, "it did not let this device in");
            row.live.stage = Stage::Proving;
            again(cx, &mut row);
            client::put(cx.tx, &row);
            Ok(())
        }
        (ask::REGISTER, Why::Ok) => {
            let lanes = client::batch_done(cx.tx, &mut row)?;
            client::put(cx.tx, &row);
            let mut told: Vec<ContactNo> = Vec::new();
            for lane in lanes {
                if !told.contains(&lane.no) {
                    told.push(lane.no);
                    tell_bridges(cx, lane.no)?;
                }
            }
            let Some(row) = by_no(cx, row.no)? else {
                return Ok(());
            };
            advance(cx, row)
        }
        (ask::REGISTER, why) if why != Why::Proof => {
            row.live.batch.clear();
            trouble(&mut row, "it did not take the tags of this device");
            again(cx, &mut row);
            client::put(cx.tx, &row);
            Ok(())
        }
        // It takes us for somebody who has just come: it saw another connection than we did.
        (_, Why::Proof) => hello(cx, row),
        (ask::FETCH, _) => {
            row.live.fetching = false;
            client::put(cx.tx, &row);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A contact may leave letters at our bridges from now on.
pub(super) fn tell_bridges(cx: &mut Cx<'_, '_, '_>, no: ContactNo) -> Result<(), StoreError> {
    if client::list(cx.tx)?.is_empty() {
        return Ok(());
    }
    client::changed(cx.tx, cx.at.now)?;
    let contact = contact::get(cx.tx, no)?;
    match contact.filter(|contact| contact.state == ContactState::Connected) {
        Some(contact) => outbox::enqueue_current(cx, &contact, kind::BRIDGES),
        None => Ok(()),
    }
}

/// Does what is next at a bridge that has let us in. Puts `row` back.
fn advance(cx: &mut Cx<'_, '_, '_>, mut row: BridgeRow) -> Result<(), StoreError> {
    if row.live.stage != Stage::Open || row.live.run != outbox::starts(cx.tx)? {
        client::put(cx.tx, &row);
        return Ok(());
    }
    let mut asks = Vec::new();
    if row.live.batch.is_empty()
        && row.leaving.is_none()
        && let Some(batch) = client::batch(cx.tx, &mut row, cx.at.now, cx.at.rng)?
    {
        asks.push(Ask::Register(batch.tags, batch.until));
    }
    if row.live.more && !row.live.fetching {
        row.live.fetching = true;
        row.live.more = false;
        asks.push(Ask::Fetch(row.after, FETCH_BLOCKS_MAX));
    }
    client::put(cx.tx, &row);
    for asked in asks {
        ask_it(cx, &row, asked)?;
    }
    Ok(())
}

/// Blocks from a mailbox: each is taken in, then all are acknowledged at once.
fn collect(
    cx: &mut Cx<'_, '_, '_>,
    mut row: BridgeRow,
    blocks: Vec<(u64, Blob)>,
    more: bool,
) -> Result<(), StoreError> {
    let bridge = row.bridge;
    let mut done = Vec::new();
    for (number, block) in blocks {
        if number <= row.after {
            continue;
        }
        let waits = block::take(cx, &bridge, &block)?;
        if waits && row.back.len() < ACK_IDS_MAX {
            row.back.push(number);
        } else {
            done.push(number);
        }
        row.after = number;
    }
    // What was taken in may have changed the row: a repair, an answer to a box.
    let Some(now) = client::find(cx.tx, &bridge)? else {
        return Ok(());
    };
    let mut row = BridgeRow {
        after: row.after,
        back: row.back,
        collected: now.collected + done.len() as u64,
        ..now
    };
    let upto = row.back.first().map_or(row.after, |first| first - 1);
    done.retain(|number| *number > upto);
    done.truncate(ACK_IDS_MAX);
    row.live.fetching = false;
    row.live.more |= more;
    row.last_seen = Some(cx.at.now);
    let soon = cx.at.now + ADVANCE_AFTER_MS + 1;
    if !row.back.is_empty() && row.attend_at.is_none_or(|set| set > soon) {
        look_at(cx, &mut row, soon);
    }
    client::put(cx.tx, &row);
    ask_it(cx, &row, Ask::Ack(upto, done))?;
    advance(cx, row)
}
