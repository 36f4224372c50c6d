//! How much one caller may ask: a bucket of tokens for each, that fills with time.
//!
//! What is remembered of callers is bounded. A bucket that is full again is like one that never was, and goes first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Callers that are remembered at a time.
const CALLERS: usize = 65_536;

/// A rate: so many a second, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens a second.
    pub each_second: f64,
    /// Tokens of a full bucket.
    pub at_once: f64,
}

/// The buckets of all callers.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: Rate,
    buckets: Mutex<BTreeMap<K, (f64, Duration)>>,
}

impl<K: Ord> Limiter<K> {
    /// One that remembers nobody.
    #[must_use]
    pub const fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::new(BTreeMap::new()) }
    }

    /// Takes a token.
    ///
    /// # Errors
    ///
    /// There is none; how long until there is one.
    pub fn take(&self, caller: K, now: Duration) -> Result<(), Duration> {
        let Rate { each_second, at_once } = self.rate;
        let filled = |(tokens, at): (f64, Duration)| {
            (tokens + now.saturating_sub(at).as_secs_f64() * each_second).min(at_once)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS && !buckets.contains_key(&caller) {
            buckets.retain(|_, bucket| filled(*bucket) < at_once);
            if buckets.len() >= CALLERS {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = buckets.entry(caller).or_insert((at_once, now));
        let tokens = filled(*bucket);
        if tokens < 1.0 {
            *bucket = (tokens, now);
            return Err(Duration::from_secs_f64((1.0 - tokens) / each_second));
        }
        *bucket = (tokens - 1.0, now);
        Ok(())
    }
}

/// Who an address is: over IPv6 whoever has the /64, who can take any address of it.
#[must_use]
pub fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{CALLERS, Limiter, Rate, caller};

    const RATE: Rate = Rate { each_second: 2.0, at_once: 3.0 };

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let limiter = Limiter::new(RATE);
        let now = Duration::from_secs(9);
        for _ in 0..3 {
            assert_eq!(limiter.take(1, now), Ok(()));
        }
        assert_eq!(limiter.take(1, now), Err(Duration::from_millis(500)));
        assert_eq!(limiter.take(2, now), Ok(()), "others are not held up");
        assert_eq!(limiter.take(1, now + Duration::from_millis(500)), Ok(()));
        assert!(limiter.take(1, now + Duration::from_millis(600)).is_err());
    }

    #[test]
    fn however_many_callers_come_what_is_remembered_is_bounded() {
        let limiter = Limiter::new(RATE);
        for caller in 0..CALLERS {
            assert!(limiter.take(caller, Duration::ZERO).is_ok());
        }
        assert!(limiter.take(CALLERS, Duration::ZERO).is_err());
        assert!(limiter.take(0, Duration::ZERO).is_ok());
        // Those that are full again are forgotten.
        assert!(limiter.take(CALLERS, Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn whoever_has_a_64_is_one_caller() {
        let of = |text: &str| caller(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
