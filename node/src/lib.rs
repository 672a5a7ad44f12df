//! The shell around the engine: time, dice, disk, network, local API.
//!
//! This crate never decides what a message means. It feeds inputs to
//! [`waxwing_protocol::engine::handle`], makes each group of them durable, and only then performs
//! what came out.

#![forbid(unsafe_code)]

pub mod api;
mod clock;
mod compacting;
pub mod config;
mod deferred;
mod dice;
mod disk;
pub mod doctor;
mod files;
mod group;
mod harden;
pub mod home;
mod keyfile;
pub mod logs;
mod memory;
mod metrics;
pub mod net;
mod node;
pub mod offline;
mod outside;
pub mod passphrase;
mod perform;
pub mod roles;
pub mod runtime;
pub mod store;
mod telling;
mod tokens;

pub use compacting::Compaction;
pub use disk::{DiskStatus, FREE_MIN_BYTES};
pub use harden::harden;
pub use keyfile::Kept;
pub use memory::small_pages;
pub use node::{Node, Ready, StartError};
