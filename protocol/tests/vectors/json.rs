//! Just enough JSON to write vectors: ordered keys, one layout, no choices left open.

use data_encoding::HEXLOWER;
use std::fmt::Write;

/// A JSON value.
#[derive(Clone, Debug)]
pub enum J {
    /// A string.
    Text(String),
    /// A number.
    Number(u64),
    /// A truth value.
    Bool(bool),
    /// Nothing.
    Null,
    /// An array.
    Array(Vec<J>),
    /// An object, in this order.
    Object(Vec<(String, J)>),
}

/// An object.
pub fn object<const N: usize>(fields: [(&str, J); N]) -> J {
    J::Object(fields.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

/// Bytes as lower-case hex.
pub fn hex(bytes: impl AsRef<[u8]>) -> J {
    J::Text(HEXLOWER.encode(bytes.as_ref()))
}

/// Bytes as hex, or null.
pub fn maybe(bytes: Option<impl AsRef<[u8]>>) -> J {
    bytes.map_or(J::Null, hex)
}

impl From<&str> for J {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for J {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for J {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for J {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for J {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Vec<J>> for J {
    fn from(items: Vec<J>) -> Self {
        Self::Array(items)
    }
}

impl J {
    /// The text of a file.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Self::Text(text) => quote(out, text),
            Self::Number(number) => write!(out, "{number}").unwrap(),
            Self::Bool(truth) => write!(out, "{truth}").unwrap(),
            Self::Null => out.push_str("null"),
            Self::Array(items) => {
                list(out, depth, '[', ']', items, |out, item| {
                    item.write(out, depth + 1);
                });
            }
            Self::Object(fields) => {
                list(out, depth, '{', '}', fields, |out, (key, value)| {
                    quote(out, key);
                    out.push_str(": ");
                    value.write(out, depth + 1);
                });
            }
        }
    }
}

fn list<T>(
    out: &mut String,
    depth: usize,
    open: char,
    close: char,
    items: &[T],
    mut one: impl FnMut(&mut String, &T),
) {
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        out.push_str(&"  ".repeat(depth + 1));
        one(out, item);
    }
    if !items.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
    out.push(close);
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || !c.is_ascii() => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}").unwrap();
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
