//! The ratchet under everything that networks and disks do to it.

mod common;

#[path = "ratchet/limits.rs"]
mod limits;
#[path = "ratchet/side.rs"]
mod side;
#[path = "ratchet/storm.rs"]
mod storm;
