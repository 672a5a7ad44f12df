//! The primitives against vectors made to break them, and ML-KEM against a second program.
//!
//! Every vector is asked of `waxwing_protocol::crypto` as the engine asks it. One exception:
//! [`sign::verify`](waxwing_protocol::crypto::sign::verify) puts a label before what it checks, so
//! no foreign signature can ever hold there; `eddsa.rs` makes the same calls without the label and
//! shows that both give the same answers.

mod common;

#[path = "wycheproof/aead.rs"]
mod aead;
#[path = "wycheproof/eddsa.rs"]
mod eddsa;
#[path = "wycheproof/hashing.rs"]
mod hashing;
#[path = "wycheproof/kem.rs"]
mod kem;
#[path = "wycheproof/kem_cross.rs"]
mod kem_cross;
#[path = "wycheproof/rfc.rs"]
mod rfc;
#[path = "wycheproof/verdict.rs"]
mod verdict;
#[path = "wycheproof/xdh.rs"]
mod xdh;
