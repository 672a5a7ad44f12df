//! The shell around the engine: time, dice, disk, network, local API.
//!
//! This crate never decides what a message means. It feeds inputs to
//! [`waxwing_protocol::engine::handle`], makes each group of them durable, and only then performs
//! what came out.

pub mod api;
pub mod config;
pub mod net;
pub mod runtime;
