//! Units of time. The engine's `now` is unix milliseconds; signed objects hold unix seconds.

/// Milliseconds: unix time when a date, a plain span otherwise.
pub type Millis = u64;

/// Unix seconds, as signed objects hold them.
pub type Secs = u64;

/// One second in milliseconds.
pub const SECOND_MS: Millis = 1_000;
/// One minute in milliseconds.
pub const MINUTE_MS: Millis = 60 * SECOND_MS;
/// One hour in milliseconds.
pub const HOUR_MS: Millis = 60 * MINUTE_MS;
/// One day in milliseconds.
pub const DAY_MS: Millis = 24 * HOUR_MS;
/// One minute in seconds.
pub const MINUTE_S: Secs = 60;
/// One hour in seconds.
pub const HOUR_S: Secs = 3_600;
/// One day in seconds.
pub const DAY_S: Secs = 86_400;

/// Whole seconds of a time in milliseconds.
pub const fn secs(at_ms: Millis) -> Secs {
    at_ms / SECOND_MS
}
