//! Spans of time as people write them: `30s 10m 24h 7d`.

use std::time::Duration;

/// Longest span that is understood: a century, far from any overflow.
const SPAN_S_MAX: u64 = 100 * 366 * 86_400;

/// A whole number and one unit: `s`, `m`, `h` or `d`. `None` for anything else.
///
/// ```
/// use waxwing_node::api::span::parse;
/// assert_eq!(parse("10m").map(|span| span.as_secs()), Some(600));
/// assert_eq!(parse("10"), None);
/// ```
pub fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    // `parse` alone would take a leading plus.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let total = digits.parse::<u64>().ok()?.checked_mul(seconds)?;
    (total <= SPAN_S_MAX).then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn whole_numbers_with_one_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("30s", 30),
            ("10m", 600),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(
                parse(text).map(|span| span.as_secs()),
                Some(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "s",
            "7",
            "+7s",
            "-7s",
            "7 s",
            "7.5h",
            "1h30m",
            "7w",
            "7ß",
            "99999999999999999999d",
            "40000d",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
