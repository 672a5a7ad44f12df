//! The one door in, the one list out.

use crate::input::{Input, Moment};
use crate::output::Output;
use crate::store::{StoreError, Tx};
use alloc::vec::Vec;

/// Takes one input against a transaction and returns what is to be done once it is durable.
///
/// # Errors
/// [`StoreError`] only: the transaction must then be dropped, and the store with it.
pub fn handle(
    _tx: &mut Tx<'_>,
    _at: &mut Moment<'_>,
    _input: Input,
) -> Result<Vec<Output>, StoreError> {
    Ok(Vec::new())
}
