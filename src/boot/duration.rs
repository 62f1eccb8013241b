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
    let unit: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Not all that a number may look like: no sign, no `inf`, no exponent.
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    // Without floating point, which is 15 KB of the binary. Nobody waits for a millionth.
    let millionths: u64 = format!("{:0<6.6}", fraction).parse().ok()?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let microseconds = whole.checked_mul(1_000_000)?.checked_add(millionths)?.checked_mul(unit)?;
    let duration = Duration::from_micros(microseconds / 1000);
    (duration <= LONGEST).then_some(duration)
}

/// A duration in a message: `60 s`, `0.5 s`.
pub(crate) fn shown(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    match (tenths / 10, tenths % 10) {
        (seconds, 0) => format!("{seconds} s"),
        (seconds, tenths) => format!("{seconds}.{tenths} s"),
    }
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
            ("1.", 1000),
            ("0.0000001h", 0),
            ("87600h", 315_360_000_000),
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
