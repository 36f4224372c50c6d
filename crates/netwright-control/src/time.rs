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

impl Time {
    /// So many milliseconds after 1970 began.
    #[must_use]
    pub const fn of_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
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
        Self(self.0.saturating_add(more))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{at:.3}")
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

    #[test]
    fn what_is_too_late_for_a_calendar_is_its_last_moment() {
        assert!(Time::of_milliseconds(u64::MAX).to_string().starts_with("9999-12-30"));
    }
}
