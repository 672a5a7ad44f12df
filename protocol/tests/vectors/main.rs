//! The vectors of `docs/spec/vectors`: written with `WRITE_VECTORS=1`, compared byte for byte
//! otherwise.
//!
//! Everything in them is computed twice: by the crate, and from the formulas of the spec with the
//! primitive crates alone ([`formulas`], [`cbor`]). Both have to agree before a file is looked at.

#[path = "../common/mod.rs"]
mod common;

mod cbor;
mod derivations;
mod dice;
mod formulas;
mod handshake;
mod invites;
mod json;
mod mailbox;
mod people;
mod ratchet;
mod signed;
mod wire;

use json::J;
use std::path::PathBuf;

/// Writes or checks one file.
fn settle(name: &str, about: &str, vectors: J) {
    let file = json::object([("about", about.into()), ("vectors", vectors)]);
    let text = file.to_text();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/spec/vectors")
        .join(name);
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(&path, text).unwrap();
    } else {
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == text,
            "{name} differs from what the code gives; after a deliberate change write it anew \
             with WRITE_VECTORS=1"
        );
    }
}
