//! A conversation from its beginning, page by page, as it is taken along.

use crate::feed::body::kind;
use crate::feed::past::Past;
use crate::feed::view::{self, MessageRow};
use crate::identity::contact;
use crate::store::{Read, StoreError};
use alloc::vec::Vec;

/// Messages that one page looks at; it holds fewer where some are not taken along.
const PAGE: usize = 256;
/// Bytes of bodies at which a page ends.
const PAGE_BYTES: usize = 512 * 1024;
/// Rows that one scan reads: each may hold the longest text.
const SCAN: usize = 32;

/// Messages in canonical order, and where the next page begins; no more if that is `None`.
pub type History = (Vec<Past>, Option<Vec<u8>>);

/// A page of a conversation behind a place of [`History`], or from its beginning; `None`: no such
/// contact.
///
/// # Errors
/// [`StoreError`] if the disk fails.
pub fn history(
    store: &dyn Read,
    name: &str,
    place: Option<&[u8]>,
) -> Result<Option<History>, StoreError> {
    let Some(contact) = contact::named(store, name)? else {
        return Ok(None);
    };
    let mut place = place.unwrap_or_default().to_vec();
    let (mut page, mut looked, mut bytes) = (Vec::new(), 0, 0);
    while looked < PAGE && bytes < PAGE_BYTES {
        let rows = view::after(store, contact.no, &place, SCAN)?;
        let Some((last, _)) = rows.last() else {
            return Ok(Some((page, None)));
        };
        place.clone_from(last);
        looked += rows.len();
        bytes += rows
            .iter()
            .map(|(_, row)| row.body.bytes.len())
            .sum::<usize>();
        let stay = rows.iter().filter(|(_, row)| stays(row));
        page.extend(stay.map(|(_, row)| Past::of(row)));
    }
    Ok(Some((page, Some(place))))
}

/// What disappears is not taken along, nor what says after which time: a file would outlive it.
fn stays(row: &MessageRow) -> bool {
    row.timer.is_none() && row.body.kind != kind::TIMER
}
