//! A conversation as text, the same on every machine: for golden files and for reading.

use crate::person::{EPOCH_MS, Who};
use crate::world::World;
use std::fmt::Write as _;
use waxwing_protocol::output::State;
use waxwing_protocol::query::MessageView;

/// Characters of a long text that are printed.
const TEXT_CHARS: usize = 60;

impl World {
    /// What everybody sees, one after the other.
    pub fn chart(&mut self) -> String {
        let mut out = String::new();
        for who in 0..self.people.len() {
            self.chart_of(who, &mut out);
        }
        out
    }

    fn chart_of(&mut self, who: Who, out: &mut String) {
        let mut line = |text: String| {
            out.push_str(text.trim_end());
            out.push('\n');
        };
        line(format!("== {} sees", self.name(who)));
        let requests = self.ask(who, |engine, store| engine.requests(store));
        for request in requests.unwrap_or_default() {
            line(format!(
                "   request from {}: {}",
                request.name, request.note
            ));
        }
        let view = self.view(who);
        for (other, contact) in &view.contacts {
            let state = format!("{:?}", contact.state).to_lowercase();
            let unread = match contact.unread {
                0 => String::new(),
                n => format!(", {n} unread"),
            };
            line(format!("-- {} ({state}{unread})", contact.name));
            let list = view
                .messages
                .get(other)
                .map(Vec::as_slice)
                .unwrap_or_default();
            for message in list {
                line(message_line(message, list, self.people[who].run_ahead_ms));
            }
        }
        for notice in self.watch.notices.iter().filter(|n| n.who == who) {
            let about = notice.contact.as_deref().unwrap_or("-");
            line(format!("   notice about {about}: {}", notice.code));
        }
    }
}

fn message_line(message: &MessageView, list: &[MessageView], ahead_ms: i64) -> String {
    let at = message
        .clock
        .saturating_add_signed(-ahead_ms)
        .saturating_sub(EPOCH_MS);
    let mut line = format!("   {} {}: ", clock(at), message.from);
    let nothing = if message.state == State::Deleted {
        "(deleted)"
    } else {
        "(needs a newer version)"
    };
    match message.sets_disappear_s {
        Some(0) => line += "(messages stay)",
        Some(secs) => line += &format!("(messages disappear after {secs} s)"),
        None => line += &quote(message.text.as_deref().unwrap_or(nothing)),
    }
    if let Some(secs) = message.disappear_s {
        line += &format!("  {secs} s");
    }
    if message.edited {
        line += "  edited";
    }
    if message.mine {
        let state = format!("{:?}", message.state).to_lowercase();
        // Writing to a string cannot fail.
        let _ = write!(line, "  [{state}]");
    }
    if message.late {
        line += "  late";
    }
    if let Some(to) = &message.reply_to {
        let target = list
            .iter()
            .find(|m| m.id == *to)
            .and_then(|m| m.text.as_deref());
        let _ = write!(line, "  > {}", target.map_or_else(|| "?".into(), quote));
    }
    for reaction in &message.reactions {
        let _ = write!(line, "  {} {}", reaction.emoji, reaction.from);
    }
    line
}

/// Whole seconds: dice that the engine uses for something else must not change a golden file.
fn clock(at: u64) -> String {
    let s = at / 1_000;
    format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

fn quote(text: &str) -> String {
    let shown: String = text.chars().take(TEXT_CHARS).collect();
    match text.chars().count() {
        count if count > TEXT_CHARS => format!("{}… ({count} characters)", shown.escape_debug()),
        _ => shown.escape_debug().to_string(),
    }
}
