//! How fast, and how that compares: two real nodes in processes of their own on loopback, driven
//! through their local APIs as a user's program would, with one clock, in the driver.
//!
//! Beside every figure stands its floor, measured in the same run on the same machine: what the
//! bytes cost on a bare QUIC stream, and what one durable flush of the store costs on this disk.
//! Nothing here is asserted; figures are for `docs/benchmarks.md`.

pub mod client;
pub mod figures;
pub mod floor;
pub mod pair;
pub mod w1;
pub mod w2;
pub mod w3;
pub mod w5;

/// Bytes of every text that is sent.
pub const TEXT_BYTES: usize = 200;

/// A text of [`TEXT_BYTES`] bytes that differs from number to number.
pub fn text(number: usize) -> String {
    let mut text = format!("message {number} ");
    let words = ["the quick brown fox ", "jumps over ", "the lazy dog and "];
    for word in words.iter().cycle().skip(number % words.len()) {
        if text.len() >= TEXT_BYTES {
            break;
        }
        text.push_str(word);
    }
    text.truncate(TEXT_BYTES);
    text
}
