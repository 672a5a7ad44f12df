//! All tests that need more than one crate, in one binary: linking is what takes the time.

mod crash;
mod cut;
mod direct;
mod e2e;
mod fade;
mod golden;
mod harness;
mod mailbox;
mod partition;
mod privacy;
mod storm;
mod tidy;
mod wrong;
