//! When a run began, in the world's time.

use serde::{Deserialize, Serialize};

/// A date and time in UTC to the second, as RFC 3339 writes it: `2026-11-21T18:00:00Z`. Its order is the order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(String);

/// A text that is no date and time in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDate(String);

impl std::fmt::Display for BadDate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: String = self.0.chars().take(40).collect();
        write!(out, "{shown:?} is not a date and time in UTC such as 2026-11-21T18:00:00Z")
    }
}

impl std::error::Error for BadDate {}

impl Date {
    /// From seconds since 1970 in UTC. Years outside 0 to 9999 become the nearest that can be written.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days are counted from 1 March of year 0, so that the leap day is the last of a year.
        let days = days + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
        Self(format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z"))
    }

    /// As RFC 3339 writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The day alone: `2026-11-21`.
    #[must_use]
    pub fn day(&self) -> &str {
        &self.0[..10]
    }

    /// For people: `2026-11-21 18:00:00 UTC`.
    #[must_use]
    pub fn long(&self) -> String {
        format!("{} {} UTC", &self.0[..10], &self.0[11..19])
    }
}

impl TryFrom<String> for Date {
    type Error = BadDate;

    /// Fractions of a second are dropped.
    fn try_from(text: String) -> Result<Self, BadDate> {
        let bytes = text.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        let shaped = marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark))
            && (0..19).all(|at| marks.iter().any(|(mark, _)| *mark == at) || digit(at));
        if !shaped {
            return Err(BadDate(text));
        }
        let rest = &text[19..];
        let fraction = rest.strip_suffix('Z').map(|rest| rest.strip_prefix('.').unwrap_or(rest));
        let number = |at: usize| text[at..at + 2].parse::<u8>().unwrap_or(u8::MAX);
        let possible = (1..=12).contains(&number(5))
            && (1..=31).contains(&number(8))
            && number(11) < 24
            && number(14) < 60
            && number(17) <= 60;
        match fraction {
            Some(fraction) if possible && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self(format!("{}Z", &text[..19])))
            }
            _ => Err(BadDate(text)),
        }
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.0
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn seconds_become_the_calendars_date() {
        assert_eq!(Date::from_unix(0).as_str(), "1970-01-01T00:00:00Z");
        assert_eq!(Date::from_unix(951_782_400).as_str(), "2000-02-29T00:00:00Z");
        assert_eq!(Date::from_unix(1_795_284_000).as_str(), "2026-11-21T18:00:00Z");
        assert_eq!(Date::from_unix(-1).as_str(), "1969-12-31T23:59:59Z");
        assert_eq!(Date::from_unix(i64::MAX).as_str(), "9999-12-31T23:59:59Z");
        assert_eq!(Date::from_unix(i64::MIN).as_str(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn only_a_date_in_utc_is_one() {
        let read = |text: &str| Date::try_from(text.to_owned()).map(|date| date.0);
        assert_eq!(read("2026-11-21T18:00:00Z"), Ok("2026-11-21T18:00:00Z".to_owned()));
        assert_eq!(read("2026-11-21T18:00:00.125Z"), Ok("2026-11-21T18:00:00Z".to_owned()));
        for wrong in [
            "",
            "today",
            "2026-11-21",
            "2026-11-21T18:00:00",
            "2026-11-21T18:00:00+01:00",
            "2026-13-21T18:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T18:00:00.é",
            "２026-11-21T18:00:00Z",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
