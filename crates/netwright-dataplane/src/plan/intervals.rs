//! Elements of sets: the kernel refuses intervals that overlap, so they are united first.

use std::net::IpAddr;

use netwright_model::scalar::{PortRange, Prefix};

/// An address as a number.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address of a number.
pub(super) fn address(number: u128, v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(number.into())
    } else {
        IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into())
    }
}

/// Unites closed intervals that overlap or touch.
fn unite(mut intervals: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    intervals.sort_unstable();
    let mut united: Vec<(u128, u128)> = Vec::new();
    for (first, last) in intervals {
        match united.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            _ => united.push((first, last)),
        }
    }
    united
}

/// A set in braces of addresses of one family, from the first to the last of each interval.
pub(super) fn addresses(intervals: impl IntoIterator<Item = (IpAddr, IpAddr)>) -> String {
    let mut v6 = false;
    let numbers = intervals.into_iter().map(|(first, last)| {
        v6 |= first.is_ipv6();
        (number(first), number(last))
    });
    let united = unite(numbers.collect());
    let words: Vec<String> = united
        .into_iter()
        .map(|(first, last)| match (address(first, v6), address(last, v6)) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        })
        .collect();
    format!("{{ {} }}", words.join(", "))
}

/// A set in braces of prefixes of one family.
pub(super) fn prefixes<'a>(prefixes: impl IntoIterator<Item = &'a Prefix>) -> String {
    addresses(prefixes.into_iter().map(|prefix| (prefix.first(), prefix.last())))
}

/// Ranges of ports as intervals that neither overlap nor touch.
pub(super) fn united(ranges: &[PortRange]) -> Vec<(u128, u128)> {
    unite(ranges.iter().map(|range| (range.first.into(), range.last.into())).collect())
}

/// A set in braces of ports.
pub(super) fn ports(ranges: &[PortRange]) -> String {
    let words: Vec<String> = united(ranges)
        .into_iter()
        .map(
            |(first, last)| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            },
        )
        .collect();
    format!("{{ {} }}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{addresses, ports};
    use netwright_model::scalar::PortRange;

    fn of(pairs: &[(&str, &str)]) -> String {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is an address"));
        addresses(pairs.iter().map(|(a, b)| (parse(a), parse(b))))
    }

    #[test]
    fn intervals_that_overlap_or_touch_are_one() {
        let pairs =
            [("10.0.0.0", "10.0.0.255"), ("10.0.0.7", "10.0.0.7"), ("10.0.1.0", "10.0.1.9")];
        assert_eq!(of(&pairs), "{ 10.0.0.0-10.0.1.9 }");
        assert_eq!(
            of(&[("10.0.0.1", "10.0.0.1"), ("10.0.0.9", "10.0.0.9")]),
            "{ 10.0.0.1, 10.0.0.9 }"
        );
        let ranges = [PortRange { first: 20, last: 25 }, PortRange { first: 22, last: 22 }];
        assert_eq!(ports(&ranges), "{ 20-25 }");
    }

    #[test]
    fn the_whole_of_a_family_is_one_interval() {
        let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        assert_eq!(of(&[("::", all), ("2001:db8::1", "2001:db8::1")]), format!("{{ ::-{all} }}"));
    }
}
