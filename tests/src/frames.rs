//! Looking into frames from outside: no message key may ever be used for two texts.
//!
//! Reads only what is in the clear: `[1, [hdr, ct]]`, `[2, [pb, eid, [hdr, ct]]]`,
//! hdr = `{1: sid, 2: DHs_pub, 4: N, 7: salt16, …}`.

use minicbor::Decoder;
use minicbor::data::Type;
use std::collections::BTreeMap;

/// What names the key of a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ChainKey {
    /// Session.
    pub sid: Vec<u8>,
    /// Sender's ratchet key.
    pub dh: Vec<u8>,
    /// Number in the chain.
    pub n: u64,
}

/// A letter as anybody on the way sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outside {
    /// Names the message key.
    pub key: ChainKey,
    /// Drawn anew at every sealing.
    pub salt: Vec<u8>,
    /// What was sealed.
    pub ct: Vec<u8>,
}

/// The letter in a frame, if it holds one.
pub fn letter(frame: &[u8]) -> Option<Outside> {
    let mut d = Decoder::new(frame);
    if d.array().ok()?? != 2 {
        return None;
    }
    match d.u32().ok()? {
        1 => {}
        2 => {
            if d.array().ok()?? != 3 {
                return None;
            }
            d.bytes().ok()?;
            d.bytes().ok()?;
        }
        _ => return None,
    }
    if d.array().ok()?? != 2 {
        return None;
    }
    let header = d.bytes().ok()?;
    let ct = d.bytes().ok()?.to_vec();
    let (key, salt) = header_fields(header)?;
    Some(Outside { key, salt, ct })
}

fn header_fields(header: &[u8]) -> Option<(ChainKey, Vec<u8>)> {
    let mut d = Decoder::new(header);
    let (mut sid, mut dh, mut n, mut salt) = (None, None, None, None);
    for _ in 0..d.map().ok()?? {
        let key = d.u64().ok()?;
        match (key, d.datatype().ok()?) {
            (1, Type::Bytes) => sid = Some(d.bytes().ok()?.to_vec()),
            (2, Type::Bytes) => dh = Some(d.bytes().ok()?.to_vec()),
            (4, _) => n = Some(d.u64().ok()?),
            (7, Type::Bytes) => salt = Some(d.bytes().ok()?.to_vec()),
            _ => d.skip().ok()?,
        }
    }
    Some((
        ChainKey {
            sid: sid?,
            dh: dh?,
            n: n?,
        },
        salt?,
    ))
}

/// A frame in a few words, for a trace.
pub fn label(frame: &[u8]) -> String {
    let kind = match frame {
        [0x82, kind, ..] => *kind,
        _ => return "nonsense".into(),
    };
    match (kind, letter(frame)) {
        (1 | 2, Some(Outside { key, .. })) => {
            let short = |bytes: &[u8]| {
                bytes
                    .iter()
                    .take(2)
                    .map(|b| format!("{b:02x}"))
                    .collect::<String>()
            };
            let what = if kind == 2 { "init" } else { "letter" };
            format!("{what} {}/{}/{}", short(&key.sid), short(&key.dh), key.n)
        }
        _ => match (kind, frame) {
            (7, [_, _, _, ask, ..]) => format!("ask {ask}"),
            (8, [_, _, _, 2, of, why, ..]) => format!("result {of}:{why}"),
            (8, [_, _, _, tell, ..]) => format!("tell {tell}"),
            (9, [_, _, _, over, ..]) => format!("over {over}"),
            _ => format!("frame {kind}"),
        },
    }
}

/// How a key was used a second time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reuse {
    /// The same key and the same salt: two texts under one key and nonce.
    Nonce,
    /// The same place in the chain under another salt: only an old copy of a disk may do this.
    Place,
}

/// Every key that was seen on the way, with what it sealed.
#[derive(Clone, Debug, Default)]
pub struct KeyBook {
    /// Salt, and a hash of the text that is the same on every machine.
    used: BTreeMap<ChainKey, Vec<(Vec<u8>, u64)>>,
}

impl KeyBook {
    /// Notes a frame; says whether a key was used for something else before.
    pub fn note(&mut self, frame: &[u8]) -> Option<(Reuse, ChainKey)> {
        let Outside { key, salt, ct } = letter(frame)?;
        let print = fingerprint(&ct);
        let uses = self.used.entry(key.clone()).or_default();
        let same_salt = uses.iter().find(|(s, _)| *s == salt);
        match same_salt {
            Some((_, known)) if *known == print => None,
            Some(_) => Some((Reuse::Nonce, key)),
            None => {
                let first = uses.is_empty();
                uses.push((salt, print));
                (!first).then_some((Reuse::Place, key))
            }
        }
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use minicbor::Encoder;

    fn frame(init: bool, n: u32, salt: u8, ct: &[u8]) -> Vec<u8> {
        let mut header = Encoder::new(Vec::new());
        header.map(5).unwrap();
        header.u8(1).unwrap().bytes(&[1; 8]).unwrap();
        header.u8(2).unwrap().bytes(&[2; 32]).unwrap();
        header.u8(3).unwrap().u32(0).unwrap();
        header.u8(4).unwrap().u32(n).unwrap();
        header.u8(7).unwrap().bytes(&[salt; 16]).unwrap();
        let mut e = Encoder::new(Vec::new());
        e.array(2).unwrap();
        if init {
            e.u8(2)
                .unwrap()
                .array(3)
                .unwrap()
                .bytes(b"pb")
                .unwrap()
                .bytes(b"eid")
                .unwrap();
        } else {
            e.u8(1).unwrap();
        }
        e.array(2)
            .unwrap()
            .bytes(header.writer())
            .unwrap()
            .bytes(ct)
            .unwrap();
        e.into_writer()
    }

    #[test]
    fn letters_are_found_in_both_kinds_of_frame() {
        for init in [false, true] {
            let seen = letter(&frame(init, 5, 9, b"ct")).unwrap();
            assert_eq!(
                (seen.key.n, seen.salt, seen.ct),
                (5, vec![9; 16], b"ct".to_vec())
            );
        }
        for other in [&b""[..], b"\x82\x03\x82\x01\x41\x00", b"\xff", b"hello"] {
            assert_eq!(letter(other), None);
        }
    }

    #[test]
    fn the_same_letter_twice_is_no_reuse_and_another_text_is() {
        let mut book = KeyBook::default();
        assert!(book.note(&frame(false, 1, 1, b"one")).is_none());
        assert!(book.note(&frame(true, 1, 1, b"one")).is_none());
        assert!(book.note(&frame(false, 2, 1, b"two")).is_none());
        let (how, key) = book.note(&frame(false, 1, 1, b"other")).unwrap();
        assert_eq!((how, key.n), (Reuse::Nonce, 1));
        let (how, _) = book.note(&frame(false, 2, 7, b"two again")).unwrap();
        assert_eq!(how, Reuse::Place);
    }
}
