//! Runs of rows, and several layers of them read as one.

use super::{Batch, Key, Read, Rows, StoreError, Table};
use crate::private::Bytes;
use alloc::collections::btree_map;
use alloc::vec::{self, Vec};
use core::cmp::Ordering;
use core::ops::Bound;

/// A run of rows of one scope, in order of their suffix.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// Kind of row.
    pub table: Table,
    /// The one scope that is scanned.
    pub scope: Vec<u8>,
    /// First suffix, inclusive; empty means from the start.
    pub from: Vec<u8>,
    /// Last suffix, exclusive; `None` means to the end.
    pub to: Option<Vec<u8>>,
    /// At most so many rows.
    pub limit: usize,
    /// From the end backwards.
    pub reverse: bool,
}

impl Span {
    /// All rows of a scope, at most `limit`.
    pub fn all(table: Table, scope: impl Into<Vec<u8>>, limit: usize) -> Self {
        Self {
            table,
            scope: scope.into(),
            from: Vec::new(),
            to: None,
            limit,
            reverse: false,
        }
    }

    /// Starting at a suffix, inclusive.
    pub fn from(mut self, suffix: impl Into<Vec<u8>>) -> Self {
        self.from = suffix.into();
        self
    }

    /// No row can lie within it.
    pub fn is_empty(&self) -> bool {
        self.limit == 0 || self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    /// Ending before a suffix.
    pub fn until(mut self, suffix: impl Into<Vec<u8>>) -> Self {
        self.to = Some(suffix.into());
        self
    }

    /// From the end backwards.
    pub fn backwards(mut self) -> Self {
        self.reverse = true;
        self
    }
}

/// First and last key of a span. The span must not be empty.
pub fn bounds(span: &Span) -> (Bound<Key>, Bound<Key>) {
    let at = |suffix: &[u8]| Key::new(span.table, &span.scope, suffix);
    let end = match &span.to {
        Some(to) => Bound::Excluded(at(to)),
        None => after(at(&[])),
    };
    (Bound::Included(at(&span.from)), end)
}

/// Before the first key of another scope.
fn after(mut key: Key) -> Bound<Key> {
    // The next scope of this length, if there is one.
    while let Some(last) = key.bytes.pop() {
        if let Some(up) = last.checked_add(1) {
            key.bytes.push(up);
            key.bytes.resize(key.scope_bytes, 0);
            return Bound::Excluded(key);
        }
    }
    let longer = key.scope_bytes + 1;
    key.scope_bytes = longer;
    key.bytes.resize(longer, 0);
    Bound::Excluded(key)
}

/// A row as a layer knows it: its value, or `None` if the layer deletes it.
pub type LayerRow = (Vec<u8>, Option<Bytes>);

/// Rows of one span in its order, as one of several layers knows them.
pub trait Layer {
    /// Suffix of the row at hand; `None` at the end.
    fn suffix(&self) -> Option<&[u8]>;

    /// Gives the row at hand, if there is one, and goes on to the next.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or the row is damaged.
    fn take(&mut self) -> Result<Option<LayerRow>, StoreError>;

    /// Goes on to the next row.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    fn skip(&mut self) -> Result<(), StoreError>;
}

/// The first rows of a span as several layers make them together: where two know a row, the one
/// that stands earlier in the list is right.
///
/// # Errors
/// [`StoreError`] if the disk fails or a row is damaged.
pub fn merge(
    layers: &mut [&mut dyn Layer],
    reverse: bool,
    limit: usize,
) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    while rows.len() < limit {
        let mut first: Option<(usize, &[u8])> = None;
        for (at, layer) in layers.iter().enumerate() {
            let Some(suffix) = layer.suffix() else {
                continue;
            };
            let earlier = first.is_none_or(|(_, known)| match suffix.cmp(known) {
                Ordering::Less => !reverse,
                Ordering::Greater => reverse,
                Ordering::Equal => false,
            });
            if earlier {
                first = Some((at, suffix));
            }
        }
        let Some((at, _)) = first else { break };
        let Some((suffix, value)) = layers[at].take()? else {
            break;
        };
        for layer in layers.iter_mut() {
            if layer.suffix() == Some(&suffix[..]) {
                layer.skip()?;
            }
        }
        if let Some(value) = value {
            rows.push((suffix, value));
        }
    }
    Ok(rows)
}

/// The rows that a batch writes within a span.
pub struct BatchLayer<'a> {
    range: btree_map::Range<'a, Key, Option<Bytes>>,
    reverse: bool,
    at: Option<(&'a Key, &'a Option<Bytes>)>,
}

impl<'a> BatchLayer<'a> {
    /// Begins at the span's first row.
    pub fn new(batch: &'a Batch, span: &Span) -> Self {
        let mut layer = Self {
            range: batch.range(bounds(span)),
            reverse: span.reverse,
            at: None,
        };
        layer.step();
        layer
    }

    fn step(&mut self) {
        self.at = if self.reverse {
            self.range.next_back()
        } else {
            self.range.next()
        };
    }
}

impl Layer for BatchLayer<'_> {
    fn suffix(&self) -> Option<&[u8]> {
        self.at.map(|(key, _)| key.suffix())
    }

    fn take(&mut self) -> Result<Option<LayerRow>, StoreError> {
        let row = self.at;
        self.step();
        Ok(row.map(|(key, value)| (key.suffix().to_vec(), value.clone())))
    }

    fn skip(&mut self) -> Result<(), StoreError> {
        self.step();
        Ok(())
    }
}

/// The rows of a store within a span, read a page at a time.
pub struct PageLayer<'a> {
    store: &'a dyn Read,
    /// What is left to read; nothing once a page came short.
    rest: Option<Span>,
    page: vec::IntoIter<(Vec<u8>, Bytes)>,
}

impl<'a> PageLayer<'a> {
    /// Reads the first page: as many rows as the span wants.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails or a row is damaged.
    pub fn new(store: &'a dyn Read, span: &Span) -> Result<Self, StoreError> {
        let mut layer = Self {
            store,
            rest: Some(span.clone()),
            page: Vec::new().into_iter(),
        };
        layer.fill()?;
        Ok(layer)
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        if !self.page.as_slice().is_empty() {
            return Ok(());
        }
        let Some(mut rest) = self.rest.take() else {
            return Ok(());
        };
        let rows = self.store.scan(&rest)?;
        if rows.len() >= rest.limit
            && let Some((last, _)) = rows.last()
        {
            if rest.reverse {
                rest.to = Some(last.clone());
            } else {
                // The first suffix after this one.
                rest.from = [&last[..], &[0]].concat();
            }
            self.rest = Some(rest);
        }
        self.page = rows.into_iter();
        Ok(())
    }
}

impl Layer for PageLayer<'_> {
    fn suffix(&self) -> Option<&[u8]> {
        self.page.as_slice().first().map(|(suffix, _)| &suffix[..])
    }

    fn take(&mut self) -> Result<Option<LayerRow>, StoreError> {
        let row = self.page.next();
        self.fill()?;
        Ok(row.map(|(suffix, value)| (suffix, Some(value))))
    }

    fn skip(&mut self) -> Result<(), StoreError> {
        self.page.next();
        self.fill()
    }
}
