//! Who somebody is: recovery words, account objects, devices, prekey bundles, contacts.

pub mod account;
pub mod bundle;
pub mod contact;
pub mod device;
pub mod list;
mod named;
pub mod safety;
mod talk;
pub mod words;
