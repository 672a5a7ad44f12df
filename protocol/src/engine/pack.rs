//! Packing what was said for search: in bounded steps, once it is quiet.

use crate::agenda::{self, Job};
use crate::feed::{changes, segments};
use crate::identity::contact::{self, ContactNo, ContactRow};
use crate::outbox::Cx;
use crate::store::{Key, ReadExt, StoreError, Table};
use crate::time::{MINUTE_MS, Millis, SECOND_MS};
use minicbor::{Decode, Encode};

/// A conversation asks to be packed whenever so many messages have come to it.
const ASK_EVERY: u32 = 128;
/// Fewer than these are left where they are: a few rows are opened quickly.
const FEW: u32 = 16;
/// Nothing may change for so long before packing begins or goes on …
const QUIET_MS: Millis = 2 * SECOND_MS;
/// … except that a node which is never quiet packs all the same, after this long …
const BUSY_MS: Millis = MINUTE_MS;
/// … one step each such span.
const BUSY_STEP_MS: Millis = SECOND_MS;
/// Between two steps on a quiet node: whoever asks something comes in between, a search in many
/// slices too.
const STEP_MS: Millis = 20;
/// Changes that do not count as a disturbance.
const CALM_CHANGES: u64 = 8;
/// Messages of one step, and bytes of their texts: a few milliseconds.
const STEP_MESSAGES: usize = 512;
const STEP_BYTES: usize = 128 * 1024;
/// Contacts that one step looks at.
const STEP_CONTACTS: usize = 256;

/// Where packing stands while there is something to do.
#[derive(Encode, Decode)]
struct PackRow {
    /// When the next step is due; the one job of this time is the valid one.
    #[n(0)]
    at: Millis,
    /// First contact of the step.
    #[n(1)]
    from: ContactNo,
    /// Newest cursor of the change log when the step was set.
    #[n(2)]
    cursor: u64,
    /// Since when it waits for quiet.
    #[n(3)]
    since: Millis,
}

fn pack_key() -> Key {
    Key::one(Table::Meta, *b"pack")
}

/// A message came, or was said: now and then its conversation asks to be packed.
pub(super) fn came(cx: &mut Cx<'_, '_, '_>, contact: &ContactRow) -> Result<(), StoreError> {
    let fresh = contact.packed.as_ref().map_or(0, |packed| packed.fresh);
    if fresh == 0
        || !fresh.is_multiple_of(ASK_EVERY)
        || cx.tx.row::<PackRow>(&pack_key())?.is_some()
    {
        return Ok(());
    }
    begin(cx)
}

/// Several messages came at once.
pub(super) fn many_came(cx: &mut Cx<'_, '_, '_>, contact: &ContactRow) -> Result<(), StoreError> {
    let fresh = contact.packed.as_ref().map_or(0, |packed| packed.fresh);
    if fresh < ASK_EVERY || cx.tx.row::<PackRow>(&pack_key())?.is_some() {
        return Ok(());
    }
    begin(cx)
}

/// Begins at the first contact, whatever an earlier run of the node had planned: its clock may
/// have been another one.
pub(super) fn start(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    if next(cx, 0)?.0.is_some() {
        begin(cx)?;
    }
    Ok(())
}

fn begin(cx: &mut Cx<'_, '_, '_>) -> Result<(), StoreError> {
    let since = cx.at.now;
    set(cx, since + QUIET_MS, 0, since)
}

fn set(
    cx: &mut Cx<'_, '_, '_>,
    at: Millis,
    from: ContactNo,
    since: Millis,
) -> Result<(), StoreError> {
    let row = PackRow {
        at,
        from,
        cursor: changes::newest(cx.tx)?,
        since,
    };
    cx.tx.put(pack_key(), &row);
    agenda::at(cx.tx, at, &Job::Pack);
    Ok(())
}

/// A conversation that is worth a step.
fn is_due(contact: &ContactRow) -> bool {
    match &contact.packed {
        // Of a version that packed nothing.
        None => true,
        Some(packed) => packed.fresh >= FEW || (packed.fresh > 0 && packed.upto.is_empty()),
    }
}

/// The first contact that is worth a step, from one on, and where to look further if none of
/// those looked at is.
fn next(
    cx: &Cx<'_, '_, '_>,
    from: ContactNo,
) -> Result<(Option<ContactRow>, Option<ContactNo>), StoreError> {
    let page = contact::list(cx.tx, from, STEP_CONTACTS)?;
    let on = page.last().map(|last| last.no + 1);
    let on = on.filter(|_| page.len() == STEP_CONTACTS);
    Ok((page.into_iter().find(is_due), on))
}

/// One step, if it is quiet; `due` is when it was set for.
pub(super) fn step(cx: &mut Cx<'_, '_, '_>, due: Millis) -> Result<(), StoreError> {
    let now = cx.at.now;
    let Some(row) = cx
        .tx
        .row::<PackRow>(&pack_key())?
        .filter(|row| row.at == due)
    else {
        return Ok(());
    };
    let disturbed = changes::newest(cx.tx)?.saturating_sub(row.cursor) > CALM_CHANGES;
    let waited = now.saturating_sub(row.since) >= BUSY_MS;
    if disturbed && !waited {
        return set(cx, now + QUIET_MS, row.from, row.since);
    }
    let pause = if disturbed { BUSY_STEP_MS } else { STEP_MS };
    let since = if disturbed { row.since } else { now };
    let mut room = STEP_MESSAGES;
    let mut bytes = STEP_BYTES;
    let mut from = row.from;
    while room > 0 && bytes > 0 {
        let (found, on) = next(cx, from)?;
        let Some(mut contact) = found else {
            match on {
                Some(on) => from = on,
                None => {
                    cx.tx.delete(pack_key());
                    return Ok(());
                }
            }
            break;
        };
        from = contact.no;
        let done = segments::pack(cx.tx, &mut contact, room, bytes)?;
        contact::put(cx.tx, &contact);
        room = room.saturating_sub(done.messages);
        bytes = bytes.saturating_sub(done.bytes);
        if !done.more {
            from += 1;
            // A contact without a message costs a look all the same.
            room = room.saturating_sub(1);
        }
    }
    set(cx, now + pause, from, since)
}
