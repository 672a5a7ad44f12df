//! What waits for a device: queued, sealed when its connection is there, sent, sent again until
//! its end-to-end receipt comes.
//!
//! Items lie in order of their sequence number. `cursor` is the next item to write to the current
//! connection: those before it are in flight. A new connection starts again at the oldest.

mod addrs;
mod boxes;
mod cx;
mod deposit;
mod forget;
mod items;
mod plain;
mod press;
mod pump;
mod queue;
mod reach;
mod receipts;

pub use addrs::{first_addrs, listening, set_listening};
pub use boxes::{box_answered, box_brought, box_queued, box_refused, forget_box};
pub use cx::Cx;
pub use deposit::{bridge_ready, deposit, deposit_all, keys_came, say};
pub use forget::{close, forget, forget_dials};
pub use items::{Item, OutState, Sealed, What, find, state};
pub use pump::pump;
pub use queue::{
    enqueue, enqueue_current, enqueue_first, may_send, readdress, targets, unseal, waits,
};
pub use reach::{
    DialRow, DialWhat, attend, attend_now, dials, down, failed, is_online, online_since, reach_of,
    starts, undelivered, up,
};
pub use receipts::{due, flush, receipt};

/// Items that one scan reads.
const PAGE: usize = 64;
