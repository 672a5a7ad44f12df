//! Server-sent events from bytes.

/// Longest line and longest event: a text of 32 KiB, escaped sixfold, with room to spare.
const EVENT_BYTES_MAX: usize = 512 * 1024;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SseEvent {
    /// What to go on from.
    pub id: Option<String>,
    /// Its kind; `message` if the stream names none.
    pub event: String,
    /// Its data; lines joined by line feeds.
    pub data: String,
}

/// A line or an event is longer than any that a node sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

/// Takes bytes in pieces of any size and gives whole events.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    id: Option<String>,
    event: String,
    data: String,
    has_data: bool,
}

impl Parser {
    /// The events that these bytes complete.
    ///
    /// # Errors
    /// [`TooLong`] if the other side is no node.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            // CR, LF and CR LF each end one line.
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    if let Some(event) = self.end_line(&String::from_utf8_lossy(&line))? {
                        events.push(event);
                    }
                }
                _ if self.line.len() >= EVENT_BYTES_MAX => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Result<Option<SseEvent>, TooLong> {
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => self.event = value.to_owned(),
            "data" => {
                if self.data.len() + value.len() > EVENT_BYTES_MAX {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // A comment (no field name) or a field of a later version.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<SseEvent> {
        let id = self.id.take();
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let event = if event.is_empty() {
            "message".to_owned()
        } else {
            event
        };
        Some(SseEvent { id, event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": heartbeat\n\nid: 7\nevent: state\ndata: {\"a\":1}\n\nretry: 5\ndata:x\r\ndata: y\r\n\r\n";

    fn expected() -> Vec<SseEvent> {
        vec![
            SseEvent {
                id: Some("7".to_owned()),
                event: "state".to_owned(),
                data: "{\"a\":1}".to_owned(),
            },
            SseEvent {
                id: None,
                event: "message".to_owned(),
                data: "x\ny".to_owned(),
            },
        ]
    }

    #[test]
    fn events_come_whole_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                events.extend(parser.feed(piece).unwrap());
            }
            assert_eq!(events, expected(), "pieces of {size}");
        }
    }

    #[test]
    fn an_unfinished_event_is_none() {
        assert_eq!(Parser::default().feed(b"data: x\n").unwrap(), vec![]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; EVENT_BYTES_MAX];
        assert!(parser.feed(&piece).is_ok());
        assert_eq!(parser.feed(b"x"), Err(TooLong));
    }

    #[test]
    fn endless_data_is_refused() {
        let mut parser = Parser::default();
        let mut piece = b"data: ".to_vec();
        piece.resize(EVENT_BYTES_MAX / 2, b'x');
        piece.push(b'\n');
        assert!(parser.feed(&piece).is_ok());
        assert!(parser.feed(&piece).is_ok());
        assert_eq!(parser.feed(&piece), Err(TooLong));
    }
}
