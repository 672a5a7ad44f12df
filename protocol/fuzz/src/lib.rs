//! What the fuzz targets run. The bodies live among the tests, which replay the committed corpus
//! through them on every `cargo test`.
#![forbid(unsafe_code)]

#[allow(
    clippy::new_without_default,
    clippy::should_implement_trait,
    reason = "helpers of tests, not an interface"
)]
#[path = "../../tests/common/mod.rs"]
pub mod common;
#[path = "../../tests/fuzz_bodies/mod.rs"]
pub mod fuzz_bodies;
