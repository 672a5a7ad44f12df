//! A home without a running node: who lives there.

use crate::home::Home;
use crate::node::StartError;
use std::path::Path;
use waxwing_protocol::query::{self, Me};

/// Who lives in a home. `None` if there is no home, or no account in it yet. Nothing is made that
/// was not there.
///
/// # Errors
/// [`StartError`] if the home is in use, locked with a passphrase, or cannot be read.
pub fn me(root: &Path) -> Result<Option<Me>, StartError> {
    if !root.join("db").is_dir() {
        return Ok(None);
    }
    let home = Home::open(root)?;
    let place = home.place(home.data_key(None)?);
    let store = home.store(&place)?;
    query::me(&store).map_err(|error| StartError::Store(error.to_string()))
}
