//! The bearer token of the local API.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Each failed token in a row adds this much to the answer's delay …
const SLOWER_MS: u64 = 100;
/// … up to this: a program that guesses makes no headway, an owner who mistyped hardly notices.
const SLOWEST_MS: u64 = 1_000;

/// What a request showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The right token.
    Owner,
    /// No token at all.
    Missing,
    /// A wrong one; answer after the delay.
    Wrong(Duration),
}

/// The token, and how often in a row a wrong one came.
///
/// A wrong token never locks the owner out: the right one is answered at once, whatever happened
/// before. 256 random bits need no lock.
pub(super) struct Gate {
    token: String,
    failures: AtomicU32,
}

impl Gate {
    pub(super) fn new(token: String) -> Self {
        Self {
            token,
            failures: AtomicU32::new(0),
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
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        let delay = SLOWER_MS * (u64::from(before) + 1);
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

    #[test]
    fn only_the_right_token_opens() {
        let gate = Gate::new("s3cret".to_owned());
        assert_eq!(gate.judge(Some(b"Bearer s3cret")), Verdict::Owner);
        assert_eq!(gate.judge(Some(b"bearer s3cret ")), Verdict::Owner);
        assert_eq!(gate.judge(None), Verdict::Missing);
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
        let gate = Gate::new("s3cret".to_owned());
        let wrong = |gate: &Gate| match gate.judge(Some(b"Bearer nope")) {
            Verdict::Wrong(delay) => delay.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong(&gate), 100);
        assert_eq!(wrong(&gate), 200);
        for _ in 0..50 {
            wrong(&gate);
        }
        assert_eq!(wrong(&gate), 1_000);
        assert_eq!(gate.judge(Some(b"Bearer s3cret")), Verdict::Owner);
        assert_eq!(wrong(&gate), 100);
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        let gate = Gate::new(String::new());
        assert!(matches!(gate.judge(Some(b"Bearer ")), Verdict::Wrong(_)));
    }
}
