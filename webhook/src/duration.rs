//! Durations as Go writes them (`1m30s`, `500ms`), which is how the API server sends its timeout; flags may also say `365d`.

use std::time::Duration;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration such as 500ms, 10s, 5m, 1h30m or 365d")]
pub struct NotADuration(String);

/// Reads a duration: numbers with a unit, one after the other. A bare `0` needs no unit.
///
/// # Errors
/// On anything else, negative durations included, and on what does not fit.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    read(text).ok_or_else(|| NotADuration(text.chars().take(40).collect()))
}

fn read(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() || text.len() > 40 {
        return None;
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        total = total.checked_add(part(number, unit)?)?;
        rest = after;
    }
    Some(total)
}

fn part(number: &str, unit: &str) -> Option<Duration> {
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("2s", 2_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            ("1m30s", 90_000),
            ("1h0m0.25s", 3_600_250),
            ("365d", 31_536_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("1500µs"), Ok(Duration::from_micros(1_500)));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2",
            "s",
            "-1s",
            "+1s",
            "1 s",
            "1sec",
            "1.2.3s",
            ".s",
            "1e9s",
            "inf",
            "infs",
            "nans",
            "99999999999999999999d",
            "1s\u{0}",
            "1s2",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
