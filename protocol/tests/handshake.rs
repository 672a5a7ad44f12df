//! First messages that must not come in, through the engine's door.

mod common;

#[path = "handshake/initiator.rs"]
mod initiator;
#[path = "handshake/responder.rs"]
mod responder;
#[path = "handshake/scene.rs"]
mod scene;
