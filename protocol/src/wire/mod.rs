//! Bytes on the wire: deterministic CBOR, strictly read, and padding to size buckets.

pub mod codec;
pub mod pad;
