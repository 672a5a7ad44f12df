//! Deterministic CBOR (RFC 8949 §4.2.1), read strictly.
//!
//! Writing is `minicbor`'s derive with ascending integer keys, which is deterministic by itself.
//! Reading is three steps: walk the tokens and refuse whatever is not canonical; drop the
//! extension keys (≥ 64), which readers ignore and signatures still cover; decode, encode again
//! and compare. So a key below 64 that a type does not know, a field out of place, or any second
//! way to write the same thing is refused.

use crate::limits::CBOR_DEPTH_MAX;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Keys from here on are extensions: ignored by readers that do not know them.
pub const EXTENSION_KEY_MIN: u64 = 64;

/// Room for an encoded value to begin with: most letters and rows fit.
const ENCODED_BYTES: usize = 512;

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
    let mut bytes = Vec::with_capacity(ENCODED_BYTES);
    encode_to(value, &mut bytes);
    bytes
}

/// Encodes a value behind what is there already.
pub fn encode_to<T: Encode<()>>(value: &T, bytes: &mut Vec<u8>) {
    match minicbor::encode(value, bytes) {
        Ok(()) => {}
        Err(_) => unreachable!("a vector takes any bytes"),
    }
}

/// Decodes a peer's bytes strictly; extension keys are ignored.
///
/// # Errors
/// [`Malformed`] for anything but the one canonical encoding.
pub fn decode<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    decode_known(&strip(bytes)?)
}

/// The one value of canonical bytes without extension keys.
fn decode_known<T>(known: &[u8]) -> Result<T, Malformed>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let value = minicbor::decode::<T>(known)?;
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
    match strip(bytes)? {
        Cow::Borrowed(known) => decode_known(known),
        Cow::Owned(_) => Err(Malformed),
    }
}

/// Decodes a row of our own store; unknown keys are ignored, so older rows can be read.
///
/// # Errors
/// [`Malformed`] if the row is damaged.
pub fn decode_row<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, Malformed> {
    Ok(minicbor::decode(bytes)?)
}

/// Checks that the bytes are one canonical item and returns them without extension keys: as they
/// are, where there are none.
///
/// # Errors
/// [`Malformed`] if they are not.
pub fn strip(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Malformed> {
    let mut walk = Walk {
        d: Decoder::new(bytes),
        out: None,
        extended: false,
    };
    walk.item(0)?;
    if walk.d.position() != bytes.len() {
        return Err(Malformed);
    }
    if !walk.extended {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut walk = Walk {
        d: Decoder::new(bytes),
        out: Some(Encoder::new(Vec::with_capacity(bytes.len()))),
        extended: false,
    };
    walk.item(0)?;
    Ok(Cow::Owned(
        walk.out.map(Encoder::into_writer).unwrap_or_default(),
    ))
}

struct Walk<'b> {
    d: Decoder<'b>,
    /// What was read, without extension keys; nothing on a walk that only looks.
    out: Option<Encoder<Vec<u8>>>,
    /// An extension key was met.
    extended: bool,
}

impl Walk<'_> {
    fn item(&mut self, depth: usize) -> Result<(), Malformed> {
        let start = self.d.position();
        match self.d.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
                let value = self.d.u64()?;
                self.canonical(start, head_len(value), 0)?;
                self.write(|out| out.u64(value).map(|_| ()))
            }
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                let value = self.d.int()?;
                let wide = i128::from(value);
                let magnitude = u64::try_from(-1 - wide).map_err(|_| Malformed)?;
                self.canonical(start, head_len(magnitude), 0)?;
                self.write(|out| out.int(value).map(|_| ()))
            }
            Type::Bytes => {
                let value = self.d.bytes()?;
                self.canonical(start, head_len(value.len() as u64), value.len())?;
                self.write(|out| out.bytes(value).map(|_| ()))
            }
            Type::String => {
                let value = self.d.str()?;
                self.canonical(start, head_len(value.len() as u64), value.len())?;
                self.write(|out| out.str(value).map(|_| ()))
            }
            Type::Bool => {
                let value = self.d.bool()?;
                self.write(|out| out.bool(value).map(|_| ()))
            }
            Type::Null => {
                self.d.null()?;
                self.write(|out| out.null().map(|_| ()))
            }
            Type::Array if depth < CBOR_DEPTH_MAX => {
                let count = self.d.array()?.ok_or(Malformed)?;
                self.canonical(start, head_len(count), 0)?;
                self.write(|out| out.array(count).map(|_| ()))?;
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
        // The head comes first and says how many keys are kept, which is known last.
        let inner = self.out.as_ref().map(|_| Encoder::new(Vec::new()));
        let outer = core::mem::replace(&mut self.out, inner);
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
            let mark = self.out.as_ref().map(|out| out.writer().len());
            self.write(|out| out.u64(key).map(|_| ()))?;
            self.item(depth + 1)?;
            if key >= EXTENSION_KEY_MIN {
                self.extended = true;
                if let (Some(out), Some(mark)) = (&mut self.out, mark) {
                    out.writer_mut().truncate(mark);
                }
            } else {
                kept += 1;
            }
        }
        let inner = core::mem::replace(&mut self.out, outer);
        self.write(|out| out.map(kept).map(|_| ()))?;
        if let (Some(out), Some(inner)) = (&mut self.out, inner) {
            out.writer_mut().extend_from_slice(&inner.into_writer());
        }
        Ok(())
    }

    fn write<E>(
        &mut self,
        item: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), E>,
    ) -> Result<(), Malformed> {
        match &mut self.out {
            Some(out) => item(out).map_err(|_| Malformed),
            None => Ok(()),
        }
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
