//! Answers that are kept for idempotency keys.

use super::{Outcome, refuse};
use crate::crypto::derive;
use crate::crypto::hash::hash;
use crate::id::B32;
use crate::input::Command;
use crate::limits::{KEY_BYTES_MAX, KEY_KEEP_MS, SWEEP_ROWS};
use crate::output::{Answer, Refusal, RefusalKind};
use crate::store::{Key, ReadExt, Span, Table, Tx};
use crate::time::Millis;
use crate::wire::codec::encode;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

#[derive(Encode, Decode)]
struct AnswerRow {
    #[n(0)]
    command: B32,
    #[n(1)]
    answer: Answer,
}

fn answer_key(key: &str) -> Key {
    Key::one(Table::Answer, key)
}

/// Answers in order of age, to be forgotten after a day.
fn age_key(at: Millis, key: &str) -> Key {
    let mark = hash(derive::COMMAND, &[key.as_bytes()]);
    Key::new(
        Table::Answer,
        [0u8],
        [&at.to_be_bytes()[..], &mark.0[..8]].concat(),
    )
}

/// Names a command, so that a key reused for another one is noticed.
pub(super) fn mark(command: &Command) -> B32 {
    hash(derive::COMMAND, &[&encode(command)])
}

/// A key may be used at all.
pub(super) fn fit_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.starts_with('\0') {
        let message = format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes");
        return Err(refuse(RefusalKind::Invalid, "bad_key", &message, None));
    }
    Ok(())
}

/// The answer that was given for a key; refused if that was to another command.
pub(super) fn given(tx: &Tx<'_>, key: &str, command: &B32) -> Outcome<Option<Answer>> {
    let Some(row) = tx.row::<AnswerRow>(&answer_key(key))? else {
        return Ok(Ok(None));
    };
    Ok(if row.command == *command {
        Ok(Some(row.answer))
    } else {
        Err(refuse(
            RefusalKind::Conflict,
            "key_reused",
            "this idempotency key was used for another command",
            Some("use a new key for a new command"),
        ))
    })
}

/// Keeps the answer that was given for a key.
pub(super) fn keep(tx: &mut Tx<'_>, now: Millis, key: &str, command: B32, answer: &Answer) {
    let row = AnswerRow {
        command,
        answer: answer.clone(),
    };
    tx.put(answer_key(key), &row);
    tx.put(age_key(now, key), &String::from(key));
}

/// Scope and bound of the answers to forget.
pub(super) fn old(now: Millis) -> Span {
    let until = now.saturating_sub(KEY_KEEP_MS).to_be_bytes();
    Span::all(Table::Answer, [0u8], SWEEP_ROWS).until(until)
}

/// Forgets the answer that an age row names.
pub(super) fn forget(tx: &mut Tx<'_>, suffix: Vec<u8>, key: &str) {
    tx.delete(answer_key(key));
    tx.delete(Key::new(Table::Answer, [0u8], suffix));
}
