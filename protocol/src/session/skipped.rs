//! Keys of letters that were passed over: bounded per contact and in all, erased on use.

use crate::id::{B32, SessionId};
use crate::identity::contact::{self, ContactNo, ContactRow};
use crate::limits::{SEEN_KEEP_MS, SKIPPED_PER_ACCOUNT_MAX, SKIPPED_TOTAL_MAX, SWEEP_ROWS};
use crate::private::Secret;
use crate::store::{Key, ReadExt, Span, StoreError, Table, Tx, suffix_u64};
use crate::time::Millis;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};

/// A key to be kept.
#[derive(Debug)]
pub struct Spare {
    /// Chain.
    pub dh: B32,
    /// Number in the chain.
    pub n: u32,
    /// Message key.
    pub key: Secret<32>,
}

#[derive(Encode, Decode)]
struct SpareRow {
    #[n(0)]
    key: Secret<32>,
    #[n(1)]
    order: u64,
}

#[derive(Encode, Decode)]
struct OrderRow {
    #[n(0)]
    session: SessionId,
    #[n(1)]
    dh: B32,
    #[n(2)]
    n: u32,
    #[n(3)]
    at: Millis,
}

fn spare_key(session: &SessionId, dh: &B32, n: u32) -> Key {
    Key::new(
        Table::Skipped,
        [&session.0[..], &dh.0].concat(),
        n.to_be_bytes(),
    )
}

fn order_key(contact: ContactNo, order: u64) -> Key {
    Key::new(
        Table::SkippedOrder,
        contact.to_be_bytes(),
        order.to_be_bytes(),
    )
}

fn total_key() -> Key {
    Key::one(Table::Meta, *b"skipped")
}

/// The stored key of a letter, if there is one.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn find(
    store: &(impl ReadExt + ?Sized),
    session: &SessionId,
    dh: &B32,
    n: u32,
) -> Result<Option<Secret<32>>, StoreError> {
    Ok(store
        .row::<SpareRow>(&spare_key(session, dh, n))?
        .map(|row| row.key))
}

/// Stores keys; the contact's oldest make room, then those of whoever holds most.
/// The caller puts `owner` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn keep(
    tx: &mut Tx<'_>,
    owner: &mut ContactRow,
    session: &SessionId,
    spares: Vec<Spare>,
    now: Millis,
) -> Result<(), StoreError> {
    if spares.is_empty() {
        return Ok(());
    }
    let mut total = total(tx)?;
    for spare in spares {
        let order = tx.count_up("skipped_order")?;
        let Spare { dh, n, key } = spare;
        tx.put(spare_key(session, &dh, n), &SpareRow { key, order });
        tx.put(
            order_key(owner.no, order),
            &OrderRow {
                session: *session,
                dh,
                n,
                at: now,
            },
        );
        owner.skipped += 1;
        total += 1;
    }
    set_total(tx, total);
    let surplus = owner.skipped.saturating_sub(SKIPPED_PER_ACCOUNT_MAX);
    evict(tx, owner, surplus as usize, Millis::MAX)?;
    let mut surplus = self::total(tx)?.saturating_sub(u64::from(SKIPPED_TOTAL_MAX));
    while surplus > 0 {
        let Some(mut most) = fullest(tx, owner)? else {
            break;
        };
        let count = usize::try_from(surplus).unwrap_or(usize::MAX);
        if most.no == owner.no {
            evict(tx, owner, count, Millis::MAX)?;
        } else {
            evict(tx, &mut most, count, Millis::MAX)?;
            contact::put(tx, &most);
        }
        surplus = self::total(tx)?.saturating_sub(u64::from(SKIPPED_TOTAL_MAX));
    }
    Ok(())
}

/// Erases a key that was used. The caller puts `owner` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn erase(
    tx: &mut Tx<'_>,
    owner: &mut ContactRow,
    session: &SessionId,
    dh: &B32,
    n: u32,
) -> Result<(), StoreError> {
    if let Some(row) = tx.take::<SpareRow>(spare_key(session, dh, n))? {
        tx.delete(order_key(owner.no, row.order));
        owner.skipped = owner.skipped.saturating_sub(1);
        let total = total(tx)?;
        set_total(tx, total.saturating_sub(1));
    }
    Ok(())
}

/// Erases a contact's keys older than 35 days, a bounded number at once; says whether there may
/// be more. The caller puts `owner` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn sweep(tx: &mut Tx<'_>, owner: &mut ContactRow, now: Millis) -> Result<bool, StoreError> {
    let erased = evict(tx, owner, SWEEP_ROWS, now.saturating_sub(SEEN_KEEP_MS))?;
    Ok(erased == SWEEP_ROWS)
}

/// Erases keys of a contact that is gone, a bounded number at once; says whether there may be more.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn forget(tx: &mut Tx<'_>, no: ContactNo) -> Result<bool, StoreError> {
    let span = Span::all(Table::SkippedOrder, no.to_be_bytes(), SWEEP_ROWS);
    let rows = tx.rows::<OrderRow>(&span)?;
    if rows.is_empty() {
        return Ok(false);
    }
    let erased = rows.len();
    for (suffix, row) in rows {
        tx.delete(order_key(no, suffix_u64(&suffix)));
        tx.delete(spare_key(&row.session, &row.dh, row.n));
    }
    let total = total(tx)?;
    set_total(tx, total.saturating_sub(erased as u64));
    Ok(erased == SWEEP_ROWS)
}

/// Erases the contact's oldest keys, at most `count`, stored before `before`.
fn evict(
    tx: &mut Tx<'_>,
    owner: &mut ContactRow,
    count: usize,
    before: Millis,
) -> Result<usize, StoreError> {
    if count == 0 {
        return Ok(0);
    }
    let span = Span::all(Table::SkippedOrder, owner.no.to_be_bytes(), count);
    let mut erased = 0;
    for (suffix, row) in tx.rows::<OrderRow>(&span)? {
        if row.at >= before {
            break;
        }
        tx.delete(order_key(owner.no, suffix_u64(&suffix)));
        tx.delete(spare_key(&row.session, &row.dh, row.n));
        owner.skipped = owner.skipped.saturating_sub(1);
        erased += 1;
    }
    let total = total(tx)?;
    set_total(tx, total.saturating_sub(erased as u64));
    Ok(erased)
}

/// The contact that holds most keys; `owner` may not be written back yet.
fn fullest(tx: &Tx<'_>, owner: &ContactRow) -> Result<Option<ContactRow>, StoreError> {
    let mut most = owner.clone();
    let mut from = 0;
    loop {
        let page = contact::list(tx, from, SWEEP_ROWS)?;
        let Some(last) = page.last() else { break };
        from = last.no + 1;
        for row in page {
            if row.no != owner.no && row.skipped > most.skipped {
                most = row;
            }
        }
    }
    Ok((most.skipped > 0).then_some(most))
}

fn total(tx: &Tx<'_>) -> Result<u64, StoreError> {
    Ok(tx.row(&total_key())?.unwrap_or(0))
}

fn set_total(tx: &mut Tx<'_>, total: u64) {
    tx.put(total_key(), &total);
}
