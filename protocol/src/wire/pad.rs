//! Padding: `u32 length ‖ content ‖ zeros` up to an exact size.

use alloc::vec::Vec;

/// Pads to exactly `size` bytes, or `None` if the content does not fit.
pub fn pad(content: &[u8], size: usize) -> Option<Vec<u8>> {
    let length = u32::try_from(content.len()).ok()?;
    if content.len().checked_add(4)? > size {
        return None;
    }
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(content);
    out.resize(size, 0);
    Some(out)
}

/// The content of padded bytes, or `None` if the length or the padding is wrong.
pub fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (head, rest) = padded.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*head)).ok()?;
    let (content, zeros) = rest.split_at_checked(length)?;
    zeros.iter().all(|b| *b == 0).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_goes_there_and_back() {
        let padded = pad(b"abc", 16).unwrap();
        assert_eq!(padded.len(), 16);
        assert_eq!(unpad(&padded), Some(&b"abc"[..]));
        assert_eq!(pad(b"abc", 6), None);
        assert_eq!(unpad(&pad(b"", 4).unwrap()), Some(&b""[..]));
    }

    #[test]
    fn wrong_padding_is_refused() {
        let mut padded = pad(b"abc", 16).unwrap();
        padded[15] = 1;
        assert_eq!(unpad(&padded), None);
        assert_eq!(unpad(&[0, 0, 0, 9, 1]), None);
        assert_eq!(unpad(&[0, 0]), None);
    }
}
