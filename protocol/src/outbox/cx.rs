//! What one call of the engine carries along.

use crate::feed::changes::{self, ChangeKind};
use crate::feed::notices::{self, NoticeRow};
use crate::id::Mid;
use crate::identity::contact::{self, ContactNo};
use crate::identity::device::OwnRow;
use crate::input::Moment;
use crate::output::Output;
use crate::store::{StoreError, Tx};
use alloc::vec::Vec;

/// The transaction, the moment, the account, and the outputs so far.
pub struct Cx<'c, 't, 'm> {
    /// Reads and writes.
    pub tx: &'c mut Tx<'t>,
    /// Time, dice, settings.
    pub at: &'c mut Moment<'m>,
    /// This account.
    pub own: OwnRow,
    /// What is to be done.
    pub out: Vec<Output>,
    /// Newest cursor of the change log, if this call added to it.
    pub cursor: Option<u64>,
    /// The message that this call created: its first state is told with it.
    pub fresh: Option<Mid>,
}

impl Cx<'_, '_, '_> {
    /// Appends to the change log.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn log(&mut self, kind: ChangeKind) -> Result<u64, StoreError> {
        let cursor = changes::log(self.tx, self.at.now, kind)?;
        self.cursor = Some(cursor);
        Ok(cursor)
    }

    /// Tells the user something; what is about a contact stays in its place in the conversation.
    ///
    /// # Errors
    /// [`StoreError`] if the disk fails.
    pub fn notice(
        &mut self,
        no: Option<ContactNo>,
        code: &str,
        text: &str,
    ) -> Result<(), StoreError> {
        if let Some(no) = no {
            let notice = NoticeRow {
                at: self.at.now,
                clock: contact::get(self.tx, no)?.map_or(0, |contact| contact.clock),
                code: code.into(),
                text: text.into(),
            };
            notices::keep(self.tx, no, notice)?;
        }
        self.log(ChangeKind::Notice {
            no,
            code: code.into(),
            text: text.into(),
        })?;
        Ok(())
    }
}
