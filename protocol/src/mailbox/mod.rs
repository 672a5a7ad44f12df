//! Holding for others: what a bridge keeps, and how it is left there and fetched
//! (`docs/spec/08-mailbox.md`).
//!
//! A *block* is padded, sealed bytes; an *envelope* is the block that carries one frame of a
//! session. A *mailbox* belongs to one device at one bridge; *tags* say which blocks go into it.

pub mod block;
pub mod blocks;
pub mod client;
pub mod descriptor;
pub mod forward;
mod hold;
pub mod host;
pub mod known;
mod opened;
pub mod queue;
pub mod talk;
