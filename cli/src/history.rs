//! The file of `export` and `import`: JSON Lines, described in `docs/guide/history.md`.

use serde::Serialize;
use serde_json::{Map, Value};
use std::io::{self, BufRead, Read};
use waxwing_node::api::model::HistoryMessage;

/// What the first line calls the format, and the version that is written and read.
pub const FORMAT: &str = "waxwing-history";
/// See [`FORMAT`].
pub const VERSION: u64 = 1;
/// Longest line that is read: the longest text in JSON escapes, and everything around it.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// A line as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Out<'a> {
    /// The first one.
    Header {
        /// [`FORMAT`].
        format: &'a str,
        /// [`VERSION`].
        version: u64,
        /// Whose history: `wax1…`.
        account: &'a str,
        /// What they call themselves.
        name: &'a str,
        /// When it was written.
        made_at: &'a str,
    },
    /// Before the messages with a contact.
    Contact {
        /// `wax1…`
        account: &'a str,
        /// Petname.
        name: &'a str,
    },
    /// A message.
    Message {
        /// With whom: `wax1…`.
        contact: &'a str,
        /// Everything else.
        #[serde(flatten)]
        message: &'a HistoryMessage,
    },
    /// The last one: without it the file is cut short.
    End {
        /// So many lines were of messages.
        messages: u64,
    },
}

/// A line as it is read.
#[derive(PartialEq, Eq, Debug)]
pub enum In {
    /// The first one: whose history.
    Header(String),
    /// Somebody's account and petname.
    Contact(String, String),
    /// With whom, and what.
    Message(String, Box<HistoryMessage>),
    /// The last one.
    End,
}

/// What is wrong with a line: a word for programs, a sentence.
pub type Bad = (&'static str, String);

fn bad(code: &'static str, sentence: impl Into<String>) -> Bad {
    (code, sentence.into())
}

/// Takes a text out of an object.
fn text(object: &mut Map<String, Value>, field: &str) -> Result<String, Bad> {
    match object.remove(field) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(bad("bad_line", format!("`{field}` is missing, or no text"))),
    }
}

/// Reads a line.
///
/// # Errors
/// [`Bad`] if it is none of this format.
pub fn parse(line: &str) -> Result<In, Bad> {
    let value = serde_json::from_str(line);
    let value = value.map_err(|error| bad("no_json", format!("it is no JSON: {error}")))?;
    let Value::Object(mut object) = value else {
        return Err(bad("bad_line", "it is no JSON object"));
    };
    match text(&mut object, "type")?.as_str() {
        "header" => {
            let version = object.get("version").and_then(Value::as_u64);
            if text(&mut object, "format")? != FORMAT {
                return Err(bad("bad_header", format!("its format is not `{FORMAT}`")));
            }
            if version != Some(VERSION) {
                return Err(bad(
                    "bad_version",
                    format!("only version {VERSION} can be read here"),
                ));
            }
            Ok(In::Header(text(&mut object, "account")?))
        }
        "contact" => Ok(In::Contact(
            text(&mut object, "account")?,
            text(&mut object, "name")?,
        )),
        "message" => {
            let contact = text(&mut object, "contact")?;
            let message = serde_json::from_value(Value::Object(object));
            let message =
                message.map_err(|error| bad("bad_line", format!("it does not fit: {error}")))?;
            Ok(In::Message(contact, Box::new(message)))
        }
        "end" => Ok(In::End),
        _ => Err(bad(
            "bad_line",
            "its `type` is none of header, contact, message, end",
        )),
    }
}

/// Reads the next line into `line`, without its line break; false at the end. What is too long is
/// passed over and comes back as an empty line with a complaint.
///
/// # Errors
/// What the file says.
pub fn next_line(
    from: &mut impl BufRead,
    line: &mut Vec<u8>,
) -> io::Result<Option<Result<(), Bad>>> {
    line.clear();
    let most = LINE_BYTES_MAX as u64 + 1;
    if from.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Ok(())));
    }
    if line.len() <= LINE_BYTES_MAX {
        return Ok(Some(Ok(())));
    }
    line.clear();
    loop {
        let rest = from.fill_buf()?;
        if rest.is_empty() {
            break;
        }
        let end = rest.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(rest.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            break;
        }
    }
    let words = format!("it is longer than {LINE_BYTES_MAX} bytes");
    Ok(Some(Err(bad("too_long", words))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused_with_a_word() {
        let ok =
            r#"{"type":"message","contact":"wax1x","id":"a","mine":true,"clock":5,"text":"hi"}"#;
        assert!(
            matches!(parse(ok), Ok(In::Message(contact, m)) if contact == "wax1x" && m.clock == 5)
        );
        let header =
            r#"{"type":"header","format":"waxwing-history","version":1,"account":"wax1y"}"#;
        assert_eq!(parse(header), Ok(In::Header("wax1y".into())));
        for (line, code) in [
            ("", "no_json"),
            ("[]", "bad_line"),
            ("{\"a\":\u{1}\"b\"}", "no_json"),
            (
                r#"{"type":"message","contact":"x","id":"a","mine":1,"clock":5}"#,
                "bad_line",
            ),
            (
                r#"{"type":"message","contact":"x","id":"a","mine":true,"clock":-5}"#,
                "bad_line",
            ),
            (
                r#"{"type":"message","contact":"x","id":"a","mine":true,"clock":5,"who":1}"#,
                "bad_line",
            ),
            (
                r#"{"type":"message","contact":"x","id":"a","mine":true,"clock":5,"clock":6}"#,
                "ok",
            ),
            (
                r#"{"type":"message","id":"a","mine":true,"clock":5}"#,
                "bad_line",
            ),
            (
                r#"{"type":"header","format":"other","version":1,"account":"x"}"#,
                "bad_header",
            ),
            (
                r#"{"type":"header","format":"waxwing-history","version":2,"account":"x"}"#,
                "bad_version",
            ),
            (r#"{"type":"dance"}"#, "bad_line"),
        ] {
            let said = parse(line).err().map_or("ok", |(code, _)| code);
            assert_eq!(said, code, "{line}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse(&deep).unwrap_err().0, "no_json");
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.extend_from_slice(b"\nshort\nlast");
        let mut from = io::BufReader::new(&bytes[..]);
        let mut line = Vec::new();
        assert_eq!(
            next_line(&mut from, &mut line)
                .unwrap()
                .unwrap()
                .unwrap_err()
                .0,
            "too_long"
        );
        assert!(line.capacity() < 2 * LINE_BYTES_MAX + 64 * 1024);
        for expected in ["short", "last"] {
            assert_eq!(next_line(&mut from, &mut line).unwrap(), Some(Ok(())));
            assert_eq!(line, expected.as_bytes());
        }
        assert_eq!(next_line(&mut from, &mut line).unwrap(), None);
    }
}
