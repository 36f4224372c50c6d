//! From moments to places on the axis of time, and from values to heights.

use crate::{Moment, Span};

use super::{LEFT, RIGHT};

/// The axis of time. Whatever lies outside of the run stands at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    end: u64,
}

#[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
const fn float(value: u64) -> f64 {
    value as f64
}

impl Axis {
    pub(crate) fn new(duration: Span) -> Self {
        Self { end: duration.0.max(1) }
    }

    /// The place of a moment.
    pub(crate) fn x(self, moment: Moment) -> f64 {
        (RIGHT - LEFT).mul_add(float(moment.0.min(self.end)) / float(self.end), LEFT)
    }

    /// The places of a stretch of time: where it begins, and how wide it is (at least half a unit, so that it is seen).
    pub(crate) fn stretch(self, begin: Moment, end: Option<Moment>) -> (f64, f64) {
        let from = self.x(begin).min(RIGHT - 0.5);
        let until = end.map_or(RIGHT, |end| self.x(end));
        (from, (until - from).max(0.5).min(RIGHT - from))
    }

    /// The end of the run.
    pub(crate) const fn end(self) -> Moment {
        Moment(self.end)
    }

    /// Between ticks: a round length of time.
    fn step(self) -> u64 {
        const ROUND: [u64; 16] = [
            1_000,
            10_000,
            100_000,
            500_000,
            1_000_000,
            2_000_000,
            5_000_000,
            10_000_000,
            15_000_000,
            30_000_000,
            60_000_000,
            120_000_000,
            300_000_000,
            600_000_000,
            1_800_000_000,
            3_600_000_000,
        ];
        let least = self.end.div_ceil(11);
        let round = ROUND.iter().copied().find(|step| *step >= least);
        round.unwrap_or_else(|| least.div_ceil(3_600_000_000).saturating_mul(3_600_000_000))
    }

    /// Where the axis is labelled.
    pub(crate) fn ticks(self) -> Vec<Moment> {
        let step = self.step();
        (0..=self.end / step).map(|number| Moment(number.saturating_mul(step))).take(20).collect()
    }

    /// A tick's label: seconds, minutes, or hours.
    pub(crate) fn label(self, tick: Moment) -> String {
        let seconds = tick.0 / 1_000_000;
        if tick.0 == 0 {
            "0".to_owned()
        } else if self.step() < 1_000_000 {
            format!("{} ms", tick.0 / 1_000)
        } else if self.end < 120_000_000 {
            format!("{seconds} s")
        } else if seconds < 3_600 {
            format!("{}:{:02}", seconds / 60, seconds % 60)
        } else {
            format!("{}:{:02}:00", seconds / 3_600, seconds / 60 % 60)
        }
    }
}

/// From values to heights, the largest on top.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Height {
    low: f64,
    high: f64,
    log: bool,
    top: f64,
    bottom: f64,
}

impl Height {
    /// From 0 (or the least, if that is less) to a round number that is no less than the largest.
    pub(crate) fn linear(values: impl Iterator<Item = f64>, top: f64, bottom: f64) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for value in values.filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        // So large a number that the differences of others would not be numbers any more.
        let bound = 1e300;
        let (low, high) = (low.max(-bound), high.min(bound));
        let reach = if high > low { high - low } else { 1.0 };
        let step = round_up(reach / 2.0);
        Self {
            low: (low / step).floor() * step,
            high: ((high.max(low + step)) / step).ceil() * step,
            log: false,
            top,
            bottom,
        }
    }

    /// From one power of ten to another, for lengths of time in microseconds.
    pub(crate) fn powers(values: impl Iterator<Item = Span>, top: f64, bottom: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values {
            let power = float(value.0.max(1)).log10();
            low = low.min(power.floor());
            high = high.max(power.ceil());
        }
        let low = if low.is_finite() { low } else { 3.0 };
        Self { low, high: high.max(low + 1.0), log: true, top, bottom }
    }

    /// The height of a value, within the panel whatever it is.
    pub(crate) fn y(&self, value: f64) -> f64 {
        let value = if self.log { value.max(1.0).log10() } else { value };
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let part = if part.is_finite() { part } else { 0.0 };
        (self.top - self.bottom).mul_add(part, self.bottom)
    }

    /// The height of a length of time.
    pub(crate) fn of(&self, span: Span) -> f64 {
        self.y(float(span.0))
    }

    /// Where lines are drawn, with their labels.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        if self.log {
            let mut ticks = Vec::new();
            let mut power = self.low;
            while power <= self.high && ticks.len() < 24 {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "at most 10^19 and not negative"
                )]
                let micros = 10_f64.powf(power) as u64;
                ticks.push((self.y(float(micros)), short(micros)));
                power += 1.0;
            }
            return ticks;
        }
        let step = (self.high - self.low) / 2.0;
        (0..3_u8)
            .map(|number| {
                let value = step.mul_add(f64::from(number), self.low);
                (self.y(value), number_of(value))
            })
            .collect()
    }
}

/// A power of ten of microseconds: `1 ms`, `10 s`.
fn short(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{} s", micros / 1_000_000),
    }
}

/// 1, 2 or 5 times a power of ten that is no less.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= value);
    let round = factor.unwrap_or(10.0) * power;
    if round.is_finite() && round > 0.0 { round } else { 1.0 }
}

/// A number for people: no more than three digits after the point, large ones with a letter.
pub(crate) fn number_of(value: f64) -> String {
    let size = value.abs();
    let trimmed = |value: f64, digits: usize| {
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    };
    match size {
        _ if !value.is_finite() => "?".to_owned(),
        _ if size >= 1e15 => format!("{value:.2e}"),
        _ if size >= 1e9 => format!("{} G", trimmed(value / 1e9, 2)),
        _ if size >= 1e6 => format!("{} M", trimmed(value / 1e6, 2)),
        _ if size >= 1e4 => format!("{} k", trimmed(value / 1e3, 1)),
        _ if size >= 100.0 => trimmed(value, 1),
        _ if size >= 1.0 || size == 0.0 => trimmed(value, 2),
        _ if size >= 1e-3 => trimmed(value, 4),
        _ => format!("{value:.2e}"),
    }
}
