//! How many queries a source may send: a bucket of tokens for each, as many as it may send in a second.

use std::collections::HashMap;
use std::net::IpAddr;

/// Most sources that are counted at a time.
const SOURCES: usize = 4096;
/// Tokens are counted in thousandths: so many come in a millisecond as may be used in a second.
const WHOLE: u64 = 1000;

/// The buckets of all sources.
#[derive(Debug)]
pub(crate) struct Limits {
    per_second: u64,
    /// Tokens that were left, and when that was, in milliseconds.
    buckets: HashMap<IpAddr, (u64, u64)>,
}

impl Limits {
    /// 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), buckets: HashMap::new() }
    }

    /// Whether a source may send a query now. While too many sources are counted, new ones may not.
    pub(crate) fn allow(&mut self, source: IpAddr, now: u64) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let full = self.per_second * WHOLE;
        let filled = |(left, at): (u64, u64)| {
            let came = now.saturating_sub(at).saturating_mul(self.per_second);
            full.min(left.saturating_add(came))
        };
        if self.buckets.len() >= SOURCES && !self.buckets.contains_key(&source) {
            // A full bucket is the same as none.
            self.buckets.retain(|_, bucket| filled(*bucket) < full);
            if self.buckets.len() >= SOURCES {
                return false;
            }
        }
        let bucket = self.buckets.entry(source).or_insert((full, now));
        let left = filled(*bucket);
        let allowed = left >= WHOLE;
        *bucket = (if allowed { left - WHOLE } else { left }, now);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, SOURCES};
    use std::net::{IpAddr, Ipv4Addr};

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn a_source_may_send_its_number_at_once_and_then_as_time_passes() {
        let mut limits = Limits::new(10);
        let sent = |limits: &mut Limits, now| (0..100).filter(|_| limits.allow(ONE, now)).count();
        assert_eq!(sent(&mut limits, 0), 10);
        assert_eq!(sent(&mut limits, 99), 0);
        assert_eq!(sent(&mut limits, 100), 1);
        assert_eq!(sent(&mut limits, 350), 2);
        assert_eq!(sent(&mut limits, 60_000), 10, "never more than a second's");
        assert!(limits.allow(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 60_000), "each has its own");
        // A clock that goes back gives nothing and takes nothing.
        assert_eq!(sent(&mut limits, 0), 0);
    }

    #[test]
    fn so_many_sources_are_counted_and_no_more() {
        let mut limits = Limits::new(1);
        let source = |n: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap()));
        assert!((0..SOURCES).all(|n| limits.allow(source(n), 0)));
        assert!(!limits.allow(source(SOURCES), 0));
        assert_eq!(limits.buckets.len(), SOURCES);
        assert!(limits.allow(source(SOURCES), 2000), "those who were silent are forgotten");
        assert_eq!(limits.buckets.len(), 1);
    }

    #[test]
    fn no_limit_counts_nobody() {
        let mut limits = Limits::new(0);
        assert!((0..10_000).all(|_| limits.allow(ONE, 0)) && limits.buckets.is_empty());
    }
}
