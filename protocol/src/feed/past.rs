//! Messages as they are taken along: from one home's history into another's.

use super::amend::{ReactionRow, Version};
use super::body::{Body, TypedBody};
use super::view::{MessageRow, State};
use crate::id::Mid;
use crate::limits::{CLOCK_AHEAD_MS, PLAIN_BYTES_MAX, REACTION_BYTES_MAX};
use crate::time::Millis;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// A message without what belongs to the home it comes from: no letters, no devices, no counters.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Past {
    /// Its id.
    #[n(0)]
    pub mid: Mid,
    /// The owner of the history wrote it.
    #[n(1)]
    pub mine: bool,
    /// What it says; nothing, of type 0, if it was deleted.
    #[n(2)]
    pub body: TypedBody,
    /// Canonical clock.
    #[n(3)]
    pub clock: Millis,
    /// When its author sent it.
    #[n(4)]
    pub sent: Millis,
    /// When the home it comes from stored it.
    #[n(5)]
    pub at: Millis,
    /// How far it came.
    #[n(6)]
    pub state: State,
    /// At most one of each side.
    #[n(7)]
    pub reactions: Vec<ReactionRow>,
    /// Which edit its text is, if it was edited.
    #[n(8)]
    pub edit: Option<Version>,
    /// When it was deleted.
    #[n(9)]
    pub deleted_at: Option<Millis>,
}

/// What a message cannot be: a word for programs, a sentence.
pub type Unfit = (&'static str, &'static str);

impl Past {
    /// What is taken along of a message.
    pub fn of(row: &MessageRow) -> Self {
        let reactions = row.reactions.iter();
        Self {
            mid: row.mid,
            mine: row.mine,
            body: row.body.clone(),
            clock: row.clock,
            sent: row.sent,
            at: row.at,
            state: row.state,
            reactions: reactions.filter(|r| !r.emoji.is_empty()).cloned().collect(),
            edit: row.edit,
            deleted_at: row.deleted_at,
        }
    }

    /// Whether a home could hold this message at `now`.
    ///
    /// # Errors
    /// [`Unfit`] says what is wrong with it.
    pub fn fit(&self, now: Millis) -> Result<(), Unfit> {
        let latest = now.saturating_add(CLOCK_AHEAD_MS);
        let reacted = self.reactions.iter().map(|r| r.clock);
        let edited = self.edit.iter().map(|version| version.clock);
        let times = [self.clock, self.sent, self.at];
        let mut times = times
            .into_iter()
            .chain(reacted)
            .chain(edited)
            .chain(self.deleted_at);
        if self.clock == 0 || times.any(|time| time > latest) {
            return Err((
                "bad_clock",
                "a time in it is none, or more than a day ahead",
            ));
        }
        let (fits, deleted) = (self.body_fits(), self.deleted_at.is_some());
        if deleted != (self.state == State::Deleted) || deleted != (self.body.kind == 0) {
            let words =
                "a deleted message has a time of deletion and says nothing; others have neither";
            return Err(("bad_deletion", words));
        }
        if !deleted && !fits {
            let words = "its text is missing, empty or longer than 32 KiB, or its body is none that is shown";
            return Err(("bad_text", words));
        }
        let theirs = matches!(self.state, State::Delivered | State::Read | State::Deleted);
        if !self.mine && !theirs {
            return Err((
                "bad_state",
                "what was received is delivered, read or deleted",
            ));
        }
        if self.edit.is_some() && !matches!(Body::open(&self.body), Ok(Body::Text(_))) {
            return Err(("bad_edit", "only texts are edited"));
        }
        let sides = |mine| self.reactions.iter().filter(|r| r.mine == mine).count();
        let emoji = self.reactions.iter().all(|r| {
            (1..=REACTION_BYTES_MAX).contains(&r.emoji.len())
                && !r.emoji.chars().any(char::is_control)
        });
        if sides(true) > 1 || sides(false) > 1 || !emoji || (deleted && !self.reactions.is_empty())
        {
            let words = "a message has at most one reaction of each side, and each is one emoji";
            return Err(("bad_reaction", words));
        }
        Ok(())
    }

    fn body_fits(&self) -> bool {
        match Body::open(&self.body) {
            Ok(Body::Text(text)) => !text.text.is_empty(),
            Ok(Body::Later) => self.body.bytes.len() <= PLAIN_BYTES_MAX,
            _ => false,
        }
    }

    /// The message as a home holds it from `now` on: never sent, never unread.
    pub fn into_row(self, now: Millis) -> MessageRow {
        let mut reactions = self.reactions;
        reactions.sort_by_key(|reaction| !reaction.mine);
        MessageRow {
            sent: self.sent,
            state: self.state,
            reactions,
            edit: self.edit,
            deleted_at: self.deleted_at,
            imported: Some(now),
            ..MessageRow::new(self.mid, self.mine, self.body, self.clock, self.at)
        }
    }
}
