//! Objects of the API in plain words. Whatever somebody else wrote goes through [`text`].

use crate::error::CliError;
use crate::out::Out;
use crate::text;
use crate::when;
use jiff::Zoned;
use waxwing_node::api::model::{Change, Contact, ContactState, Event, Message, Reach, State};

/// Where a message is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Among messages of one contact.
    Conversation,
    /// Among those of everybody.
    Everywhere,
}

/// Who is speaking, and to whom where that is not plain.
fn speaker(message: &Message, place: Place) -> String {
    match place {
        _ if !message.mine => text::line(&message.from),
        Place::Conversation => "you".to_owned(),
        Place::Everywhere => format!("you to {}", text::line(&message.contact)),
    }
}

/// The text of a message, or why there is none.
fn body(message: &Message) -> String {
    match &message.text {
        // Further lines are set in: none of them can pass for a line of ours.
        Some(body) => text::block(body).replace('\n', "\n        "),
        None if message.state == State::Deleted && message.expires_at.is_some() => {
            "(disappeared)".to_owned()
        }
        None if message.state == State::Deleted => "(deleted)".to_owned(),
        None if message.sets_disappear_s.is_some() => timer(message.sets_disappear_s),
        None => "(needs a newer version to be shown)".to_owned(),
    }
}

/// What a message does that sets the timer of the conversation.
fn timer(secs: Option<u64>) -> String {
    match secs {
        Some(0) | None => "(set messages to stay)".to_owned(),
        Some(secs) => format!("(set messages to disappear after {})", when::chosen(secs)),
    }
}

/// A message with its time, its marks, its id, and its reactions below.
pub fn message(message: &Message, place: Place, now: &Zoned, out: Out) -> String {
    let mut marks = Vec::new();
    if message.mine {
        marks.push(message.state.word());
    }
    if message.edited {
        marks.push("edited");
    }
    if message.late {
        marks.push("late");
    }
    let fading = message.disappear_s.map(|secs| match &message.expires_at {
        Some(at) if secs < 3_600 => format!("until {}", when::date_seconds(at, now)),
        Some(at) => format!("until {}", when::date_clock(at, now)),
        None => format!("disappears after {}", when::chosen(secs)),
    });
    if let Some(fading) = &fading {
        marks.push(fading);
    }
    marks.push(&message.id);
    let mut lines = format!(
        "{}  {}: {}  {}",
        when::date_clock(&message.sent_at, now),
        out.bold(&speaker(message, place)),
        body(message),
        out.dim(&format!("[{}]", marks.join(", "))),
    );
    if let Some(target) = &message.reply_to {
        lines.push_str(&format!(
            "\n        {}",
            out.dim(&format!("answers {target}"))
        ));
    }
    for reaction in &message.reactions {
        let from = if reaction.mine {
            "you".to_owned()
        } else {
            text::line(&reaction.from)
        };
        lines.push_str(&format!("\n        {} {from}", text::line(&reaction.emoji)));
    }
    lines
}

/// Messages, each as its object or as [`message`] says it.
///
/// # Errors
/// As [`Out::object`].
pub fn messages(messages: &[Message], place: Place, out: Out) -> Result<(), CliError> {
    let now = Zoned::now();
    messages
        .iter()
        .try_for_each(|one| out.object(one, || message(one, place, &now, out)))
}

/// A contact in one line.
pub fn contact(contact: &Contact, now: &Zoned, out: Out) -> String {
    let mut words = vec![out.bold(&text::line(&contact.name))];
    if contact.state == ContactState::Connected {
        words.push(where_at(contact, now));
    } else {
        words.push(contact.state.word().to_owned());
    }
    if contact.verified {
        words.push("verified".to_owned());
    } else if contact.verify_again {
        words.push("verified once, compare again".to_owned());
    }
    if let Some(secs) = contact.disappear_s {
        words.push(format!("messages disappear after {}", when::chosen(secs)));
    }
    match &contact.muted_until {
        Some(until) => words.push(format!("muted until {}", when::date_clock(until, now))),
        None if contact.muted => words.push("muted".to_owned()),
        None => {}
    }
    if contact.unread > 0 {
        words.push(format!("{} unread", contact.unread));
    }
    if contact.draft.is_some() {
        words.push("draft".to_owned());
    }
    format!(
        "{}  {}",
        words.join("  "),
        out.dim(&brief(&contact.account))
    )
}

fn where_at(contact: &Contact, now: &Zoned) -> String {
    match (contact.reach, &contact.last_seen) {
        (Reach::Away, Some(seen)) => format!("away, last seen {}", when::date_clock(seen, now)),
        (reach, _) => reach.word().to_owned(),
    }
}

/// The beginning of an address: enough to tell two apart at a glance, not to compare them.
pub fn brief(account: &str) -> String {
    text::shorten(&text::line(account), 16)
}

/// One change in one line or a few.
pub fn event(event: &Event, now: &Zoned, out: Out) -> String {
    let at = when::date_clock(&event.at, now);
    match &event.change {
        Change::Message(view) => message(view, Place::Everywhere, now, out),
        Change::State { id, contact, state } => {
            // One of theirs may have disappeared.
            let to = if *state == State::Deleted {
                "with"
            } else {
                "to"
            };
            let (contact, state) = (text::line(contact), state.word());
            format!(
                "{at}  {to} {contact}: {state}  {}",
                out.dim(&format!("[{id}]"))
            )
        }
        Change::Contact(view) => format!("{at}  contact {}", contact(view, now, out)),
        Change::Request(view) => format!(
            "{at}  {} asks to be your contact: {}",
            out.bold(&text::line(&view.name)),
            text::line(&view.note)
        ),
        Change::Reach { contact, reach } => {
            format!("{at}  {} is {}", text::line(contact), reach_words(*reach))
        }
        Change::Removed { name, .. } => format!("{at}  {} was removed", text::line(name)),
        Change::Notice { contact, text, .. } => match contact {
            Some(contact) => format!("{at}  about {}: {}", text::line(contact), text::line(text)),
            None => format!("{at}  {}", text::line(text)),
        },
        Change::Other => format!("{at}  something that a newer version could show"),
    }
}

/// A notice within the conversation that it is about. No message of theirs begins like it.
pub fn notice(at: &str, text: &str, now: &Zoned) -> String {
    let at = when::date_clock(at, now);
    format!("-- {at}  {} --", text::line(text))
}

/// How somebody is reached, after "is".
pub fn reach_words(reach: Reach) -> &'static str {
    match reach {
        Reach::Direct => "here (direct connection)",
        Reach::Punched => "here (direct connection through NATs)",
        Reach::Relayed => "here (through a relay)",
        Reach::Bridge => "reached through a bridge",
        Reach::Away => "away",
    }
}
