//! The search index: folded texts of a conversation, packed so that many are opened at once.
//!
//! A segment is a row with the texts of messages that stand next to each other in canonical order.
//! Nothing is written here when a message comes: the contact counts it, and once it is quiet the
//! agenda packs what has gathered. Until then a message is found in its own row. Whatever takes a
//! text away takes it from its segment in the same transaction.

use super::body::Body;
use super::view::{self, MessageRow, ORDER_BYTES};
use crate::identity::contact::{ContactNo, ContactRow};
use crate::store::{Key, Read, ReadExt, Rows, Span, StoreError, Table, Tx};
use crate::wire::codec::Blob;
use alloc::string::String;
use alloc::vec::Vec;
use memchr::{memchr_iter, memmem::Finder};
use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};

/// Bytes of texts at which a segment is full: long enough that opening it costs little for each
/// text in it, short enough that taking one out is cheap. One text more may make it longer.
const SEGMENT_BYTES: usize = 32 * 1024;
/// Ends every text; no byte of UTF-8 is this one.
const END: u8 = 0xff;
/// Rows that one scan reads while packing: each may hold the longest text.
const PACK_PAGE: usize = 32;

/// A text as it is compared: without case, in any script that has it.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Letter by letter: what a final sigma stands for does not depend on what follows it.
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .collect()
}

/// The folded text of a message; `None` if there is nothing to find in it.
pub fn text_of(row: &MessageRow) -> Option<String> {
    match row.open_body() {
        Body::Text(text) => Some(fold(&text.text)),
        _ => None,
    }
}

#[derive(Clone, Default, Encode, Decode)]
struct SegmentRow {
    /// Order keys, one after the other.
    #[n(0)]
    orders: Blob,
    /// As many texts, each with its [`END`].
    #[n(1)]
    texts: Blob,
}

/// The same, without copying what was opened.
#[derive(Decode)]
struct SegmentView<'b> {
    #[b(0)]
    orders: &'b ByteSlice,
    #[b(1)]
    texts: &'b ByteSlice,
}

fn segment_key(no: ContactNo, start: &[u8]) -> Key {
    Key::new(Table::Segment, no.to_be_bytes(), start)
}

fn late_key(no: ContactNo, order: &[u8]) -> Key {
    Key::new(Table::Unpacked, no.to_be_bytes(), order)
}

/// Just behind a key.
fn behind(order: &[u8]) -> Vec<u8> {
    [order, &[0]].concat()
}

impl SegmentRow {
    fn orders(&self) -> Vec<&[u8]> {
        self.orders.chunks_exact(ORDER_BYTES).collect()
    }

    /// Where text number `n` begins; where the next one would, beyond the last.
    fn begin(&self, n: usize) -> usize {
        if n * ORDER_BYTES >= self.orders.len() {
            return self.texts.len();
        }
        match n.checked_sub(1) {
            Some(before) => {
                let end = memchr_iter(END, &self.texts).nth(before);
                end.map_or(self.texts.len(), |end| end + 1)
            }
            None => 0,
        }
    }

    fn has(&self, order: &[u8]) -> bool {
        self.orders().binary_search(&order).is_ok()
    }

    /// Puts a text in its place, in place of what stood there; `None` takes it out.
    fn set(&mut self, order: &[u8], text: Option<&str>) {
        let (n, there) = match self.orders().binary_search(&order) {
            Ok(n) => (n, true),
            Err(n) => (n, false),
        };
        let (from, to) = (self.begin(n), self.begin(n + usize::from(there)));
        let place = n * ORDER_BYTES;
        match (text, there) {
            (Some(text), _) => {
                let new = text.bytes().chain([END]);
                self.texts.0.splice(from..to, new);
                if !there {
                    self.orders.0.splice(place..place, order.iter().copied());
                }
            }
            (None, true) => {
                self.texts.0.drain(from..to);
                self.orders.0.drain(place..place + ORDER_BYTES);
            }
            (None, false) => {}
        }
    }

    /// Takes the second half away.
    fn split(&mut self) -> Self {
        let half = self.orders.len() / ORDER_BYTES / 2;
        let from = self.begin(half);
        Self {
            orders: Blob(self.orders.0.split_off(half * ORDER_BYTES)),
            texts: Blob(self.texts.0.split_off(from)),
        }
    }
}

/// The segment that a place belongs to.
fn covering(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    order: &[u8],
) -> Result<Option<(Vec<u8>, SegmentRow)>, StoreError> {
    let span = Span::all(Table::Segment, no.to_be_bytes(), 1)
        .until(behind(order))
        .backwards();
    Ok(store.rows(&span)?.pop())
}

/// A segment that is being written.
struct Open {
    start: Vec<u8>,
    /// Where the next one begins.
    next: Option<Vec<u8>>,
    row: SegmentRow,
}

/// Writes texts into segments, in order.
struct Packer {
    no: ContactNo,
    open: Option<Open>,
}

impl Packer {
    fn put(&mut self, tx: &mut Tx<'_>, order: &[u8], text: &str) -> Result<(), StoreError> {
        let here = self.open.as_ref().is_some_and(|open| {
            order >= &open.start[..] && open.next.as_ref().is_none_or(|next| order < &next[..])
        });
        if !here {
            self.close(tx);
            self.open = Some(self.find(tx, order)?);
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let orders = open.row.orders();
        let full = open.row.texts.len() + text.len() >= SEGMENT_BYTES;
        if full && orders.last().is_some_and(|last| order > *last) {
            let next = open.next.take();
            self.close(tx);
            self.open = Some(Open {
                start: order.to_vec(),
                next,
                row: SegmentRow::default(),
            });
        } else if full && orders.len() > 1 {
            let upper = open.row.split();
            let start = upper.orders.0[..ORDER_BYTES].to_vec();
            let next = open.next.replace(start.clone());
            let row = upper;
            let upper = Open { start, next, row };
            if order >= &upper.start[..] {
                self.close(tx);
                self.open = Some(upper);
            } else {
                tx.put(segment_key(self.no, &upper.start), &upper.row);
            }
        }
        if let Some(open) = &mut self.open {
            open.row.set(order, Some(text));
        }
        Ok(())
    }

    fn find(&self, tx: &Tx<'_>, order: &[u8]) -> Result<Open, StoreError> {
        let (start, row) = covering(tx, self.no, order)?
            .unwrap_or_else(|| (order.to_vec(), SegmentRow::default()));
        let after = Span::all(Table::Segment, self.no.to_be_bytes(), 1).from(behind(&start));
        let next = tx.scan(&after)?.pop().map(|(next, _)| next);
        Ok(Open { start, next, row })
    }

    fn close(&mut self, tx: &mut Tx<'_>) {
        if let Some(open) = self.open.take() {
            tx.put(segment_key(self.no, &open.start), &open.row);
        }
    }
}

/// Notes a new message: counted if it stands behind everything that is packed, by a row of its own
/// otherwise. The caller puts `contact` back.
pub(super) fn came(tx: &mut Tx<'_>, contact: &mut ContactRow, order: &[u8]) {
    let packed = contact.packed.get_or_insert_default();
    packed.fresh = packed.fresh.saturating_add(1);
    if *order <= packed.upto[..] {
        tx.put(late_key(contact.no, order), &());
    }
}

/// The text of a message is another one from now on, or none: what a segment holds of the old one
/// goes with this transaction.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn replace(
    tx: &mut Tx<'_>,
    contact: &ContactRow,
    order: &[u8],
    text: Option<&str>,
) -> Result<(), StoreError> {
    let packed = contact.packed.as_ref();
    if packed.is_none_or(|packed| *order > packed.upto[..]) {
        return Ok(());
    }
    if text.is_none() {
        tx.delete(late_key(contact.no, order));
    }
    let Some((start, mut row)) = covering(tx, contact.no, order)? else {
        return Ok(());
    };
    if !row.has(order) {
        return Ok(());
    }
    row.set(order, text);
    let key = segment_key(contact.no, &start);
    if row.orders.is_empty() {
        tx.delete(key);
    } else {
        tx.put(key, &row);
    }
    Ok(())
}

/// The texts of messages go, each with what is packed of it. `orders` are in order.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn erase(tx: &mut Tx<'_>, contact: &ContactRow, orders: &[Vec<u8>]) -> Result<(), StoreError> {
    let Some(packed) = &contact.packed else {
        return Ok(());
    };
    let no = contact.no;
    let mut open: Option<(Vec<u8>, SegmentRow)> = None;
    for order in orders.iter().filter(|order| order[..] <= packed.upto[..]) {
        tx.delete(late_key(no, order));
        if !open.as_ref().is_some_and(|(_, row)| row.has(order)) {
            put_open(tx, no, open.take());
            open = covering(tx, no, order)?.filter(|(_, row)| row.has(order));
        }
        if let Some((_, row)) = &mut open {
            row.set(order, None);
        }
    }
    put_open(tx, no, open);
    Ok(())
}

fn put_open(tx: &mut Tx<'_>, no: ContactNo, open: Option<(Vec<u8>, SegmentRow)>) {
    match open {
        Some((start, row)) if row.orders.is_empty() => tx.delete(segment_key(no, &start)),
        Some((start, row)) => tx.put(segment_key(no, &start), &row),
        None => {}
    }
}

/// What one call of [`pack`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Step {
    /// Messages that were looked at.
    pub messages: usize,
    /// Bytes of their texts.
    pub bytes: usize,
    /// There are more.
    pub more: bool,
}

/// Packs messages of a conversation until so many, or texts of so many bytes, are done. The caller
/// puts `contact` back.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn pack(
    tx: &mut Tx<'_>,
    contact: &mut ContactRow,
    messages: usize,
    bytes: usize,
) -> Result<Step, StoreError> {
    let no = contact.no;
    let mut packed = contact.packed.take().unwrap_or_default();
    let mut step = Step {
        more: true,
        ..Step::default()
    };
    let mut packer = Packer { no, open: None };
    while step.messages < messages && step.bytes < bytes {
        let late = late(tx, no, None, PACK_PAGE)?;
        let page = if late.is_empty() {
            let page = view::after(tx, no, &packed.upto, PACK_PAGE)?;
            if page.is_empty() {
                packed.fresh = 0;
                step.more = false;
                break;
            }
            step.messages += page.len();
            page
        } else {
            step.messages += late.len();
            let mut page = Vec::with_capacity(late.len());
            for order in late {
                tx.delete(late_key(no, &order));
                page.extend(view::get(tx, no, &order)?.map(|row| (order, row)));
            }
            // Oldest first, so that segments are filled from the front.
            page.reverse();
            page
        };
        for (order, row) in page {
            packed.fresh = packed.fresh.saturating_sub(1);
            if let Some(text) = text_of(&row) {
                step.bytes += text.len();
                packer.put(tx, &order, &text)?;
            }
            if order[..] > packed.upto[..] {
                packed.upto = Blob(order);
            }
        }
    }
    packer.close(tx);
    contact.packed = Some(packed);
    Ok(step)
}

/// Messages of a conversation that came behind what was packed and are not packed yet, newest
/// first, before a place.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn late(
    store: &(impl ReadExt + ?Sized),
    no: ContactNo,
    before: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut span = Span::all(Table::Unpacked, no.to_be_bytes(), limit).backwards();
    if let Some(before) = before {
        span = span.until(before);
    }
    let rows: Rows = store.scan(&span)?;
    Ok(rows.into_iter().map(|(order, _)| order).collect())
}

/// Looks through the last segment of a conversation that begins before a place, for texts before
/// that place. Gives what it found, in order, to `found`, and says where the segment begins;
/// `None` if there is none.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn look(
    store: &dyn Read,
    no: ContactNo,
    before: &[u8],
    needle: &Finder<'_>,
    mut found: impl FnMut(&[u8]),
) -> Result<Option<Vec<u8>>, StoreError> {
    let span = Span::all(Table::Segment, no.to_be_bytes(), 1)
        .until(before)
        .backwards();
    let Some((start, bytes)) = store.scan(&span)?.pop() else {
        return Ok(None);
    };
    let damaged = |_| StoreError::Damaged(Table::Segment);
    let view: SegmentView<'_> = minicbor::decode(&bytes).map_err(damaged)?;
    let mut orders = view.orders.chunks_exact(ORDER_BYTES);
    let mut rest: &[u8] = view.texts;
    while let Some(at) = needle.find(rest).filter(|_| !rest.is_empty()) {
        // As many texts end before the hit as messages have to be passed over.
        let passed = memchr_iter(END, &rest[..at]).count();
        let Some(order) = orders.nth(passed) else {
            return Err(StoreError::Damaged(Table::Segment));
        };
        if order < before {
            found(order);
        }
        let end = memchr::memchr(END, &rest[at..]);
        rest = end.map_or(&[], |end| &rest[at + end + 1..]);
    }
    Ok(Some(start))
}
