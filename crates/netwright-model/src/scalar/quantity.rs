//! Durations, rates and shares, with their units.

use std::fmt;

use super::{Scalar, ScalarError};

/// A duration in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration {
    milliseconds: u64,
}

impl Duration {
    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    /// From seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self { milliseconds: seconds.saturating_mul(1000) }
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }

    /// In seconds.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "durations of a description are far below 2^52 ms"
    )]
    pub fn as_secs_f64(self) -> f64 {
        self.milliseconds as f64 / 1000.0
    }

    /// The sum, at most the largest duration.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { milliseconds: self.milliseconds.saturating_add(other.milliseconds) }
    }

    /// So many times as long, at most the largest duration.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self { milliseconds: self.milliseconds.saturating_mul(count) }
    }
}

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A number and the unit after it.
fn split_unit(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..at], text[at..].trim())
}

/// `number × factor` where that is a whole number.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if fraction.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: u128 = digits.parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(factor.into())?;
    if product % scale != 0 {
        return None;
    }
    u64::try_from(product / scale).ok()
}

impl Scalar for Duration {
    const WHAT: &'static str = "a duration such as 500ms, 15s, 10m, 2h or 1d";
    const PATTERN: Option<&'static str> =
        Some(r"^([0-9.]+ *(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)|0)$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        if text == "0" {
            return Ok(Self::default());
        }
        let (number, unit) = split_unit(text);
        let unit = match unit {
            "sec" | "secs" | "second" | "seconds" => "s",
            "min" | "mins" | "minute" | "minutes" => "m",
            "hour" | "hours" => "h",
            "day" | "days" => "d",
            other => other,
        };
        if unit.is_empty() && !number.is_empty() {
            return Err(ScalarError::new(format!("`{text}` has no unit"))
                .with_help(format!("did you mean {text}s, or {text}ms?")));
        }
        let factor = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor);
        factor
            .and_then(|factor| scaled(number, factor))
            .map(Self::from_millis)
            .ok_or_else(|| ScalarError::new(format!("`{text}` is not {}", Self::WHAT)))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Seconds read best for most of what people write; larger units only where they are exact and not less clear.
        let milliseconds = self.milliseconds;
        if milliseconds == 0 {
            return f.write_str("0");
        }
        let (unit, factor) = match milliseconds {
            m if m % 86_400_000 == 0 => UNITS[0],
            m if m % 3_600_000 == 0 => UNITS[1],
            m if m % 60_000 == 0 && m >= 1_200_000 => UNITS[2],
            m if m % 1000 == 0 => UNITS[3],
            _ => UNITS[4],
        };
        write!(f, "{}{unit}", milliseconds / factor)
    }
}

/// How long a packet takes: a time in whole microseconds, at most a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Delay {
    microseconds: u64,
}

impl Delay {
    /// From microseconds.
    #[must_use]
    pub const fn from_micros(microseconds: u64) -> Self {
        Self { microseconds }
    }

    /// In microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.microseconds
    }
}

const DELAY_UNITS: [(&str, u64); 3] = [("s", 1_000_000), ("ms", 1000), ("us", 1)];
/// Longest delay, in microseconds: TCP gives up connecting after two minutes.
const LONGEST_DELAY: u64 = 60_000_000;

impl Scalar for Delay {
    const WHAT: &'static str = "a delay such as 50ms, 1.5ms, 200us or 1s, at most 60s";
    const PATTERN: Option<&'static str> = Some(r"^([0-9.]+ *(us|ms|s)|0)$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        if text == "0" {
            return Ok(Self::default());
        }
        let (number, unit) = split_unit(text);
        if unit.is_empty() && !number.is_empty() {
            return Err(ScalarError::new(format!("`{text}` has no unit"))
                .with_help(format!("did you mean {text}ms?")));
        }
        let factor = DELAY_UNITS.iter().find(|(known, _)| *known == unit);
        let microseconds = factor.and_then(|(_, factor)| scaled(number, *factor));
        match microseconds {
            Some(longer) if longer > LONGEST_DELAY => {
                Err(ScalarError::new(format!("`{text}` is over 60s")))
            }
            Some(microseconds) => Ok(Self { microseconds }),
            None => Err(ScalarError::new(format!("`{text}` is not {}", Self::WHAT))),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = match self.microseconds {
            0 => return f.write_str("0"),
            whole if whole % 1_000_000 == 0 => DELAY_UNITS[0],
            whole if whole % 1000 == 0 => DELAY_UNITS[1],
            _ => DELAY_UNITS[2],
        };
        write!(f, "{}{unit}", self.microseconds / factor)
    }
}

/// A rate in bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bandwidth {
    bits: u64,
}

impl Bandwidth {
    /// From bit/s.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { bits }
    }

    /// From Mbit/s.
    #[must_use]
    pub const fn from_megabits(megabits: u64) -> Self {
        Self { bits: megabits.saturating_mul(1_000_000) }
    }

    /// In bit/s.
    #[must_use]
    pub const fn as_bits(self) -> u64 {
        self.bits
    }
}

const RATES: [(&str, u64); 4] =
    [("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1000), ("bit/s", 1)];

impl Scalar for Bandwidth {
    const WHAT: &'static str = "a rate such as 200Mbit/s or 1.6Gbit/s";
    const PATTERN: Option<&'static str> = Some(r"^[0-9.]+ *([GMk]?(bit/s|bps)|[GMk]bit|[gm]bit)$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        let (number, unit) = split_unit(text);
        let canonical = match unit {
            "kbit" => "kbit/s".to_owned(),
            "mbit" | "Mbit" => "Mbit/s".to_owned(),
            "gbit" | "Gbit" => "Gbit/s".to_owned(),
            _ => unit.replace("bps", "bit/s"),
        };
        if let Some((_, factor)) = RATES.iter().find(|(known, _)| *known == canonical)
            && let Some(bits) = scaled(number, *factor)
        {
            return Ok(Self { bits });
        }
        let mut error = ScalarError::new(format!("`{text}` is not {}", Self::WHAT));
        error.help = match unit {
            "MB" | "MB/s" | "Mb" | "mbps" | "Mb/s" => {
                Some(format!("rates are in bits a second: did you mean {number}Mbit/s?"))
            }
            "GB" | "GB/s" | "Gb" | "gbps" | "Gb/s" => {
                Some(format!("rates are in bits a second: did you mean {number}Gbit/s?"))
            }
            _ => None,
        };
        Err(error)
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = RATES
            .iter()
            .find(|(_, factor)| self.bits >= *factor && self.bits.is_multiple_of(*factor))
            .unwrap_or(&RATES[3]);
        write!(f, "{}{unit}", self.bits / factor)
    }
}

/// A share, in thousandths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent {
    thousandths: u32,
}

impl Percent {
    /// From whole percent.
    #[must_use]
    pub const fn of(percent: u32) -> Self {
        Self { thousandths: percent.saturating_mul(1000) }
    }

    /// From thousandths of a percent, at most all.
    #[must_use]
    pub const fn of_thousandths(thousandths: u32) -> Self {
        Self { thousandths: if thousandths > 100_000 { 100_000 } else { thousandths } }
    }

    /// In thousandths of a percent, 0 to 100,000.
    #[must_use]
    pub const fn as_thousandths(self) -> u32 {
        self.thousandths
    }

    /// As a fraction of one.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.thousandths) / 100_000.0
    }
}

impl Scalar for Percent {
    const WHAT: &'static str = "a share such as 80% or 0.8";
    const PATTERN: Option<&'static str> = Some(r"^([0-9.]+ *%|0*\.?[0-9]+|0+\.|0*1\.0*)$");

    fn parse_scalar(text: &str) -> Result<Self, ScalarError> {
        let wrong = || ScalarError::new(format!("`{text}` is not {}", Self::WHAT));
        let (number, factor) = match text.strip_suffix('%') {
            Some(number) => (number.trim(), 1000),
            None => (text, 100_000),
        };
        let thousandths = scaled(number, factor).ok_or_else(wrong)?;
        match u32::try_from(thousandths) {
            Ok(thousandths) if thousandths <= 100_000 => Ok(Self { thousandths }),
            _ if factor == 100_000 => Err(ScalarError::new(format!("`{text}` is over 1"))
                .with_help(format!("did you mean {text}%?"))),
            _ => Err(ScalarError::new(format!("`{text}` is over 100%"))),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.thousandths / 1000, self.thousandths % 1000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let fraction = format!("{rest:03}");
        write!(f, "{whole}.{}%", fraction.trim_end_matches('0'))
    }
}
