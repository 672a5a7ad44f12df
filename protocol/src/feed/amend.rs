//! What is said of a message after it: reactions, edits, deletions. Each may come before its
//! message, and then waits for it.

use super::body::{Body, Text, TypedBody};
use super::view::{MessageRow, State};
use crate::id::Mid;
use crate::identity::contact::{ContactNo, ContactRow};
use crate::limits::{WAITING_REACTION_MS, WAITING_REACTIONS_MAX};
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx};
use crate::time::Millis;
use crate::wire::codec::Blob;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// One account's reaction to a message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct ReactionRow {
    /// Ours.
    #[n(0)]
    pub mine: bool,
    /// The emoji; empty once taken back.
    #[n(1)]
    pub emoji: String,
    /// Newest clock wins, then the greater id.
    #[n(2)]
    pub clock: Millis,
    /// Id of the reaction.
    #[n(3)]
    pub mid: Mid,
}

/// Which of several edits: the newest clock wins, then the greater id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub struct Version {
    /// Clock of the edit.
    #[n(0)]
    pub clock: Millis,
    /// Id of the edit.
    #[n(1)]
    pub mid: Mid,
}

/// One thing said of a message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Amend {
    /// A reaction.
    #[n(0)]
    Reaction(#[n(0)] ReactionRow),
    /// Another text.
    #[n(1)]
    Edit {
        /// We say so; only the author of the message may.
        #[n(0)]
        mine: bool,
        /// The text.
        #[n(1)]
        text: String,
        /// Which edit.
        #[n(2)]
        version: Version,
    },
    /// It is taken back.
    #[n(2)]
    Delete {
        /// We say so; only the author of the message may.
        #[n(0)]
        mine: bool,
    },
}

impl Amend {
    /// Only the author of a message may say this of it.
    pub const fn is_authors(&self) -> bool {
        !matches!(self, Self::Reaction(_))
    }

    /// At most one of each kind and account waits for a message.
    fn slot(&self) -> (u8, bool) {
        match self {
            Self::Reaction(reaction) => (0, reaction.mine),
            Self::Edit { mine, .. } => (1, *mine),
            Self::Delete { mine } => (2, *mine),
        }
    }

    fn version(&self) -> Option<Version> {
        match self {
            Self::Reaction(reaction) => Some(Version {
                clock: reaction.clock,
                mid: reaction.mid,
            }),
            Self::Edit { version, .. } => Some(*version),
            Self::Delete { .. } => None,
        }
    }
}

/// Applies what is said of a message to it. Says whether it changed.
pub fn fold(row: &mut MessageRow, said: Amend, now: Millis) -> bool {
    if row.deleted_at.is_some() {
        return false;
    }
    match said {
        Amend::Reaction(reaction) => fold_reaction(row, reaction),
        Amend::Edit {
            mine,
            text,
            version,
        } => {
            let Body::Text(old) = row.open_body() else {
                return false;
            };
            if mine != row.mine || row.edit >= Some(version) {
                return false;
            }
            let reply_to = old.reply_to;
            row.body = Body::Text(Text { text, reply_to }).to_typed();
            row.edit = Some(version);
            true
        }
        Amend::Delete { mine } => {
            if mine == row.mine {
                erase(row, now);
            }
            mine == row.mine
        }
    }
}

/// The newest reaction of each account stays.
fn fold_reaction(row: &mut MessageRow, new: ReactionRow) -> bool {
    match row.reactions.iter_mut().find(|old| old.mine == new.mine) {
        Some(old) if (old.clock, old.mid) >= (new.clock, new.mid) => false,
        Some(old) => {
            *old = new;
            true
        }
        None => {
            row.reactions.push(new);
            row.reactions.sort_by_key(|reaction| !reaction.mine);
            true
        }
    }
}

/// Makes a tombstone of a message: nothing of what it said is left.
pub(super) fn erase(row: &mut MessageRow, now: Millis) {
    row.body = TypedBody {
        kind: 0,
        bytes: Blob(Vec::new()),
    };
    row.reactions.clear();
    row.edit = None;
    row.expires_at = None;
    row.state = State::Deleted;
    row.deleted_at = Some(now);
}

#[derive(Encode, Decode)]
struct WaitingRow {
    #[n(0)]
    said: Vec<Amend>,
    #[n(1)]
    until: Millis,
}

fn waiting_key(no: ContactNo, mid: &Mid) -> Key {
    Key::new(Table::Waiting, no.to_be_bytes(), mid.0)
}

/// Keeps what is said of a message that has not come yet. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn keep_waiting(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    target: &Mid,
    new: Amend,
    now: Millis,
) -> Result<(), StoreError> {
    let key = waiting_key(contact.no, target);
    let mut row: WaitingRow = match tx.row(&key)? {
        Some(row) => row,
        None if contact.waiting_reactions as usize >= WAITING_REACTIONS_MAX => return Ok(()),
        None => {
            contact.waiting_reactions += 1;
            WaitingRow {
                said: Vec::new(),
                until: now + WAITING_REACTION_MS,
            }
        }
    };
    match row.said.iter_mut().find(|old| old.slot() == new.slot()) {
        Some(old) if old.version() >= new.version() => {}
        Some(old) => *old = new,
        None => row.said.push(new),
    }
    tx.put(key, &row);
    Ok(())
}

/// Takes out what waits for a message. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn take_waiting(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    target: &Mid,
) -> Result<Vec<Amend>, StoreError> {
    if contact.waiting_reactions == 0 {
        return Ok(Vec::new());
    }
    let row: Option<WaitingRow> = tx.take(waiting_key(contact.no, target))?;
    if row.is_some() {
        contact.waiting_reactions = contact.waiting_reactions.saturating_sub(1);
    }
    Ok(row.map_or_else(Vec::new, |row| row.said))
}

/// Forgets what waited too long. The caller puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn sweep_waiting(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    now: Millis,
) -> Result<(), StoreError> {
    if contact.waiting_reactions == 0 {
        return Ok(());
    }
    let scope = contact.no.to_be_bytes();
    let span = Span::all(Table::Waiting, scope, WAITING_REACTIONS_MAX);
    for (suffix, row) in tx.rows::<WaitingRow>(&span)? {
        if row.until <= now {
            tx.delete(Key::new(Table::Waiting, scope, suffix));
            contact.waiting_reactions = contact.waiting_reactions.saturating_sub(1);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fixed;
    use alloc::borrow::ToOwned;

    fn text(text: &str) -> MessageRow {
        let body = Body::Text(Text {
            text: text.to_owned(),
            reply_to: Some(Fixed([9; 16])),
        });
        MessageRow::new(Fixed([1; 16]), false, body.to_typed(), 5, 5)
    }

    fn edit(mine: bool, text: &str, clock: Millis, id: u8) -> Amend {
        Amend::Edit {
            mine,
            text: text.to_owned(),
            version: Version {
                clock,
                mid: Fixed([id; 16]),
            },
        }
    }

    fn says(row: &MessageRow) -> Option<String> {
        match row.open_body() {
            Body::Text(text) => Some(text.text),
            _ => None,
        }
    }

    #[test]
    fn edits_come_in_any_order_and_the_newest_stands() {
        let edits = [
            edit(false, "b", 7, 1),
            edit(false, "c", 7, 2),
            edit(false, "a", 6, 3),
        ];
        for (i, j, k) in [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)] {
            let mut row = text("first");
            for n in [i, j, k] {
                fold(&mut row, edits[n].clone(), 9);
            }
            assert_eq!(says(&row).as_deref(), Some("c"));
            assert!(matches!(row.open_body(), Body::Text(t) if t.reply_to == Some(Fixed([9; 16]))));
        }
    }

    #[test]
    fn only_the_author_edits_and_deletes() {
        let mut row = text("first");
        assert!(!fold(&mut row, edit(true, "mine", 7, 1), 9));
        assert!(!fold(&mut row, Amend::Delete { mine: true }, 9));
        assert_eq!(says(&row).as_deref(), Some("first"));
    }

    #[test]
    fn nothing_brings_back_what_was_deleted() {
        let mut row = text("first");
        assert!(fold(&mut row, Amend::Delete { mine: false }, 9));
        assert!(!fold(&mut row, edit(false, "again", 70, 1), 10));
        let reaction = ReactionRow {
            mine: true,
            emoji: "x".to_owned(),
            clock: 8,
            mid: Fixed([3; 16]),
        };
        assert!(!fold(&mut row, Amend::Reaction(reaction), 10));
        assert_eq!((says(&row), row.state), (None, State::Deleted));
        assert!(row.body.bytes.is_empty() && row.reactions.is_empty());
        assert_eq!(row.deleted_at, Some(9));
    }
}
