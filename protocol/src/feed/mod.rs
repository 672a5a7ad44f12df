//! What people say, and what of it is shown: bodies, the conversation, the change log.

pub mod amend;
pub mod body;
pub mod changes;
pub mod draft;
pub mod erase;
pub mod gone;
pub mod notices;
pub mod past;
pub mod segments;
pub mod view;
