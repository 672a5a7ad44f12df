//! Violations, and the trace that tells how one came about.

use std::collections::VecDeque;
use std::fmt;
use waxwing_protocol::time::Millis;

/// Newest lines of the trace that are kept for a report.
const TRACE_LINES: usize = 120;
/// Lines before those that tell the story: everything but traffic.
const STORY_LINES: usize = 250;
/// Words of lines that are mere traffic.
const TRAFFIC: [&str; 4] = [" sends ", " gets ", " notify ", " dials "];
/// Violations that are kept: the first ones say what went wrong, thousands more say nothing.
const VIOLATIONS_MAX: usize = 20;

/// One broken invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which invariant.
    pub name: &'static str,
    /// The run's seed.
    pub seed: u64,
    /// Virtual time.
    pub at: Millis,
    /// Whose node.
    pub person: String,
    /// Ids and what was expected.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            seed,
            at,
            person,
            detail,
        } = self;
        write!(
            f,
            "[{name}] seed {seed} at {} {person}: {detail}",
            stamp(*at)
        )
    }
}

/// Virtual time for people: `h:mm:ss.mmm`.
pub fn stamp(at: Millis) -> String {
    let (s, ms) = (at / 1_000, at % 1_000);
    format!("{}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
}

/// What happened: a hash over everything, and the newest lines.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    lines: VecDeque<String>,
    story: VecDeque<String>,
    /// Print every line as it happens.
    pub loud: bool,
}

impl Default for Trace {
    fn default() -> Self {
        // FNV-1a, 64 bits: enough to tell two runs apart, and the same on every machine.
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            events: 0,
            lines: VecDeque::new(),
            story: VecDeque::new(),
            loud: false,
        }
    }
}

impl Trace {
    /// Adds a line, and bytes that belong to it but are not printed.
    pub fn note(&mut self, at: Millis, person: &str, line: &str, bytes: &[u8]) {
        let text = format!("{} {person} {line}", stamp(at));
        self.events += 1;
        for byte in text
            .bytes()
            .chain([0])
            .chain(bytes.iter().copied())
            .chain([0])
        {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.loud {
            eprintln!("{text}");
        }
        if self.lines.len() == TRACE_LINES {
            let old = self.lines.pop_front().unwrap_or_default();
            if !TRAFFIC.iter().any(|word| old.contains(word)) {
                self.story.push_back(old);
            }
        }
        if self.story.len() > STORY_LINES {
            self.story.pop_front();
        }
        self.lines.push_back(text);
    }

    /// Hash over everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// What happened before, without traffic, and then the newest lines whole; oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.story.iter().chain(&self.lines).map(String::as_str)
    }
}

/// Violations found so far.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    found: Vec<Violation>,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, violation: Violation) {
        if self.found.len() < VIOLATIONS_MAX && !self.found.contains(&violation) {
            self.found.push(violation);
        }
    }

    /// All of them, in the order they were found.
    pub fn all(&self) -> &[Violation] {
        &self.found
    }
}

/// A run that broke an invariant: what, when, and the way there.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was found, first thing first; never empty.
    pub violations: Vec<Violation>,
    /// The newest lines of the trace.
    pub trace: Vec<String>,
    /// How to see it again.
    pub replay: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n---- trace: the story, then everything of late")?;
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "---- violations")?;
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        write!(f, "---- again: {}", self.replay)
    }
}

// `unwrap` and `?` in tests print with `Debug`; a report is for people.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_hash_tells_bytes_and_lines_apart() {
        let hash = |line: &str, bytes: &[u8]| {
            let mut trace = Trace::default();
            trace.note(1, "alice", line, bytes);
            trace.hash()
        };
        assert_eq!(hash("a", b"b"), hash("a", b"b"));
        assert_ne!(hash("a", b"b"), hash("a", b"c"));
        assert_ne!(hash("a", b"b"), hash("ab", b""));
    }

    #[test]
    fn a_report_keeps_the_newest_lines_and_the_first_violations() {
        let mut trace = Trace::default();
        let mut findings = Findings::default();
        for n in 0..1_000 {
            trace.note(n, "alice", "x", &[]);
            findings.add(Violation {
                name: "lost",
                seed: 1,
                at: n,
                person: "alice".into(),
                detail: String::new(),
            });
        }
        assert_eq!(trace.lines().count(), STORY_LINES + TRACE_LINES);
        assert_eq!(trace.lines().last(), Some("0:00:00.999 alice x"));
        assert_eq!(findings.all().len(), VIOLATIONS_MAX);
        assert_eq!(findings.all()[0].at, 0);
    }
}
