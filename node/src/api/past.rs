//! Messages of the past, from and to JSON.

use super::convert::{rfc3339, state};
use super::model::{HistoryBody, HistoryEdit, HistoryMessage, HistoryReaction, State};
use jiff::Timestamp;
use waxwing_protocol::feed::amend::{ReactionRow, Version};
use waxwing_protocol::feed::body::{Body, Text, TypedBody};
use waxwing_protocol::feed::past::{Past, Unfit};
use waxwing_protocol::id::{Mid, from_base64url, to_base64url};
use waxwing_protocol::output;
use waxwing_protocol::time::Millis;
use waxwing_protocol::wire::codec::Blob;

/// As it is written.
pub(super) fn write(past: Past) -> HistoryMessage {
    let (mut text, mut reply_to, mut body) = (None, None, None);
    match Body::open(&past.body) {
        _ if past.deleted_at.is_some() => {}
        Ok(Body::Text(said)) => {
            text = Some(said.text);
            reply_to = said.reply_to.as_ref().map(Mid::to_text);
        }
        _ => {
            body = Some(HistoryBody {
                kind: past.body.kind,
                bytes: to_base64url(&past.body.bytes),
            });
        }
    }
    let reaction = |row: ReactionRow| HistoryReaction {
        mine: row.mine,
        emoji: row.emoji,
        clock: row.clock,
        id: row.mid.to_text(),
    };
    HistoryMessage {
        id: past.mid.to_text(),
        mine: past.mine,
        clock: past.clock,
        sent_at: (past.sent != past.clock).then(|| rfc3339(past.sent)),
        stored_at: (past.at != past.sent).then(|| rfc3339(past.at)),
        state: Some(state(past.state)),
        text,
        reply_to,
        reactions: past.reactions.into_iter().map(reaction).collect(),
        edited: past.edit.map(|version| HistoryEdit {
            clock: version.clock,
            id: version.mid.to_text(),
        }),
        deleted_at: past.deleted_at.map(rfc3339),
        body,
    }
}

/// As it is read.
///
/// # Errors
/// [`Unfit`] if a part of it is not what it should be.
pub(super) fn read(message: HistoryMessage) -> Result<Past, Unfit> {
    let sent = time(message.sent_at.as_deref(), message.clock)?;
    let at = time(message.stored_at.as_deref(), sent)?;
    let deleted_at = message.deleted_at.as_deref();
    let deleted_at = deleted_at.map(|text| time(Some(text), 0)).transpose()?;
    let reply_to = message.reply_to.as_deref().map(mid).transpose()?;
    let body = match (message.text, message.body) {
        (Some(text), None) => Body::Text(Text { text, reply_to }).to_typed(),
        (None, Some(body)) if reply_to.is_none() => TypedBody {
            kind: body.kind,
            bytes: Blob(from_base64url(&body.bytes).ok_or(BAD_BODY)?),
        },
        (None, None) if reply_to.is_none() => TypedBody {
            kind: 0,
            bytes: Blob(Vec::new()),
        },
        _ => return Err(BAD_BODY),
    };
    let reaction = |it: HistoryReaction| {
        Ok::<_, Unfit>(ReactionRow {
            mine: it.mine,
            emoji: it.emoji,
            clock: it.clock,
            mid: mid(&it.id)?,
        })
    };
    let edit = |it: HistoryEdit| {
        Ok::<_, Unfit>(Version {
            clock: it.clock,
            mid: mid(&it.id)?,
        })
    };
    let reactions: Result<_, Unfit> = message.reactions.into_iter().map(reaction).collect();
    let missing = if message.mine {
        State::Sent
    } else {
        State::Read
    };
    Ok(Past {
        mid: mid(&message.id)?,
        mine: message.mine,
        body,
        clock: message.clock,
        sent,
        at,
        state: unstate(message.state.unwrap_or(missing)),
        reactions: reactions?,
        edit: message.edited.map(edit).transpose()?,
        deleted_at,
    })
}

const BAD_BODY: Unfit = (
    "bad_body",
    "it has a text, or a `body` in base64url, or was deleted; and only a text answers another",
);

fn mid(text: &str) -> Result<Mid, Unfit> {
    Mid::from_text(text).ok_or(("bad_id", "an id is 26 characters of a-z and 2-7"))
}

fn time(text: Option<&str>, missing: Millis) -> Result<Millis, Unfit> {
    let Some(text) = text else {
        return Ok(missing);
    };
    let ms = text
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond);
    ms.and_then(|ms| Millis::try_from(ms).ok())
        .ok_or(("bad_time", "a time is one of RFC 3339, not before 1970"))
}

fn unstate(state: State) -> output::State {
    match state {
        State::Queued => output::State::Queued,
        State::Sent => output::State::Sent,
        State::Held => output::State::Held,
        State::Expired => output::State::Expired,
        State::Refused => output::State::Refused,
        State::Delivered => output::State::Delivered,
        State::Read => output::State::Read,
        State::Deleted => output::State::Deleted,
    }
}
