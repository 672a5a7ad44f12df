//! Finding people: invites for now; cards, codes and rendezvous come with the bridges.

pub mod invite;
