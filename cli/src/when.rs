//! Times and spans for people.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use std::time::Duration;

/// A time of the API in this machine's zone; `None` if it is none.
pub fn local(rfc3339: &str) -> Option<Zoned> {
    let at: Timestamp = rfc3339.parse().ok()?;
    Some(at.to_zoned(TimeZone::system()))
}

/// `09:15` today, `Mon 23 Nov 09:15` this year, with the year otherwise.
pub fn date_clock(rfc3339: &str, now: &Zoned) -> String {
    let Some(at) = local(rfc3339) else {
        return crate::text::line(rfc3339);
    };
    let format = if at.date() == now.date() {
        "%H:%M"
    } else if at.year() == now.year() {
        "%a %-d %b %H:%M"
    } else {
        "%-d %b %Y %H:%M"
    };
    at.strftime(format).to_string()
}

/// As [`date_clock`], with seconds.
pub fn date_seconds(rfc3339: &str, now: &Zoned) -> String {
    let Some(at) = local(rfc3339) else {
        return crate::text::line(rfc3339);
    };
    let format = if at.date() == now.date() {
        "%H:%M:%S"
    } else {
        "%-d %b %Y %H:%M:%S"
    };
    at.strftime(format).to_string()
}

/// Time from one to the other, zero if it runs backwards; `None` if either is no time.
pub fn between(from: &str, to: &str) -> Option<Duration> {
    let from: Timestamp = from.parse().ok()?;
    let to: Timestamp = to.parse().ok()?;
    let ms = to.as_millisecond().saturating_sub(from.as_millisecond());
    Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// `3 ms`, `1.4 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`: two units at most.
pub fn span(span: Duration) -> String {
    let ms = span.as_millis();
    let seconds = span.as_secs();
    let two = |big: u64, name: &str, small: u64, second: &str| {
        if small == 0 {
            format!("{big} {name}")
        } else {
            format!("{big} {name} {small} {second}")
        }
    };
    match seconds {
        0 => format!("{ms} ms"),
        1..10 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// A span that somebody chose, in the largest unit that it is a whole number of: `1 day`,
/// `36 hours`, `90 seconds`.
pub fn chosen(secs: u64) -> String {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let whole = units
        .into_iter()
        .find(|(unit, _)| secs > 0 && secs.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "second"));
    match secs / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_spans_are_said_as_they_were_chosen() {
        for (secs, text) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (120, "2 minutes"),
            (129_600, "36 hours"),
            (86_400, "1 day"),
            (604_800, "7 days"),
        ] {
            assert_eq!(chosen(secs), text);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (ms, text) in [
            (0, "0 ms"),
            (45, "45 ms"),
            (1_450, "1.4 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (11_400_000, "3 h 10 min"),
            (352_800_000, "4 d 2 h"),
        ] {
            assert_eq!(span(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_clock_that_runs_backwards_gives_no_negative_span() {
        let (a, b) = ("2026-11-23T10:00:00.000Z", "2026-11-23T10:00:01.500Z");
        assert_eq!(between(a, b), Some(Duration::from_millis(1_500)));
        assert_eq!(between(b, a), Some(Duration::ZERO));
        assert_eq!(between(a, "soon"), None);
    }

    #[test]
    fn what_is_no_time_is_escaped() {
        assert_eq!(date_clock("\x1b[2J", &Zoned::now()), "\\u{1b}[2J");
    }
}
