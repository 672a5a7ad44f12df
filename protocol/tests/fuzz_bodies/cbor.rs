//! Strict CBOR: what is read is written back to the byte, and a second, plainer reader agrees on
//! what is canonical.

use minicbor::{Decode, Encode};
use std::borrow::Cow;
use waxwing_protocol::agenda::Job;
use waxwing_protocol::discovery::invite::{InviteGet, InviteObjects, InvitePlain, InviteRow};
use waxwing_protocol::feed::body::{Body, Plain};
use waxwing_protocol::feed::changes::ChangeRow;
use waxwing_protocol::feed::view::MessageRow;
use waxwing_protocol::frame::Frame;
use waxwing_protocol::identity::account::{Genesis, RootStatement, Signed};
use waxwing_protocol::identity::bundle::Bundle;
use waxwing_protocol::identity::contact::{ContactRow, DeviceRow};
use waxwing_protocol::identity::list::{AccountRow, DeviceList};
use waxwing_protocol::limits::CBOR_DEPTH_MAX;
use waxwing_protocol::outbox::{Item, OutState};
use waxwing_protocol::session::Letter;
use waxwing_protocol::session::handshake::{HsPublic, Ident, Init};
use waxwing_protocol::session::ratchet::{Header, SessionRow};
use waxwing_protocol::wire::codec::{
    EXTENSION_KEY_MIN, Malformed, decode, decode_closed, decode_row, encode, strip,
};

/// Any bytes through every strict reader.
pub fn cbor_strict(data: &[u8]) {
    let stripped = strip(data).map(Cow::into_owned);
    let plainer = item(data, 0).filter(|(_, rest)| rest.is_empty());
    assert_eq!(stripped.as_ref().ok(), plainer.as_ref().map(|(out, _)| out));
    if let Ok(known) = &stripped {
        assert_eq!(strip(known).as_deref(), Ok(&known[..]), "stripping twice");
    }

    typed::<Frame>(data, &stripped);
    typed::<Letter>(data, &stripped);
    typed::<Header>(data, &stripped);
    typed::<Init>(data, &stripped);
    typed::<HsPublic>(data, &stripped);
    typed::<Ident>(data, &stripped);
    typed::<InviteGet>(data, &stripped);
    typed::<InviteObjects>(data, &stripped);
    typed::<InvitePlain>(data, &stripped);
    typed::<Signed>(data, &stripped);
    typed::<Genesis>(data, &stripped);
    typed::<RootStatement>(data, &stripped);
    typed::<DeviceList>(data, &stripped);
    typed::<Bundle>(data, &stripped);
    if let Some(plain) = typed::<Plain>(data, &stripped)
        && let Ok(body) = Body::open(&plain.body)
    {
        let _ = (body.is_user(), body.wants_receipt());
    }

    row::<SessionRow>(data);
    row::<ContactRow>(data);
    row::<DeviceRow>(data);
    row::<AccountRow>(data);
    row::<MessageRow>(data);
    row::<ChangeRow>(data);
    row::<InviteRow>(data);
    row::<Item>(data);
    row::<OutState>(data);
    row::<Job>(data);
}

/// A strict type: reading and writing are inverse, and the closed form is the open one without
/// extensions.
fn typed<T>(data: &[u8], stripped: &Result<Vec<u8>, Malformed>) -> Option<T>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let open = decode::<T>(data).ok();
    if let Some(value) = &open {
        assert_eq!(stripped.as_ref(), Ok(&encode(value)), "written otherwise");
    }
    let closed = decode_closed::<T>(data).is_ok();
    let bare = stripped.as_ref().is_ok_and(|known| known == data);
    assert_eq!(closed, open.is_some() && bare, "closed and open differ");
    open
}

/// A row of our own: reading may fail, never panic; what it reads it writes for good.
fn row<T>(data: &[u8])
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if let Ok(value) = decode_row::<T>(data) {
        let once = encode(&value);
        let again: T = decode_row(&once).expect("what was written is read");
        assert_eq!(encode(&again), once);
    }
}

/// One canonical item at the start of the bytes, without its extensions, and what follows it.
/// Written from RFC 8949 alone, with none of the program's code.
fn item(bytes: &[u8], depth: usize) -> Option<(Vec<u8>, &[u8])> {
    let (major, value, head, rest) = head(bytes)?;
    match major {
        0 | 1 => Some((head.to_vec(), rest)),
        2 | 3 => {
            let (content, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
            if major == 3 {
                core::str::from_utf8(content).ok()?;
            }
            Some(([head, content].concat(), rest))
        }
        4 if depth < CBOR_DEPTH_MAX => {
            let (mut out, mut rest) = (head.to_vec(), rest);
            for _ in 0..value {
                let (one, after) = item(rest, depth + 1)?;
                out.extend(one);
                rest = after;
            }
            Some((out, rest))
        }
        5 if depth < CBOR_DEPTH_MAX => map(value, rest, depth),
        7 if (20..=22).contains(&value) && head.len() == 1 => Some((head.to_vec(), rest)),
        _ => None,
    }
}

fn map(count: u64, mut rest: &[u8], depth: usize) -> Option<(Vec<u8>, &[u8])> {
    let (mut pairs, mut kept, mut last) = (Vec::new(), 0u8, None);
    for _ in 0..count {
        let (major, key, key_bytes, after) = head(rest)?;
        if major != 0 || last.is_some_and(|last| key <= last) {
            return None;
        }
        last = Some(key);
        let (value, after) = item(after, depth + 1)?;
        if key < EXTENSION_KEY_MIN {
            // At most 64 keys lie below the extensions.
            kept += 1;
            pairs.extend_from_slice(key_bytes);
            pairs.extend(value);
        }
        rest = after;
    }
    let mut out = match kept {
        0..24 => vec![0xa0 | kept],
        _ => vec![0xb8, kept],
    };
    out.extend(pairs);
    Some((out, rest))
}

/// Major type, argument, the head's bytes if they are the shortest, and what follows.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8], &[u8])> {
    let first = *bytes.first()?;
    let (more, least) = match first & 31 {
        0..24 => (0, 0),
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return None,
    };
    let (head, rest) = bytes.split_at_checked(1 + more)?;
    let value = match more {
        0 => u64::from(first & 31),
        _ => head[1..].iter().fold(0, |sum, b| sum << 8 | u64::from(*b)),
    };
    (value >= least).then_some((first >> 5, value, head, rest))
}
