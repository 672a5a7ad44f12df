//! Deterministic CBOR (RFC 8949 §4.2.1), read strictly.
//!
//! Writing is `minicbor`'s derive with ascending integer keys, which is deterministic by itself.
//! Reading is three steps: walk the tokens and refuse whatever is not canonical; drop the
//! extension keys (≥ 64), which readers ignore and signatures still cover; decode, encode again
//! and compare. So a key below 64 that a type does not know, a field out of place, or any second
//! way to write the same thing is refused.

use crate::limits::CBOR_DEPTH_MAX;
use crate::private::Bytes;
use alloc::vec::Vec;
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};
use zeroize::Zeroizing;

/// Keys from here on are extensions: ignored by readers that do not know them.
pub const EXTENSION_KEY_MIN: u64 = 64;

/// The bytes are not canonical CBOR of the expected type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed bytes")]
pub struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

/// Encodes a value. Writing to memory cannot fail.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    match minicbor::to_vec(value) {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("a vector takes any bytes"),
    }
}

/// Encodes a value that may hold secrets.
pub fn encode_secret<T: Encode<()>>(value: &T) -> Bytes {
    Zeroizing::new(encode(value))
}

/// Decodes a peer's bytes strictly; extension keys are ignored.
///
/// # Errors
/// [`Malformed`] for anything but the one canonical encoding.
pub fn decode<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let known = strip(bytes)?;
    let value = minicbor::decode::<T>(&known)?;
    if encode(&value) == known {
        Ok(value)
    } else {
        Err(Malformed)
    }
}

/// Decodes a peer's bytes strictly, refusing extension keys too.
///
/// # Errors
/// [`Malformed`] for anything but the one canonical encoding.
pub fn decode_closed<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    if strip(bytes)? != bytes {
        return Err(Malformed);
    }
    decode(bytes)
}

/// Decodes a row of our own store; unknown keys are ignored, so older rows can be read.
///
/// # Errors
/// [`Malformed`] if the row is damaged.
pub fn decode_row<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, Malformed> {
    Ok(minicbor::decode(bytes)?)
}

/// Checks that the bytes are one canonical item and returns them without extension keys.
///
/// # Errors
/// [`Malformed`] if they are not.
pub fn strip(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut walk = Walk {
        d: Decoder::new(bytes),
        out: Encoder::new(Vec::with_capacity(bytes.len())),
    };
    walk.item(0)?;
    if walk.d.position() != bytes.len() {
        return Err(Malformed);
    }
    Ok(walk.out.into_writer())
}

struct Walk<'b> {
    d: Decoder<'b>,
    out: Encoder<Vec<u8>>,
}

impl Walk<'_> {
    fn item(&mut self, depth: usize) -> Result<(), Malformed> {
        let start = self.d.position();
        match self.d.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
                let value = self.d.u64()?;
                self.canonical(start, head_len(value), 0)?;
                write(self.out.u64(value))
            }
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                let value = self.d.int()?;
                let wide = i128::from(value);
                let magnitude = u64::try_from(-1 - wide).map_err(|_| Malformed)?;
                self.canonical(start, head_len(magnitude), 0)?;
                write(self.out.int(value))
            }
            Type::Bytes => {
                let value = self.d.bytes()?;
                self.canonical(start, head_len(value.len() as u64), value.len())?;
                write(self.out.bytes(value))
            }
            Type::String => {
                let value = self.d.str()?;
                self.canonical(start, head_len(value.len() as u64), value.len())?;
                write(self.out.str(value))
            }
            Type::Bool => {
                let value = self.d.bool()?;
                write(self.out.bool(value))
            }
            Type::Null => {
                self.d.null()?;
                write(self.out.null())
            }
            Type::Array if depth < CBOR_DEPTH_MAX => {
                let count = self.d.array()?.ok_or(Malformed)?;
                self.canonical(start, head_len(count), 0)?;
                write(self.out.array(count))?;
                (0..count).try_for_each(|_| self.item(depth + 1))
            }
            Type::Map if depth < CBOR_DEPTH_MAX => self.map(start, depth),
            // Floats, tags, indefinite lengths, other simple values, depth.
            _ => Err(Malformed),
        }
    }

    fn map(&mut self, start: usize, depth: usize) -> Result<(), Malformed> {
        let count = self.d.map()?.ok_or(Malformed)?;
        self.canonical(start, head_len(count), 0)?;
        let outer = core::mem::replace(&mut self.out, Encoder::new(Vec::new()));
        let mut kept = 0;
        let mut last = None;
        for _ in 0..count {
            let key_start = self.d.position();
            let key = self.d.u64()?;
            self.canonical(key_start, head_len(key), 0)?;
            if last.is_some_and(|last| last >= key) {
                return Err(Malformed);
            }
            last = Some(key);
            let mark = self.out.writer().len();
            write(self.out.u64(key))?;
            self.item(depth + 1)?;
            if key >= EXTENSION_KEY_MIN {
                self.out.writer_mut().truncate(mark);
            } else {
                kept += 1;
            }
        }
        let inner = core::mem::replace(&mut self.out, outer).into_writer();
        write(self.out.map(kept))?;
        self.out.writer_mut().extend_from_slice(&inner);
        Ok(())
    }

    /// The head just read must have been `head` bytes long, its content `content`.
    fn canonical(&self, start: usize, head: usize, content: usize) -> Result<(), Malformed> {
        (self.d.position() == start + head + content)
            .then_some(())
            .ok_or(Malformed)
    }
}

fn head_len(value: u64) -> usize {
    match value {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

fn write<T, E>(done: Result<T, E>) -> Result<(), Malformed> {
    done.map(|_| ()).map_err(|_| Malformed)
}

/// Bytes as a CBOR byte string.
#[derive(Clone, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub struct Blob(pub Vec<u8>);

impl<C> Encode<C> for Blob {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Blob {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(d.bytes()?.to_vec()))
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl core::ops::Deref for Blob {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[derive(Encode, Decode, PartialEq, Debug)]
    #[cbor(map)]
    struct Pair {
        #[n(1)]
        a: u32,
        #[n(2)]
        b: Option<Blob>,
    }

    fn read(hex: &str) -> Result<Pair, Malformed> {
        decode(&HEXLOWER.decode(hex.as_bytes()).unwrap())
    }

    #[test]
    fn canonical_maps_are_read() {
        assert_eq!(read("a10105"), Ok(Pair { a: 5, b: None }));
        assert_eq!(
            read("a201050241ff"),
            Ok(Pair {
                a: 5,
                b: Some(Blob(alloc::vec![0xff]))
            })
        );
    }

    #[test]
    fn extension_keys_are_ignored_unless_the_type_is_closed() {
        assert_eq!(read("a20105184007"), Ok(Pair { a: 5, b: None }));
        let bytes = HEXLOWER.decode(b"a20105184007").unwrap();
        assert_eq!(decode_closed::<Pair>(&bytes), Err(Malformed));
        assert!(decode_closed::<Pair>(&HEXLOWER.decode(b"a10105").unwrap()).is_ok());
    }

    #[test]
    fn every_other_way_to_write_it_is_refused() {
        for bad in [
            "a1011805",         // long head
            "bf0105ff",         // indefinite map
            "a2024101 0105",    // keys out of order
            "a201050105",       // duplicate key
            "a201050300",       // unknown critical key
            "a10105 00",        // trailing byte
            "a1",               // cut short
            "a101f93c00",       // float
            "a101c105",         // tag
            "a1020541",         // missing field, cut short
            "a20105025f41ffff", // indefinite bytes
            "a1416105",         // text key
            "",
        ] {
            let bad = bad.replace(' ', "");
            assert_eq!(read(&bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let mut deep = alloc::vec![0x81; CBOR_DEPTH_MAX];
        deep.push(0x01);
        assert!(strip(&deep).is_ok());
        deep.insert(0, 0x81);
        assert_eq!(strip(&deep), Err(Malformed));
    }

    #[test]
    fn huge_counts_cost_nothing() {
        // An array of 2^64 − 1 items in nine bytes.
        assert_eq!(
            strip(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
            Err(Malformed)
        );
    }

    #[test]
    fn text_must_be_utf_8() {
        assert_eq!(strip(&[0x61, 0xff]), Err(Malformed));
    }
}
