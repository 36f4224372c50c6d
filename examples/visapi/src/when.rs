//! Moments and spans as the runbook writes them: `20m ago`, `5m`, or RFC 3339.

use std::time::Duration;

/// Reads `15m`, `15m ago`, `1500ms`, `30s`, `2h`, `1d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let short = text.strip_suffix("ago").unwrap_or(text).trim();
    let digits = short.find(|c: char| !c.is_ascii_digit()).unwrap_or(short.len());
    let (number, unit) = short.split_at(digits);
    let milliseconds: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(format!("`{text}` is no span of time: write `30s`, `15m` or `2h`")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` has no number before its unit"))?;
    let all = number.checked_mul(milliseconds).ok_or_else(|| format!("`{text}` is too long"))?;
    Ok(Duration::from_millis(all))
}

/// Reads a moment: a span before `now`, or RFC 3339. In milliseconds since 1970.
pub(crate) fn moment(text: &str, now: u64) -> Result<u64, String> {
    if let Ok(span) = span(text) {
        return Ok(now.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)));
    }
    let read: Result<jiff::Timestamp, _> = text.parse();
    let read = read
        .map_err(|_| format!("`{text}` is no moment: write `20m ago` or `2026-01-31T12:00:00Z`"))?;
    Ok(u64::try_from(read.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{moment, span};

    #[test]
    fn the_runbooks_own_words_are_read() {
        assert_eq!(span("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(moment("15m ago", 1_000_000), Ok(100_000));
        assert_eq!(moment("1970-01-01T00:00:05Z", 9), Ok(5000));
        assert_eq!(moment("1h", 5), Ok(0));
        for wrong in
            ["", "m", "5", "5 years", "yesterday", "99999999999999999999d", "18446744073709551615d"]
        {
            assert!(span(wrong).is_err(), "{wrong}");
            assert!(moment(wrong, 0).is_err(), "{wrong}");
        }
    }
}
