//! What every Waxwing node agrees on: identity, sessions, messages, and the engine that turns
//! inputs into outputs against a storage transaction.
//!
//! This crate never opens a socket or a file, never reads a clock, never rolls dice of its own,
//! never starts a thread and never logs. Time and randomness come in with [`input::Moment`],
//! rows go out through [`store::Store`], and whatever is to be done in the world comes back as a
//! list of [`output::Output`]. The same inputs against the same store give the same outputs, to
//! the byte: that is what lets the simulator replay any bug from a seed.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod agenda;
pub mod crypto;
pub mod discovery;
pub mod engine;
pub mod feed;
pub mod frame;
pub mod id;
pub mod identity;
pub mod input;
pub mod limits;
pub mod mailbox;
pub mod outbox;
pub mod output;
pub mod private;
pub mod query;
pub mod session;
pub mod store;
pub mod time;
pub mod wire;
