//! Bearer tokens of the local API.

use crate::tokens::{Bucket, Rate, Shown, Token, Tokens};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use waxwing_protocol::time::Millis;

/// Each failed token in a row adds this much to the answer's delay …
const SLOWER_MS: u64 = 100;
/// … up to this: a program that guesses makes no headway, an owner who mistyped hardly notices.
const SLOWEST_MS: u64 = 1_000;

/// Wrong tokens that are answered in turn; beyond it they are told to wait.
const FAILURES: Rate = Rate::per_second(1);

/// What a request showed.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The node's own token.
    Owner,
    /// A program's token.
    Program(Arc<Token>),
    /// No token at all.
    Missing,
    /// A program's token whose time is over.
    Over,
    /// A wrong one; answer after the delay.
    Wrong(Duration),
    /// Wrong ones, one after the other; milliseconds until the next may be shown.
    TooMany(Millis),
}

/// The tokens, and how often in a row a wrong one came.
///
/// A wrong token never locks anybody out: a right one is answered at once, whatever happened
/// before. 256 random bits need no lock.
pub(super) struct Gate {
    token: String,
    tokens: Arc<Tokens>,
    failures: AtomicU32,
    wrong: Mutex<Bucket>,
}

impl Gate {
    pub(super) fn new(token: String, tokens: Arc<Tokens>) -> Self {
        Self {
            token,
            tokens,
            failures: AtomicU32::new(0),
            wrong: Mutex::new(Bucket::full(FAILURES)),
        }
    }

    /// Judges the value of an `Authorization` header.
    pub(super) fn judge(&self, authorization: Option<&[u8]>) -> Verdict {
        let Some(value) = authorization else {
            return Verdict::Missing;
        };
        let shown = bearer(value).unwrap_or_default();
        // An empty token in the file must not open the door to an empty header.
        if !self.token.is_empty() && bool::from(shown.ct_eq(self.token.as_bytes())) {
            self.failures.store(0, Ordering::Relaxed);
            return Verdict::Owner;
        }
        match self.tokens.judge(shown) {
            Shown::Good(token) => {
                self.failures.store(0, Ordering::Relaxed);
                return Verdict::Program(token);
            }
            Shown::Over => return Verdict::Over,
            Shown::Unknown => {}
        }
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(wait) = wrong.take(self.tokens.now(), 1) {
            return Verdict::TooMany(wait);
        }
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        let delay = SLOWER_MS.saturating_mul(u64::from(before) + 1);
        Verdict::Wrong(Duration::from_millis(delay.min(SLOWEST_MS)))
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use waxwing_protocol::private::Secret;

    /// A gate, and the clock that it looks at.
    fn gate(token: &str) -> (Gate, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(1_000));
        let seen = Arc::clone(&clock);
        let now = Box::new(move || seen.load(Ordering::Relaxed));
        let file = tempfile::tempdir().unwrap().path().join("tokens");
        let tokens = Tokens::open(file, &Secret::new([7; 32]), now).unwrap();
        (Gate::new(token.to_owned(), Arc::new(tokens)), clock)
    }

    fn is_owner(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Owner)
    }

    #[test]
    fn only_the_right_token_opens() {
        let (gate, _) = gate("s3cret");
        assert!(is_owner(&gate.judge(Some(b"Bearer s3cret"))));
        assert!(is_owner(&gate.judge(Some(b"bearer s3cret "))));
        assert!(matches!(gate.judge(None), Verdict::Missing));
        for wrong in [
            &b"Bearer s3cre"[..],
            b"Bearer s3cret2",
            b"Bearer ",
            b"Basic s3cret",
            b"s3cret",
            b"",
        ] {
            assert!(matches!(gate.judge(Some(wrong)), Verdict::Wrong(_)));
        }
    }

    #[test]
    fn failures_slow_down_to_a_bound_and_never_lock_out() {
        let (gate, clock) = gate("s3cret");
        let wrong = |gate: &Gate| match gate.judge(Some(b"Bearer nope")) {
            Verdict::Wrong(delay) => delay.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong(&gate), 100);
        assert_eq!(wrong(&gate), 200);
        for _ in 0..20 {
            wrong(&gate);
        }
        assert_eq!(wrong(&gate), 1_000);
        assert!(is_owner(&gate.judge(Some(b"Bearer s3cret"))));
        assert_eq!(wrong(&gate), 100);
        let mut told = None;
        for _ in 0..100 {
            if let Verdict::TooMany(wait) = gate.judge(Some(b"Bearer nope")) {
                told = Some(wait);
            }
        }
        assert_eq!(told, Some(1_000));
        assert!(is_owner(&gate.judge(Some(b"Bearer s3cret"))));
        clock.fetch_add(1_000, Ordering::Relaxed);
        wrong(&gate);
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        let (gate, _) = gate("");
        assert!(matches!(gate.judge(Some(b"Bearer ")), Verdict::Wrong(_)));
    }
}
