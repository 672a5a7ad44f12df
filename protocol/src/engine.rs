//! The one door in, the one list out.

mod accounts;
mod admit;
mod amend;
mod answers;
mod arrival;
mod block;
mod bridge;
mod bridges;
mod commands;
mod contacts;
mod draft;
mod erase;
mod handshake;
mod import;
mod invites;
mod letters;
mod pack;
mod repair;
mod timers;
mod upkeep;
mod way;

use crate::agenda::{self, Job};
use crate::frame::Frame;
use crate::id::Peer;
use crate::identity::device;
use crate::input::{Command, Input, Moment};
use crate::limits::AGENDA_STEP;
use crate::outbox::{self, Cx};
use crate::output::{Output, Refusal, RefusalKind};
use crate::store::{StoreError, Tx};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use way::Way;

/// Points for bytes that no honest node sends.
const NONSENSE: u32 = 10;
/// Points for what a stranger may ask, but not often.
const STRANGER: u32 = 2;

/// What the user may do, or why not; the disk alone fails.
type Outcome<T> = Result<Result<T, Refusal>, StoreError>;

/// Takes one input against a transaction and returns what is to be done once it is durable.
///
/// # Errors
/// [`StoreError`] only: the transaction must then be dropped, and the store with it.
pub fn handle(
    tx: &mut Tx<'_>,
    at: &mut Moment<'_>,
    input: Input,
) -> Result<Vec<Output>, StoreError> {
    let Some(own) = device::load(tx)? else {
        return before_the_account(tx, at, input);
    };
    let waking = matches!(input, Input::Wake | Input::Start { .. });
    let mut cx = Cx {
        tx,
        at,
        own,
        out: Vec::new(),
        cursor: None,
        fresh: None,
    };
    match input {
        Input::Start { listen } => upkeep::start(&mut cx, &listen)?,
        Input::Listening { listen } => upkeep::listening(&mut cx, &listen)?,
        Input::Command {
            reply_to,
            key,
            command,
        } => {
            let result = commands::answer(&mut cx, key, command)?;
            cx.out.push(Output::Reply { reply_to, result });
        }
        Input::Frame { from, bytes } => frame(&mut cx, &from, &bytes)?,
        Input::Up { peer, how } => {
            outbox::up(&mut cx, &peer, how)?;
            bridge::up(&mut cx, &peer)?;
            bridges::up(&mut cx, &peer)?;
        }
        Input::Down { peer } => {
            bridge::down(&mut cx, &peer)?;
            bridges::down(&mut cx, &peer)?;
            outbox::down(&mut cx, &peer)?;
        }
        Input::DialFailed { peer, why } => outbox::failed(&mut cx, &peer, why)?,
        Input::Undelivered { to, id, why } => outbox::undelivered(&mut cx, &to, id, why)?,
        Input::Wake => wake(&mut cx)?,
    }
    let Cx {
        tx,
        mut out,
        cursor,
        ..
    } = cx;
    if let Some(cursor) = cursor {
        out.push(Output::Notify { cursor });
    }
    let hint = tx.take_hint();
    let next = if waking { agenda::next(tx)? } else { hint };
    out.extend(next.map(Output::WakeAt));
    Ok(out)
}

/// Before there is an account only its creation means anything.
fn before_the_account(
    tx: &mut Tx<'_>,
    at: &mut Moment<'_>,
    input: Input,
) -> Result<Vec<Output>, StoreError> {
    let Input::Command {
        reply_to,
        key,
        command,
    } = input
    else {
        return Ok(Vec::new());
    };
    let result = match &command {
        Command::Create { name } => commands::create(tx, at, name, key, &command)?,
        _ => Err(refuse(
            RefusalKind::Conflict,
            "no_account",
            "there is no account in this home yet",
            Some("create one with `waxwing up --name NAME`"),
        )),
    };
    Ok(vec![Output::Reply { reply_to, result }])
}

fn frame(cx: &mut Cx<'_, '_, '_>, from: &Peer, bytes: &[u8]) -> Result<(), StoreError> {
    match Frame::open(bytes) {
        Ok(Frame::Letter(letter)) => letters::receive(cx, Way::Link(from), &letter).map(|_| ()),
        Ok(Frame::Init(init)) => arrival::receive(cx, Way::Link(from), &init).map(|_| ()),
        Ok(Frame::InviteGet(get)) => invites::give_objects(cx, from, &get),
        Ok(Frame::InviteObjects(objects)) => invites::take_objects(cx, from, &objects),
        Ok(Frame::Ask(ask)) => bridge::asked(cx, from, ask),
        Ok(Frame::Tell(tell)) => bridges::told(cx, from, tell),
        Ok(Frame::Over(over)) => bridge::over(cx, from, over),
        Err(_) => {
            penalise(cx, from, NONSENSE);
            Ok(())
        }
    }
}

fn wake(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    for (set, job) in agenda::take_due(cx.tx, cx.at.now, AGENDA_STEP)? {
        match job {
            Job::Attend { no, device } => outbox::attend(cx, no, &device, set)?,
            Job::Receipts { no, device } => outbox::flush(cx, no, &device)?,
            Job::Repair {
                no,
                device,
                session,
                n,
            } => {
                repair::repair(cx, no, &device, &session, n)?;
            }
            Job::Greet { from } => upkeep::greet(cx, from)?,
            Job::Tell { kind, from } => upkeep::tell(cx, kind, from)?,
            Job::Upkeep => upkeep::hourly(cx, set)?,
            Job::Sweep { from } => upkeep::sweep(cx, from)?,
            Job::SweepSession { session, from } => upkeep::sweep_session(cx, &session, from)?,
            Job::Clear { no } => erase::more(cx, no)?,
            Job::Remove {
                no,
                devices,
                seq,
                rest,
            } => erase::more_of_removed(cx, no, devices, seq, &rest)?,
            Job::ForgetSession { session, from } => {
                upkeep::forget_session(cx, &session, from)?;
            }
            Job::Unmute { no } => contacts::unmute(cx, no)?,
            Job::Forget { no, order } => amend::forget(cx, no, &order)?,
            Job::Expire { no, order } => timers::expire(cx, no, &order)?,
            Job::Pack => pack::step(cx, set)?,
            Job::Deposit { no, device } => outbox::deposit(cx, no, &device, set)?,
            Job::Deposits { from } => outbox::deposit_all(cx, from)?,
            Job::ForgetBox { fid } => outbox::forget_box(cx, &fid)?,
            Job::Bridge { bridge } => bridges::attend(cx, bridge, set)?,
            Job::Lanes { bridge, from } => bridges::lanes(cx, bridge, from)?,
            Job::Mailbox { mailbox } => bridge::look(cx, mailbox)?,
            Job::Queue { bridge } => bridge::look_at_queue(cx, &bridge, set)?,
            Job::ForgetCallers { run } => bridge::forget_callers(cx, run)?,
            Job::ForgetBoxes => bridge::forget_boxes(cx)?,
            Job::ForgetInits { bundle } => upkeep::forget_inits(cx, &bundle)?,
        }
    }
    Ok(())
}

fn penalise(cx: &mut Cx<'_, '_, '_>, peer: &Peer, points: u32) {
    cx.out.push(Output::Penalty {
        peer: *peer,
        points,
    });
}

/// A refusal with its sentence and hint.
fn refuse(kind: RefusalKind, code: &str, message: &str, hint: Option<&str>) -> Refusal {
    Refusal {
        kind,
        code: code.into(),
        message: message.into(),
        hint: hint.map(String::from),
    }
}
