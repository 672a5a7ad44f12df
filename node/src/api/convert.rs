//! From the engine's views to the JSON objects. Pure functions.

use super::model;
use crate::compacting::Compaction;
use crate::net::RelayState;
use jiff::Timestamp;
use libp2p::identity::{PublicKey, ed25519};
use waxwing_protocol::id::{DeviceId, Mid, Peer};
use waxwing_protocol::input::Reach;
use waxwing_protocol::output::{Answer, ContactState, State};
use waxwing_protocol::query::{
    Change, ChangeView, ContactView, Me, MessageView, NextStep, NoticeView, ReactionView,
    RequestView, SafetyView, Step, What, WhyView,
};
use waxwing_protocol::time::{Millis, SECOND_MS, Secs};

/// Unix milliseconds as RFC 3339 UTC with milliseconds.
///
/// A peer chooses some of these numbers: one beyond the calendar is shown as its last day.
pub fn rfc3339(at: Millis) -> String {
    let at = i64::try_from(at)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX);
    format!("{at:.3}")
}

/// Unix seconds as RFC 3339 UTC with milliseconds.
pub fn rfc3339_secs(at: Secs) -> String {
    rfc3339(at.saturating_mul(SECOND_MS))
}

/// A libp2p PeerId, or `None` if the bytes are no Ed25519 key.
pub fn peer_id(peer: &Peer) -> Option<String> {
    let key = ed25519::PublicKey::try_from_bytes(&peer.0).ok()?;
    Some(PublicKey::from(key).to_peer_id().to_base58())
}

/// State of a message.
pub fn state(state: State) -> model::State {
    match state {
        State::Queued => model::State::Queued,
        State::Sent => model::State::Sent,
        State::Held => model::State::Held,
        State::Expired => model::State::Expired,
        State::Refused => model::State::Refused,
        State::Delivered => model::State::Delivered,
        State::Read => model::State::Read,
        State::Deleted => model::State::Deleted,
    }
}

/// Where a contact stands.
pub fn contact_state(state: ContactState) -> model::ContactState {
    match state {
        ContactState::Pending => model::ContactState::Pending,
        ContactState::Requested => model::ContactState::Requested,
        ContactState::Connected => model::ContactState::Connected,
        ContactState::Blocked => model::ContactState::Blocked,
        ContactState::Declined => model::ContactState::Declined,
    }
}

/// How a contact is reached.
pub fn reach(reach: Option<Reach>) -> model::Reach {
    match reach {
        Some(Reach::Direct) => model::Reach::Direct,
        Some(Reach::Punched) => model::Reach::Punched,
        Some(Reach::Relayed) => model::Reach::Relayed,
        None => model::Reach::Away,
    }
}

/// This account and device.
pub fn id(me: &Me) -> model::Id {
    model::Id {
        account: me.address.clone(),
        name: me.name.clone(),
        device: me.device.to_text(),
        peer: peer_id(&me.peer),
    }
}

/// A contact.
pub fn contact(view: ContactView) -> model::Contact {
    model::Contact {
        name: view.name,
        account: view.address,
        state: contact_state(view.state),
        verified: view.verified,
        verify_again: view.doubted,
        muted: view.muted,
        muted_until: view.muted_until.map(rfc3339),
        clearing: view.clearing,
        reach: reach(view.reach),
        last_seen: view.last_seen.map(rfc3339),
        unread: view.unread,
        peer: view.peer.as_ref().and_then(peer_id),
        disappear_s: view.disappear_s,
        draft: view.draft,
    }
}

/// What to compare with a contact.
pub fn safety(view: SafetyView) -> model::Safety {
    model::Safety {
        name: view.name,
        account: view.address,
        safety_number: view.number,
        verified: view.verified,
        verify_again: view.doubted,
        code: view.code,
    }
}

/// Something that the user was told about a contact.
pub fn notice(view: NoticeView) -> model::Notice {
    model::Notice {
        contact: view.contact,
        code: view.code,
        text: view.text,
        at: rfc3339(view.at),
        clock: view.clock,
    }
}

/// A contact request.
pub fn request(view: RequestView) -> model::Request {
    model::Request {
        name: view.name,
        account: view.address,
        note: view.note,
        received_at: rfc3339(view.received_at),
        safety_number: view.safety_number,
    }
}

fn reaction(view: ReactionView) -> model::Reaction {
    model::Reaction {
        from: view.from,
        mine: view.mine,
        emoji: view.emoji,
    }
}

/// A message.
pub fn message(view: MessageView) -> model::Message {
    model::Message {
        id: view.id.to_text(),
        contact: view.contact,
        from: view.from,
        mine: view.mine,
        text: view.text,
        clock: view.clock,
        sent_at: rfc3339(view.sent_at),
        received_at: view.received_at.map(rfc3339),
        state: state(view.state),
        late: view.late,
        reply_to: view.reply_to.as_ref().map(Mid::to_text),
        reactions: view.reactions.into_iter().map(reaction).collect(),
        edited: view.edited,
        disappear_s: view.disappear_s,
        expires_at: view.expires_at.map(rfc3339),
        sets_disappear_s: view.sets_disappear_s,
        muted: view.muted,
        imported: view.imported,
    }
}

/// A change.
pub fn event(view: ChangeView) -> model::Event {
    let change = match view.change {
        Change::Message(view) => model::Change::Message(message(view)),
        Change::State {
            id,
            contact,
            state: at,
        } => model::Change::State {
            id: id.to_text(),
            contact,
            state: state(at),
        },
        Change::Contact(view) => model::Change::Contact(contact(view)),
        Change::Request(view) => model::Change::Request(request(view)),
        Change::Reach {
            contact,
            reach: how,
        } => model::Change::Reach {
            contact,
            reach: reach(how),
        },
        Change::Removed { name, address, .. } => model::Change::Removed {
            name,
            account: address,
        },
        Change::Notice {
            contact,
            code,
            text,
        } => model::Change::Notice {
            contact,
            code,
            text,
        },
    };
    model::Event {
        cursor: view.cursor,
        change,
        at: rfc3339(view.at),
    }
}

fn what(what: What) -> model::What {
    match what {
        What::Sealed => model::What::Sealed,
        What::Dialed => model::What::Dialed,
        What::Sent => model::What::Sent,
        What::Held => model::What::Held,
        What::Forwarded => model::What::Forwarded,
        What::Delivered => model::What::Delivered,
        What::Read => model::What::Read,
        What::Failed => model::What::Failed,
        What::Refused => model::What::Refused,
        What::Retried => model::What::Retried,
        What::Expired => model::What::Expired,
        What::Disappeared => model::What::Disappeared,
    }
}

fn step(step: Step) -> model::Step {
    model::Step {
        at: rfc3339(step.at),
        what: what(step.what),
        device: step.device.as_ref().map(DeviceId::to_text),
        by: None,
        until: None,
        reason: step.reason,
    }
}

/// A custody story.
pub fn why(view: WhyView) -> model::Why {
    let next = |next: NextStep| model::Next {
        at: next.at.map(rfc3339),
        what: next.what,
    };
    model::Why {
        id: view.id.to_text(),
        state: state(view.state),
        to: view.to,
        steps: view.steps.into_iter().map(step).collect(),
        next: view.next.map(next),
    }
}

/// An invite, if the answer is one.
pub fn invite(answer: Answer) -> Option<model::Invite> {
    match answer {
        Answer::Invite {
            link,
            expires,
            uses,
        } => Some(model::Invite {
            link,
            expires: rfc3339_secs(expires),
            uses,
        }),
        _ => None,
    }
}

/// Who was removed, if the answer says so.
pub fn removed(answer: Answer) -> Option<model::Removed> {
    match answer {
        Answer::Removed { name, address } => Some(model::Removed {
            name,
            account: address,
        }),
        _ => None,
    }
}

/// A message that was sent, if the answer is one.
pub fn sent(answer: Answer) -> Option<model::Sent> {
    match answer {
        Answer::Message { id, state: at } => Some(model::Sent {
            id: id.to_text(),
            state: state(at),
        }),
        _ => None,
    }
}

/// How many were marked, if the answer says so.
pub fn marked(answer: Answer) -> Option<model::Marked> {
    match answer {
        Answer::Marked { count } => Some(model::Marked { count }),
        _ => None,
    }
}

/// How a compaction stands.
pub fn compaction(state: Compaction) -> model::Compaction {
    model::Compaction {
        running: state.running,
        rows: state.rows,
        before_bytes: state.before_bytes,
        after_bytes: state.after_bytes,
        took_ms: state.took_ms,
        failed: state.failed,
    }
}

/// Relays as they are shown.
pub fn relays(list: Vec<RelayState>) -> Vec<model::Relay> {
    let shown = |relay: RelayState| model::Relay {
        peer: relay.peer,
        reserved: relay.reserved,
    };
    list.into_iter().map(shown).collect()
}
