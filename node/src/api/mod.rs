//! The local API: HTTP on loopback and a Unix socket.
//!
//! Clients of this node (the command line, a bot, a page in the browser) speak REST under `/v1`
//! and hear changes over `GET /v1/events`. It never binds an address that another machine can
//! reach, never answers a page of another origin, and never decides what a message means: it turns
//! JSON into commands and views into JSON.

mod auth;
mod caller;
pub mod convert;
mod events;
mod extract;
mod guard;
pub mod model;
mod openapi;
mod pace;
mod past;
mod problem;
mod process;
mod routes;
mod server;
pub mod span;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use server::accept_all;
pub use server::{ApiConfig, ApiError, ApiServer, ApiState, DiskProbe, NodeInfo, serve};
