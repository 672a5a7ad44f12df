//! Reading: what a person or a program sees. Pure functions of the store.

mod bridges;
mod history;
mod people;
mod search;
mod talk;
mod views;
mod why;

pub use bridges::{bridge, bridges};
pub use history::{History, history};
pub use people::{
    contact, contact_of, contacts, draft, me, network_seed, notices, requests, safety, status,
    words,
};
pub use search::{Missing, Search};
pub use talk::{changes, is_only_with, message, messages};
pub use views::{
    BridgeState, BridgeView, Change, ChangeView, Changes, ContactView, HostView, Hunt, Me,
    MessageView, NextStep, NoticeView, Page, ReactionView, RequestView, SafetyView, StatusView,
    Step, What, WhyView,
};
pub use why::why;
