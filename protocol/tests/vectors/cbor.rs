//! A second, independent writer of deterministic CBOR: bytes joined by hand.

fn head(major: u8, value: u64) -> Vec<u8> {
    let major = major << 5;
    match value {
        0..=23 => vec![major | value as u8],
        24..=0xff => vec![major | 24, value as u8],
        0x100..=0xffff => [&[major | 25][..], &(value as u16).to_be_bytes()].concat(),
        0x1_0000..=0xffff_ffff => [&[major | 26][..], &(value as u32).to_be_bytes()].concat(),
        _ => [&[major | 27][..], &value.to_be_bytes()].concat(),
    }
}

/// An unsigned integer.
pub fn uint(value: impl Into<u64>) -> Vec<u8> {
    head(0, value.into())
}

/// A byte string.
pub fn bytes(value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [head(2, value.len() as u64), value.to_vec()].concat()
}

/// A text string.
pub fn text(value: &str) -> Vec<u8> {
    [head(3, value.len() as u64), value.as_bytes().to_vec()].concat()
}

/// An array of encoded items.
pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A map of encoded values under ascending keys; absent ones are left out.
pub fn map(fields: &[(u64, Option<Vec<u8>>)]) -> Vec<u8> {
    let there = || fields.iter().filter_map(|(k, v)| Some((k, v.as_ref()?)));
    let mut out = head(5, there().count() as u64);
    for (key, value) in there() {
        out.extend(uint(*key));
        out.extend(value);
    }
    out
}
