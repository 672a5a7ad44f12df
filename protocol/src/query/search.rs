//! Looking for a text in everything that was said, in slices that keep nobody waiting.

use super::talk::message_view;
use super::{Hunt, MessageView};
use crate::feed::segments::{self, fold};
use crate::feed::view::{self, MessageRow};
use crate::id::Mid;
use crate::identity::contact::{self, ContactNo};
use crate::identity::device::{self, OwnRow};
use crate::limits::{READ_MAX, SEARCH_DEFAULT};
use crate::store::{Read, StoreError, Table};
use crate::time::Millis;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use memchr::memmem::Finder;

/// Work of one slice: a millisecond or two.
const SLICE: usize = 256;
/// What opening a segment costs beside opening a row.
const SEGMENT_COST: usize = 8;
/// Rows that one scan reads.
const PAGE: usize = 64;
/// Behind every order key.
const LAST: [u8; view::ORDER_BYTES + 1] = [0xff; view::ORDER_BYTES + 1];

/// A message that was found. Orders as canonical order does; conversations with each other by
/// clock.
type Hit = (Vec<u8>, ContactNo);

/// Where in a conversation the search stands; it goes from its end to its beginning.
enum Stage {
    /// Among messages that came behind what is packed, and are not packed yet.
    Late,
    /// Among those that came since.
    Rows,
    /// In segments.
    Packed,
}

/// Why a search did not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// There is no such contact.
    Contact,
    /// There is no such message to go back from.
    Message,
}

/// A search under way. It looks at a store that goes on changing: what is there all the while is
/// found, what goes meanwhile is not shown.
pub struct Search {
    own: OwnRow,
    needle: String,
    limit: usize,
    before: Option<Hit>,
    /// Contacts not looked up yet begin here.
    gather: Option<ContactNo>,
    /// Conversations to look at, the one with the newest message last.
    left: Vec<(Millis, ContactNo)>,
    stage: Stage,
    /// Nothing from here on is looked at any more.
    place: Vec<u8>,
    hits: BTreeSet<Hit>,
    shown: Vec<MessageView>,
}

impl Search {
    /// Begins, unless something that it is to go by is missing.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn begin(store: &dyn Read, hunt: &Hunt) -> Result<Result<Self, Missing>, StoreError> {
        let own = device::load(store)?.ok_or(StoreError::Damaged(Table::Own))?;
        let only = match &hunt.contact {
            Some(name) => match contact::named(store, name)? {
                Some(row) => Some((row.clock, row.no)),
                None => return Ok(Err(Missing::Contact)),
            },
            None => None,
        };
        let before = match &hunt.before {
            Some(mid) => match place(store, mid)? {
                Some(hit) => Some(hit),
                None => return Ok(Err(Missing::Message)),
            },
            None => None,
        };
        let limit = match hunt.limit {
            0 => SEARCH_DEFAULT,
            limit => limit.min(READ_MAX),
        };
        let mut search = Self {
            own,
            needle: fold(&hunt.text),
            limit,
            before,
            gather: only.is_none().then_some(0),
            left: only.into_iter().collect(),
            stage: Stage::Late,
            place: Vec::new(),
            hits: BTreeSet::new(),
            shown: Vec::new(),
        };
        search.enter();
        Ok(Ok(search))
    }

    /// One slice. True once everything is found.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn step(&mut self, store: &dyn Read) -> Result<bool, StoreError> {
        let needle = self.needle.clone();
        let finder = Finder::new(&needle);
        let mut work = 0;
        while work < SLICE {
            if let Some(from) = self.gather {
                work += self.gather(store, from)?;
            } else if let Some((clock, no)) = self.left.last().copied() {
                if self.is_beyond(&clock.to_be_bytes()) {
                    // The others are older still.
                    self.left.clear();
                    continue;
                }
                work += self.look(store, no, &finder)?;
            } else if let Some(hit) = self.hits.pop_last() {
                work += 2;
                self.show(store, &finder, &hit)?;
            } else {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was found, newest first.
    pub fn found(self) -> Vec<MessageView> {
        self.shown
    }

    /// Notes some contacts; the last time puts the newest conversation in front.
    fn gather(&mut self, store: &dyn Read, from: ContactNo) -> Result<usize, StoreError> {
        let page = contact::list(store, from, PAGE)?;
        let full = page.len() == PAGE;
        self.gather = page.last().map(|last| last.no + 1).filter(|_| full);
        self.left.extend(page.iter().map(|row| (row.clock, row.no)));
        if self.gather.is_none() {
            self.left.sort_unstable();
        }
        Ok(PAGE)
    }

    /// A conversation begins at its end.
    fn enter(&mut self) {
        self.stage = Stage::Late;
        self.place = match &self.before {
            // A message of another conversation may stand at the same place.
            Some((order, _)) => [&order[..], &[0]].concat(),
            None => LAST.to_vec(),
        };
    }

    fn leave(&mut self) {
        self.left.pop();
        self.enter();
    }

    /// Enough is found that is newer than this place, or clock.
    fn is_beyond(&self, place: &[u8]) -> bool {
        // What shares the clock of the oldest hit may still sort before it.
        let oldest = self.hits.first().filter(|_| self.hits.len() >= self.limit);
        oldest.is_some_and(|(order, _)| place.iter().take(8).lt(order.iter().take(8)))
    }

    fn hit(&mut self, order: &[u8], no: ContactNo) {
        let hit = (order.to_vec(), no);
        if self.before.as_ref().is_some_and(|before| hit >= *before) {
            return;
        }
        self.hits.insert(hit);
        if self.hits.len() > self.limit {
            self.hits.pop_first();
        }
    }

    /// Goes on in a conversation.
    fn look(
        &mut self,
        store: &dyn Read,
        no: ContactNo,
        finder: &Finder<'_>,
    ) -> Result<usize, StoreError> {
        match self.stage {
            Stage::Late => self.look_late(store, no, finder),
            Stage::Rows => self.look_rows(store, no, finder),
            Stage::Packed => self.look_packed(store, no, finder),
        }
    }

    fn look_late(
        &mut self,
        store: &dyn Read,
        no: ContactNo,
        finder: &Finder<'_>,
    ) -> Result<usize, StoreError> {
        let page = segments::late(store, no, Some(&self.place), PAGE)?;
        for order in &page {
            if let Some(row) = view::get(store, no, order)?
                && matches(&row, finder)
            {
                self.hit(order, no);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => self.place.clone_from(last),
            _ => {
                self.enter();
                self.stage = Stage::Rows;
            }
        }
        Ok(page.len() + 1)
    }

    fn look_rows(
        &mut self,
        store: &dyn Read,
        no: ContactNo,
        finder: &Finder<'_>,
    ) -> Result<usize, StoreError> {
        // Packing may go on between two slices: then less is left to be looked at here.
        let packed = contact::get(store, no)?.and_then(|row| row.packed);
        let upto = packed.unwrap_or_default().upto;
        let page = view::back(store, no, &upto, &self.place, PAGE)?;
        for (order, row) in &page {
            if matches(row, finder) {
                self.hit(order, no);
            }
        }
        match page.last() {
            Some((last, _)) if self.is_beyond(last) => self.leave(),
            Some((last, _)) if page.len() == PAGE => self.place.clone_from(last),
            _ => {
                let edge = [&upto[..], &[0]].concat();
                self.place = core::mem::take(&mut self.place).min(edge);
                self.stage = Stage::Packed;
            }
        }
        Ok(page.len() + 1)
    }

    fn look_packed(
        &mut self,
        store: &dyn Read,
        no: ContactNo,
        finder: &Finder<'_>,
    ) -> Result<usize, StoreError> {
        let mut found = Vec::new();
        let begins = segments::look(store, no, &self.place, finder, |order| {
            found.push(order.to_vec());
        })?;
        for order in found {
            self.hit(&order, no);
        }
        match begins {
            Some(begins) if !self.is_beyond(&begins) => self.place = begins,
            _ => self.leave(),
        }
        Ok(SEGMENT_COST)
    }

    /// Reads a message that was found, unless it went or was edited meanwhile.
    fn show(
        &mut self,
        store: &dyn Read,
        finder: &Finder<'_>,
        (order, no): &Hit,
    ) -> Result<(), StoreError> {
        if let Some(row) = view::get(store, *no, order)?
            && matches(&row, finder)
            && let Some(contact) = contact::get(store, *no)?
        {
            self.shown.push(message_view(&self.own, &contact, &row));
        }
        Ok(())
    }
}

fn matches(row: &MessageRow, finder: &Finder<'_>) -> bool {
    segments::text_of(row).is_some_and(|text| finder.find(text.as_bytes()).is_some())
}

/// Where a message stands among all.
fn place(store: &dyn Read, mid: &Mid) -> Result<Option<Hit>, StoreError> {
    let mut places = view::places(store, mid)?;
    places.sort_by_key(|place| !place.mine);
    let place = places.into_iter().next();
    Ok(place.map(|place| (place.order.0, place.no)))
}
