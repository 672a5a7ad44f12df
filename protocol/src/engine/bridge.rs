//! This node as a bridge for others: what comes in for it, and what it says.

use super::{NONSENSE, STRANGER, penalise};
use crate::agenda::{self, Job};
use crate::crypto::sign::SignKey;
use crate::frame::Frame;
use crate::id::{B32, Hash16, Peer, peer_of_addr, peer_to_text};
use crate::input::BridgeSettings;
use crate::limits::{ADDRS_MAX, DESCRIPTOR_REFRESH_S, REPLY_BYTES};
use crate::mailbox::descriptor::{Descriptor, FORWARD, ForwardKeys, MAILBOX, RELAY};
use crate::mailbox::forward::Forward;
use crate::mailbox::host::{self, Host, HostRow, Later, Rules, Say};
use crate::mailbox::known;
use crate::mailbox::queue::take_keys;
use crate::mailbox::talk::{Ask, Over};
use crate::outbox::{self, Cx};
use crate::output::Output;
use crate::store::{StoreError, Tx};
use crate::time::Millis;
use crate::wire::codec::Blob;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

fn rules(settings: &BridgeSettings) -> Rules {
    Rules {
        mailbox: settings.mailbox,
        forward: settings.forward,
        quota_bytes: settings.quota_bytes,
    }
}

fn online(tx: &Tx<'_>, peer: &Peer) -> Result<bool, StoreError> {
    outbox::is_online(tx, peer)
}

/// Lets the bridge work, and does what it wants done. Nothing happens on a node that is none.
fn at_work<T>(
    cx: &mut Cx<'_, '_, '_>,
    work: impl FnOnce(&mut Host<'_, '_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let Some(rules) = cx.at.settings.bridge.as_ref().map(rules) else {
        return Ok(None);
    };
    let Some(own) = host::own(cx.tx)? else {
        return Ok(None);
    };
    let run = outbox::starts(cx.tx)?;
    let mut host = Host {
        tx: &mut *cx.tx,
        now: cx.at.now,
        rng: &mut *cx.at.rng,
        rules,
        own,
        run,
        online,
        said: Vec::new(),
        dials: Vec::new(),
        later: Vec::new(),
    };
    let done = work(&mut host)?;
    let Host {
        said, dials, later, ..
    } = host;
    for (peer, said) in said {
        say(cx, &peer, said);
    }
    for bridge in dials {
        dial(cx, &bridge)?;
    }
    for (at, what) in later {
        look_later(cx, at, what);
    }
    Ok(Some(done))
}

/// Says something to a bridge, or as one.
pub(super) fn say(cx: &mut Cx<'_, '_, '_>, to: &Peer, said: Say) {
    let frame = match said {
        Say::Ask(ask) => Frame::Ask(ask),
        Say::Tell(tell) => Frame::Tell(tell),
        Say::Over(over) => Frame::Over(over),
    };
    outbox::say(cx, to, &frame);
}

fn look_later(cx: &mut Cx<'_, '_, '_>, at: Millis, what: Later) {
    let job = match what {
        Later::Mailbox(mailbox) => Job::Mailbox { mailbox },
        Later::Queue(bridge) => Job::Queue { bridge },
    };
    agenda::at(cx.tx, at, &job);
}

/// Reaches for a bridge that is known.
pub(super) fn dial(cx: &mut Cx<'_, '_, '_>, bridge: &B32) -> Result<(), StoreError> {
    if let Some(said) = known::descriptor(cx.tx, bridge)? {
        cx.out.push(Output::Dial {
            peer: said.peer,
            addrs: said.addrs,
        });
    }
    Ok(())
}

/// A run begins: forgets who spoke to the bridge before.
pub(super) fn start(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    if cx.at.settings.bridge.is_none() {
        return Ok(());
    }
    let last = outbox::starts(cx.tx)?.saturating_sub(1);
    agenda::at(cx.tx, cx.at.now, &Job::ForgetCallers { run: last });
    upkeep(cx)
}

/// Hourly, and whenever our addresses change: the descriptor says what is true, old boxes go. The
/// bridge's keys are made if it has none.
pub(super) fn upkeep(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    let Some(settings) = cx.at.settings.bridge.clone() else {
        return Ok(());
    };
    let Some(descriptor) = describe(cx, &settings)? else {
        return Ok(());
    };
    if host::own(cx.tx)?.is_none() {
        let row = HostRow {
            key: SignKey::random(cx.at.rng),
            descriptor: None,
        };
        host::put_own(cx.tx, &row);
    }
    at_work(cx, |host| {
        let wanted = Descriptor {
            bridge: host.id(),
            ..descriptor
        };
        host.describe(wanted, DESCRIPTOR_REFRESH_S)
    })?;
    agenda::at(cx.tx, cx.at.now, &Job::ForgetBoxes);
    Ok(())
}

/// What this bridge has to say of itself; `None` as long as it has no address.
fn describe(
    cx: &Cx<'_, '_, '_>,
    settings: &BridgeSettings,
) -> Result<Option<Descriptor>, StoreError> {
    let peer = cx.own.peer;
    let listen = outbox::listening(cx.tx)?;
    let addrs = if settings.public.is_empty() {
        listen
    } else {
        settings.public.clone()
    };
    let with_peer = |addr: String| match peer_of_addr(&addr) {
        Some(_) => addr,
        None => format!("{addr}/p2p/{}", peer_to_text(&peer)),
    };
    let addrs: Vec<String> = addrs.into_iter().take(ADDRS_MAX).map(with_peer).collect();
    if addrs.is_empty() {
        return Ok(None);
    }
    let roles = [
        (settings.mailbox, MAILBOX),
        (settings.forward, FORWARD),
        (settings.relay, RELAY),
    ];
    let roles = roles.iter().filter(|(on, _)| *on);
    Ok(Some(Descriptor {
        bridge: B32::ZERO,
        operator: Descriptor::operator(&settings.operator),
        country: settings.country.clone(),
        peer,
        addrs,
        roles: roles.map(|(_, role)| String::from(*role)).collect(),
        seq: 0,
        expires: 0,
        name: settings.operator.clone(),
    }))
}

/// A connection came: whoever speaks over it is nobody yet.
pub(super) fn up(cx: &mut Cx<'_, '_, '_>, peer: &Peer) -> Result<(), StoreError> {
    let bridges = known::by_peer(cx.tx, peer)?;
    at_work(cx, |host| {
        host.forget_caller(peer)?;
        for bridge in &bridges {
            host.reached_bridge(bridge)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A connection went.
pub(super) fn down(cx: &mut Cx<'_, '_, '_>, peer: &Peer) -> Result<(), StoreError> {
    at_work(cx, |host| host.forget_caller(peer))?;
    Ok(())
}

/// A device asks something about its mailbox.
pub(super) fn asked(cx: &mut Cx<'_, '_, '_>, from: &Peer, ask: Ask) -> Result<(), StoreError> {
    if at_work(cx, |host| host.asked(from, ask))?.is_none() {
        penalise(cx, from, NONSENSE);
    }
    Ok(())
}

/// A box for this bridge, or an answer from another one.
pub(super) fn over(cx: &mut Cx<'_, '_, '_>, from: &Peer, over: Over) -> Result<(), StoreError> {
    match over {
        Over::Forward(forward) => open(cx, from, &forward),
        Over::Reply(fid, reply) if reply.len() == REPLY_BYTES => {
            answered(cx, from, fid, Some(reply))
        }
        Over::Reply(fid, _) => {
            penalise(cx, from, NONSENSE);
            answered(cx, from, fid, None)
        }
        Over::Unopened(fid) => answered(cx, from, fid, None),
        Over::KeysPlease => {
            let keys = at_work(cx, |host| host.keys())?;
            match keys.flatten() {
                Some(signed) => say(cx, from, Say::Over(Over::Keys(signed))),
                None => penalise(cx, from, NONSENSE),
            }
            Ok(())
        }
        Over::Keys(signed) => {
            let named = signed.peek().map(|keys: ForwardKeys| keys.bridge);
            let Ok(bridge) = named else {
                penalise(cx, from, NONSENSE);
                return Ok(());
            };
            if !known::is_peer(cx.tx, &bridge, from)? || !take_keys(cx.tx, &bridge, signed)? {
                penalise(cx, from, NONSENSE);
                return Ok(());
            }
            at_work(cx, |host| host.keys_came(&bridge))?;
            outbox::bridge_ready(cx, &bridge)
        }
    }
}

fn open(cx: &mut Cx<'_, '_, '_>, from: &Peer, forward: &Forward) -> Result<(), StoreError> {
    match at_work(cx, |host| host.open(from, forward))? {
        Some(true) => {}
        Some(false) => penalise(cx, from, STRANGER),
        None => penalise(cx, from, NONSENSE),
    }
    Ok(())
}

/// What a bridge made of a box that we handed on, or that we brought ourselves.
fn answered(
    cx: &mut Cx<'_, '_, '_>,
    from: &Peer,
    fid: Hash16,
    reply: Option<Blob>,
) -> Result<(), StoreError> {
    let known = reply.clone();
    if at_work(cx, |host| host.answered(from, fid, known))? == Some(true) {
        return Ok(());
    }
    outbox::box_brought(cx, from, &fid, reply.as_ref().map(|reply| &reply[..]))
}

/// Looks at a mailbox that is kept here.
pub(super) fn look(cx: &mut Cx<'_, '_, '_>, mailbox: B32) -> Result<(), StoreError> {
    match at_work(cx, |host| host.look(&mailbox))? {
        Some(Some(at)) => look_later(cx, at, Later::Mailbox(mailbox)),
        Some(None) => {}
        // Not a bridge now; once it is one again its mailboxes are looked at.
        None => {
            let at = cx.at.now + crate::time::DAY_MS;
            look_later(cx, at, Later::Mailbox(mailbox));
        }
    }
    Ok(())
}

/// Looks after the boxes for a bridge.
pub(super) fn look_at_queue(
    cx: &mut Cx<'_, '_, '_>,
    bridge: &B32,
    set: Millis,
) -> Result<(), StoreError> {
    at_work(cx, |host| host.look_at_queue(bridge, set))?;
    Ok(())
}

/// Forgets callers of an earlier run, some a step.
pub(super) fn forget_callers(cx: &mut Cx<'_, '_, '_>, run: u64) -> Result<(), StoreError> {
    if at_work(cx, |host| host.forget_run(run))? == Some(true) {
        agenda::at(cx.tx, cx.at.now, &Job::ForgetCallers { run });
    }
    Ok(())
}

/// Forgets boxes of long ago, some a step.
pub(super) fn forget_boxes(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    let more = at_work(cx, |host| {
        Ok(host.forget_opened()? || host.forget_handed_on()?)
    })?;
    if more == Some(true) {
        agenda::at(cx.tx, cx.at.now, &Job::ForgetBoxes);
    }
    Ok(())
}
