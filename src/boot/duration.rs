//! Durations as people write them: `500ms`, `10s`, `5m`, `1h`, and a plain number of seconds.

use std::time::Duration;

/// What a duration may look like, for messages.
pub(crate) const FORMS: &str = "500ms, 10s, 5m, 1h, or a number of seconds";

/// The longest one: what is longer is a slip of the keyboard, and would overflow a clock.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Reads a duration; `None` if it is none. A fraction is written with a point: `0.5`, `1.5s`.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    // Not all that a float may look like: no sign, no `inf`, no exponent.
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let points = number.bytes().filter(|byte| *byte == b'.').count();
    if digits == 0 || points > 1 || digits + points != number.len() {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| *duration <= LONGEST)
}

/// A duration in a message: `60 s`, `0.5 s`.
pub(crate) fn shown(duration: Duration) -> String {
    // In tenths, and without a `.0`.
    let tenths = (duration.as_secs_f64() * 10.0).round() / 10.0;
    format!("{tenths} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_a_plain_number_is_seconds() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("25", 25_000),
            ("0", 0),
            ("0.5", 500),
            ("1.5s", 1500),
            (".5", 500),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "s",
            "-1",
            "+1",
            "1 s",
            "1e3",
            "inf",
            "NaN",
            "1d",
            "1.2.3",
            "5M",
            "1s2",
            "０",
            "99999999999999999999",
            "1\0",
            "10 ",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn in_messages_there_are_no_more_digits_than_needed() {
        assert_eq!(shown(Duration::from_secs(60)), "60 s");
        assert_eq!(shown(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(shown(Duration::from_millis(503)), "0.5 s");
    }
}
