//! Reading: what a person or a program sees. Pure functions of the store.

mod people;
mod talk;
mod views;
mod why;

pub use people::{contact, contact_of, contacts, me, network_seed, requests, status, words};
pub use talk::{changes, is_only_with, message, messages};
pub use views::{
    Change, ChangeView, Changes, ContactView, Me, MessageView, NextStep, Page, ReactionView,
    RequestView, StatusView, Step, What, WhyView,
};
pub use why::why;
