//! Sets in the words people use for them: `tcp dst 22,80-90; icmp 8/0`, `all but tcp dst 25`.
//!
//! One set has one text. Terms are joined by `; ` and may overlap where that is shorter.

use std::fmt;
use std::net::IpAddr;

use ipnet::{Ipv4Subnets, Ipv6Subnets};

use super::arena::{Level, Set, Space};
use super::cubes::{AddressRange, Cube, Layer4Cube, bytes, groups, ports};
use super::packet::{Family, protocol};

/// The protocols, ports and types of a set: `all`, `none`, or its terms, or `all but` and the terms
/// of what is missing where that is shorter. Addresses are ignored: the text is about the packets
/// of the set with any address.
#[must_use]
pub fn layer4(space: &mut Space, set: Set) -> String {
    let set = without_addresses(space, set);
    if set.is_empty() {
        return "none".to_owned();
    }
    if set.is_all() {
        return "all".to_owned();
    }
    let missing = space.not(set);
    let terms = layer4_terms(space, set).join("; ");
    let exceptions = format!("all but {}", layer4_terms(space, missing).join("; "));
    if exceptions.len() < terms.len() { exceptions } else { terms }
}

/// Any set, as at most `most` terms such as `10.0.0.0/8 -> 192.0.2.7 tcp dst 443`; a last term says
/// how many more there are.
#[must_use]
pub fn set(space: &mut Space, set: Set, most: usize) -> String {
    if space.is_layer4(set) {
        return layer4(space, set);
    }
    let mut terms: Vec<String> = Vec::new();
    let mut rest = 0_usize;
    for cube in space.cubes(set) {
        if terms.len() < most {
            terms.push(cube.to_string());
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        terms.push(format!("{rest} more"));
    }
    terms.join("; ")
}

fn without_addresses(space: &mut Space, set: Set) -> Set {
    use super::project::Field;
    let set = space.forget(set, Field::Dst);
    let set = space.forget(set, Field::Src);
    if space.level(set) == Level::Family {
        let [v4, v6] = [0, 1].map(|family| space.follow(set, Level::Family, family));
        space.or(v4, v6)
    } else {
        set
    }
}

/// A protocol by its usual name, or `protocol 99`.
#[must_use]
pub fn protocol_name(number: u8) -> String {
    let name = match number {
        protocol::ICMP => "icmp",
        2 => "igmp",
        4 => "ipip",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::DCCP => "dccp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        protocol::ICMPV6 => "icmpv6",
        89 => "ospf",
        112 => "vrrp",
        protocol::SCTP => "sctp",
        protocol::UDP_LITE => "udplite",
        _ => return format!("protocol {number}"),
    };
    name.to_owned()
}

fn protocols_text(ranges: &[(u8, u8)]) -> String {
    let mut names = Vec::new();
    let mut numbers = Vec::new();
    for &(lo, hi) in ranges {
        match (lo, protocol_name(lo)) {
            (_, name) if lo == hi && !name.starts_with("protocol") => names.push(name),
            _ => numbers.push((lo, hi)),
        }
    }
    if !numbers.is_empty() {
        names.push(format!("protocol {}", ranges_text(&numbers)));
    }
    names.join(",")
}

fn ranges_text<T: fmt::Display + PartialEq>(ranges: &[(T, T)]) -> String {
    let text = |(lo, hi): &(T, T)| if lo == hi { lo.to_string() } else { format!("{lo}-{hi}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The terms of a set that is neither empty nor full and asks no address.
fn layer4_terms(space: &mut Space, set: Set) -> Vec<String> {
    if space.level(set) > Level::Protocol {
        return vec!["all".to_owned()];
    }
    let mut terms = Vec::new();
    for (child, ranges) in groups(space, set) {
        let numbers = bytes(&ranges);
        if child.is_all() {
            terms.push(protocols_text(&numbers));
            continue;
        }
        let each = || numbers.iter().flat_map(|&(lo, hi)| lo..=hi);
        let typed = each().filter(|&number| protocol::has_types(number)).map(protocol_name);
        for name in typed {
            terms.extend(message_terms(space, child).iter().map(|text| format!("{name} {text}")));
        }
        let ported: Vec<String> =
            each().filter(|&number| !protocol::has_types(number)).map(protocol_name).collect();
        if !ported.is_empty() {
            let names = ported.join(",");
            terms.extend(port_terms(space, child).iter().map(|text| format!("{names} {text}")));
        }
    }
    terms
}

/// `src 53 dst 1024-65535` and the like.
fn port_terms(space: &mut Space, set: Set) -> Vec<String> {
    let mut terms = Vec::new();
    for (dst, src) in widened(space, set) {
        let dst = if dst.is_all() { Vec::new() } else { only_ranges(space, dst) };
        let sides = [("src", ports(&src)), ("dst", ports(&dst))];
        let texts = sides.iter().filter(|(_, ranges)| !ranges.is_empty());
        let texts = texts.map(|(side, ranges)| format!("{side} {}", ranges_text(ranges)));
        terms.push(texts.collect::<Vec<_>>().join(" "));
    }
    terms
}

/// `8/0`, `3`, `0,8` and the like.
fn message_terms(space: &mut Space, set: Set) -> Vec<String> {
    let mut terms = Vec::new();
    for (codes, types) in widened(space, set) {
        let mut types = bytes(&types);
        if codes.is_all() {
            terms.push(ranges_text(&types));
            continue;
        }
        if types.is_empty() {
            types.push((0, 255));
        }
        let codes = bytes(&only_ranges(space, codes));
        let pairs = types.iter().flat_map(|&kind| codes.iter().map(move |&code| (kind, code)));
        let text = |(kind, code)| format!("{}/{}", ranges_text(&[kind]), ranges_text(&[code]));
        terms.push(pairs.map(text).collect::<Vec<_>>().join(","));
    }
    terms
}

/// The distinct conditions on the second field, each with all values of the first field for which
/// at least this much holds: `dst 22` and `src 443` rather than `src 0-442,444-65535 dst 22` and
/// `src 443`. No values means every value.
fn widened(space: &mut Space, set: Set) -> Vec<(Set, Vec<(u128, u128)>)> {
    if space.level(set) != Level::SrcPort {
        return vec![(set, Vec::new())];
    }
    let intervals: Vec<_> = space.intervals(set).collect();
    let mut terms = Vec::new();
    for (condition, _) in groups(space, set) {
        let mut ranges: Vec<(u128, u128)> = Vec::new();
        for &(lo, hi, child) in &intervals {
            if !space.is_subset(condition, child) {
                continue;
            }
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == lo => *last = hi,
                _ => ranges.push((lo, hi)),
            }
        }
        if ranges == [(0, Level::SrcPort.top())] {
            ranges.clear();
        }
        terms.push((condition, ranges));
    }
    // The widest condition on the first field comes first, which is how rules are usually written.
    terms.sort_by_key(|(_, ranges)| !ranges.is_empty());
    terms
}

fn only_ranges(space: &Space, set: Set) -> Vec<(u128, u128)> {
    groups(space, set).into_iter().flat_map(|(_, ranges)| ranges).collect()
}

impl fmt::Display for AddressRange {
    /// As prefixes where at most two say it, else as `first-last`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefixes: Vec<String> = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ipv4Subnets::new(first, last, 0).take(3).map(|net| net.to_string()).collect()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ipv6Subnets::new(first, last, 0).take(3).map(|net| net.to_string()).collect()
            }
            _ => Vec::new(),
        };
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else if prefixes.is_empty() || prefixes.len() > 2 {
            write!(f, "{}-{}", self.first, self.last)
        } else {
            f.write_str(&prefixes.join(","))
        }
    }
}

impl fmt::Display for Layer4Cube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocols.is_empty() {
            f.write_str("all")?;
        } else {
            f.write_str(&protocols_text(&self.protocols))?;
        }
        for (side, ranges) in [("src", &self.src_ports), ("dst", &self.dst_ports)] {
            if !ranges.is_empty() {
                write!(f, " {side} {}", ranges_text(ranges))?;
            }
        }
        for (name, ranges) in [("type", &self.icmp_types), ("code", &self.icmp_codes)] {
            if !ranges.is_empty() {
                write!(f, " {name} {}", ranges_text(ranges))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cube {
    /// `source -> destination protocols`, `any` for an address without condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = match self.family {
            None => "any",
            Some(Family::V4) => "any IPv4",
            Some(Family::V6) => "any IPv6",
        };
        let text = |ranges: &[AddressRange]| {
            if ranges.is_empty() {
                return any.to_owned();
            }
            ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        write!(f, "{} -> {} {}", text(&self.src), text(&self.dst), self.layer4)
    }
}
