//! The shell around the engine: time, dice, disk, network, local API.
//!
//! This crate never decides what a message means. It feeds inputs to
//! [`waxwing_protocol::engine::handle`], makes each group of them durable, and only then performs
//! what came out.

#![forbid(unsafe_code)]

pub mod api;
pub mod config;
mod dice;
mod disk;
mod files;
pub mod net;
pub mod runtime;
pub mod store;
