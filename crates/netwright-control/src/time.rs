//! Moments, as people and other machines see them. They are passed in: only the program reads the clock.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, in milliseconds since 1970 in UTC; as text, RFC 3339.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// The wall clock. It may jump.
pub trait Wall: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Time;
}

/// The last moment that can be written as text, in milliseconds: 9999-12-30T22:00:00.999Z.
const LAST: u64 = 253_402_207_200_999;

impl Time {
    /// So many milliseconds after 1970 began; the last moment that can be written where it is later, so that what is read again is the same.
    #[must_use]
    pub const fn of_milliseconds(milliseconds: u64) -> Self {
        Self(if milliseconds > LAST { LAST } else { milliseconds })
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }

    /// How long ago an earlier moment was; nothing where it is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment so much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let more = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::of_milliseconds(self.0.saturating_add(more))
    }
}

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Year, month and day of a day since 1970. Counted by hand: allocators write moments by the hundred thousand a second.
const fn calendar(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the day that is there every four years is the last; 400 years are 146,097 days.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (own, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + next, own, day - first + 1)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let (year, month, day) = calendar(self.0 / DAY);
        let rest = self.0 % DAY;
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, rest / 3_600_000),
            (14, 2, rest / 60_000 % 60),
            (17, 2, rest / 1000 % 60),
            (20, 3, rest % 1000),
        ];
        for (at, digits, mut number) in parts {
            for place in text[at..at + digits].iter_mut().rev() {
                *place = b"0123456789"[usize::try_from(number % 10).unwrap_or_default()];
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        let milliseconds = u64::try_from(at.as_millisecond());
        milliseconds.map(Self).map_err(|_| format!("{text} is before 1970"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn a_moment_is_read_as_it_was_written() {
        let time = Time::of_milliseconds(1_795_269_856_042);
        assert_eq!(time.to_string(), "2026-11-21T14:04:16.042Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert!("1969-12-31T23:59:59Z".parse::<Time>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_moment_is_written_as_calendars_have_it(milliseconds in 0..=super::LAST) {
            let at = i64::try_from(milliseconds).map(jiff::Timestamp::from_millisecond);
            let Ok(Ok(at)) = at else { panic!("no moment") };
            proptest::prop_assert_eq!(
                Time::of_milliseconds(milliseconds).to_string(),
                format!("{at:.3}")
            );
        }
    }

    #[test]
    fn what_is_too_late_for_a_calendar_is_its_last_moment() {
        assert!(Time::of_milliseconds(u64::MAX).to_string().starts_with("9999-12-30"));
    }
}
