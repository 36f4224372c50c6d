//! Times of a run: whole microseconds since it began, and lengths of time.

use serde::{Deserialize, Serialize};

/// Microseconds since the run began, by the controller's monotonic clock.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(pub u64);

/// A length of time in microseconds.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub u64);

impl Moment {
    /// When the run began.
    pub const START: Self = Self(0);

    /// A moment so many milliseconds after the run began.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// The time from an earlier moment to this one; nothing when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The moment that much later.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Span {
    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// In seconds, as a fraction.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for Moment {
    /// As `T+m:ss.d`, or `T+h:mm:ss` from an hour on.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = self.0 / 100_000;
        let (seconds, minutes, hours) = (tenths / 10 % 60, tenths / 600 % 60, tenths / 36_000);
        if hours > 0 {
            write!(out, "T+{hours}:{minutes:02}:{seconds:02}")
        } else {
            write!(out, "T+{minutes}:{seconds:02}.{}", tenths % 10)
        }
    }
}

impl std::fmt::Display for Span {
    /// With the unit that fits and at most four digits: `12 µs`, `1.54 ms`, `312 ms`, `2.31 s`, `14 min 05 s`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0;
        match micros {
            0..1_000 => write!(out, "{micros} µs"),
            1_000..9_995 => {
                write!(out, "{}.{:02} ms", (micros + 5) / 1_000, (micros + 5) / 10 % 100)
            }
            9_995..99_950 => {
                write!(out, "{}.{} ms", (micros + 50) / 1_000, (micros + 50) / 100 % 10)
            }
            99_950..999_500 => write!(out, "{} ms", (micros + 500) / 1_000),
            999_500..9_995_000 => {
                let hundredths = (micros + 5_000) / 10_000;
                write!(out, "{}.{:02} s", hundredths / 100, hundredths % 100)
            }
            9_995_000..119_950_000 => {
                let tenths = (micros + 50_000) / 100_000;
                write!(out, "{}.{} s", tenths / 10, tenths % 10)
            }
            _ => {
                let seconds = micros / 1_000_000 + u64::from(micros % 1_000_000 >= 500_000);
                let (minutes, hours) = (seconds / 60 % 60, seconds / 3_600);
                if hours > 0 {
                    write!(out, "{hours} h {minutes:02} min")
                } else {
                    write!(out, "{minutes} min {:02} s", seconds % 60)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, Span};

    #[test]
    fn a_length_of_time_is_told_in_the_unit_that_fits() {
        let told = |micros| Span(micros).to_string();
        assert_eq!(told(0), "0 µs");
        assert_eq!(told(999), "999 µs");
        assert_eq!(told(1_544), "1.54 ms");
        assert_eq!(told(9_994), "9.99 ms");
        assert_eq!(told(9_995), "10.0 ms");
        assert_eq!(told(99_949), "99.9 ms");
        assert_eq!(told(99_950), "100 ms");
        assert_eq!(told(999_499), "999 ms");
        assert_eq!(told(999_500), "1.00 s");
        assert_eq!(told(2_312_000), "2.31 s");
        assert_eq!(told(9_995_000), "10.0 s");
        assert_eq!(told(119_949_999), "119.9 s");
        assert_eq!(told(119_950_000), "2 min 00 s");
        assert_eq!(told(845_000_000), "14 min 05 s");
        assert_eq!(told(7_260_000_000), "2 h 01 min");
        assert_eq!(told(u64::MAX), "5124095576 h 01 min");
    }

    #[test]
    fn a_moment_is_told_from_the_beginning() {
        assert_eq!(Moment(0).to_string(), "T+0:00.0");
        assert_eq!(Moment::from_millis(61_250).to_string(), "T+1:01.2");
        assert_eq!(Moment::from_millis(3_661_000).to_string(), "T+1:01:01");
    }
}
