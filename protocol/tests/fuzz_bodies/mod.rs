//! Bodies of the fuzz targets: each takes any bytes and panics if a promise is broken.

mod cbor;
mod conversation;
mod duet;
mod frame;
mod handshake;
mod letter;
mod link;
mod mailbox;
mod reader;
#[allow(dead_code, reason = "the ratchet's own tests use the rest")]
#[path = "../ratchet/side.rs"]
mod side;

pub use cbor::cbor_strict;
pub use conversation::conversation;
pub use frame::frame;
pub use handshake::handshake_receive;
pub use letter::letter_receive;
pub use link::invite_link;
pub use mailbox::mailbox;
