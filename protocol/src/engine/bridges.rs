//! The bridges at which we keep a mailbox: added, given up.

use super::{Outcome, refuse};
use crate::outbox::Cx;
use crate::output::{Answer, RefusalKind};

/// Keeps a mailbox at a bridge from now on.
pub(super) fn add(_cx: &mut Cx<'_, '_, '_>, _descriptor: &str) -> Outcome<Answer> {
    Ok(Err(refuse(
        RefusalKind::Invalid,
        "bad_descriptor",
        "not a bridge descriptor",
        Some("it begins with `waxwing-bridge:`; ask the bridge's operator for it"),
    )))
}

/// Gives up the mailbox at a bridge.
pub(super) fn remove(_cx: &mut Cx<'_, '_, '_>, _bridge: &str) -> Outcome<Answer> {
    Ok(Err(refuse(
        RefusalKind::NotFound,
        "no_bridge",
        "no such bridge",
        Some("`waxwing bridges` lists those that you use"),
    )))
}
