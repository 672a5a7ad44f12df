//! Lines of stdin, read on a thread of their own: a read of a terminal cannot be called off.

use crate::error::CliError;
use std::io::{self, BufRead, Read};
use tokio::sync::mpsc;
use waxwing_protocol::limits::TEXT_BYTES_MAX;

/// Room for a command before the longest text.
const LINE_BYTES_MAX: usize = TEXT_BYTES_MAX + 64;
/// Lines read ahead of what was sent; a longer input waits in its pipe.
const LINES_AHEAD: usize = 16;

/// One line of input.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// Without its line break.
    Text(String),
    /// Longer than any text may be.
    TooLong,
    /// Not UTF-8.
    NoText,
}

/// The lines of stdin.
pub(super) struct Lines(mpsc::Receiver<Line>);

impl Lines {
    pub(super) fn start() -> Result<Self, CliError> {
        let (sender, receiver) = mpsc::channel(LINES_AHEAD);
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let mut stdin = io::stdin().lock();
                while let Ok(Some(line)) = read_line(&mut stdin) {
                    if sender.blocking_send(line).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| CliError::failed("input", format!("cannot read stdin: {error}")))?;
        Ok(Self(receiver))
    }

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Line> {
        self.0.recv().await
    }
}

fn read_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let limit = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    if input.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    } else if bytes.len() > LINE_BYTES_MAX {
        input.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    let text = String::from_utf8(bytes);
    Ok(Some(text.map_or(Line::NoText, Line::Text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_a_break_or_with_the_input() {
        let mut input = &b"hello\r\n\nlast"[..];
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line);
        }
        let text = |text: &str| Line::Text(text.to_owned());
        assert_eq!(lines, [text("hello"), text(""), text("last")]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_hides_no_other() {
        let mut input = vec![b'x'; 3 * LINE_BYTES_MAX];
        input.extend_from_slice(b"\nnext\n\xff\n");
        let mut input = &input[..];
        assert_eq!(read_line(&mut input).unwrap(), Some(Line::TooLong));
        assert_eq!(
            read_line(&mut input).unwrap(),
            Some(Line::Text("next".to_owned()))
        );
        assert_eq!(read_line(&mut input).unwrap(), Some(Line::NoText));
        assert_eq!(read_line(&mut input).unwrap(), None);
    }
}
