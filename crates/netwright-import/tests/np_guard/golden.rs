//! What the other analyser's tests expect, as data.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netwright_model::source::FileId;
use netwright_model::tree::{Limits, Node, json};

/// Folder of the collection; nothing where it is absent.
pub(crate) fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/networks/np-guard-vpc"
    ));
    if !path.is_dir() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {} is absent", path.display());
        }
        return None;
    }
    Some(path)
}

/// The verdicts of the collection.
pub(crate) fn expected(data: &Path) -> Node {
    let text = std::fs::read_to_string(data.join("expected.json")).unwrap();
    json::parse(&text, FileId::default(), &Limits::default()).unwrap()
}

/// A range of addresses, both ends included.
pub(crate) type Range = (u32, u32);

/// One side of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// An address of an interface; the VPC where the line names it.
    Address { vpc: Option<String>, address: IpAddr },
    /// All addresses of a load balancer.
    Balancer { vpc: Option<String>, name: String },
    /// All addresses of a machine.
    Machine { vpc: Option<String>, name: String },
    /// A subnet.
    Subnet { vpc: Option<String>, name: String },
    /// The Internet or the service network.
    Outside { service: bool, ranges: Vec<Range> },
}

/// A set over protocol and ports. Empty ports or types are no condition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Product {
    pub(crate) protocols: Vec<String>,
    pub(crate) src_ports: Vec<(u16, u16)>,
    pub(crate) dst_ports: Vec<(u16, u16)>,
    pub(crate) types: Vec<(u16, u16)>,
    pub(crate) codes: Vec<(u16, u16)>,
}

/// A line: everything of a list of sources to everything of a list of destinations.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) from: Vec<Side>,
    pub(crate) to: Vec<Side>,
    /// Nothing stands for every connection.
    pub(crate) connection: Option<Vec<Product>>,
    /// The answers of its TCP part do not come back.
    pub(crate) blocked: bool,
    /// More than any of the balancer's addresses has.
    pub(crate) over: bool,
}

/// An exhaustive analysis.
#[derive(Debug, Clone)]
pub(crate) struct Analysis {
    pub(crate) golden: String,
    pub(crate) input: PathBuf,
    pub(crate) subnets: bool,
    pub(crate) balancers: bool,
    pub(crate) lines: Vec<Line>,
}

pub(crate) fn text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::as_str).unwrap_or("")
}

pub(crate) fn items<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).map_or(&[], Node::items)
}

fn flag(node: &Node, key: &str) -> bool {
    node.get(key).and_then(Node::as_bool).unwrap_or(false)
}

/// The exhaustive analyses.
pub(crate) fn analyses(data: &Path, expected: &Node) -> Vec<Analysis> {
    let entries = items(expected, "analysis").iter();
    entries
        .map(|entry| {
            let golden = text(entry, "golden");
            let options = entry.get("options").unwrap();
            Analysis {
                golden: golden.rsplit('/').next().unwrap_or(golden).to_owned(),
                input: data.join(text(entry, "input")),
                subnets: text(entry, "level") == "subnet",
                balancers: !flag(options, "no_lb_abstraction"),
                lines: items(entry, "sections").iter().flat_map(section).collect(),
            }
        })
        .collect()
}

/// A section is about one VPC and the outside, or about the VPCs of a transit hub; then the names carry theirs.
fn section(node: &Node) -> Vec<Line> {
    let vpc = text(node, "scope").strip_prefix("vpc:");
    items(node, "connections").iter().map(|line| self::line(line, vpc)).collect()
}

fn line(node: &Node, scope: Option<&str>) -> Line {
    let sides = |key: &str| items(node, key).iter().filter_map(|one| side(one, scope)).collect();
    let connection = node.get("conn").unwrap();
    Line {
        from: sides("src"),
        to: sides("dst"),
        connection: match connection.as_str() {
            Some("all") => None,
            _ => Some(connection.items().iter().map(product).collect()),
        },
        blocked: flag(node, "tcp_response_blocked"),
        over: flag(node, "over_approximated"),
    }
}

/// A side of a line. Nothing for addresses that a balancer might take one day.
fn side(node: &Node, scope: Option<&str>) -> Option<Side> {
    let full = text(node, "name");
    if full.contains("Potential LB private IP") {
        return None;
    }
    let (vpc, name) = match (scope, full.split_once('/')) {
        (Some(vpc), _) => (Some(vpc.to_owned()), full),
        (None, Some((vpc, name))) => (Some(vpc.to_owned()), name),
        (None, None) => (None, full),
    };
    Some(match text(node, "kind") {
        "external" => {
            let service = name.starts_with("Service");
            let ranges = match node.get("ranges").and_then(Node::as_str) {
                Some("all") => all(service),
                _ => items(node, "ranges")
                    .iter()
                    .map(|range| parse_range(range.as_str().unwrap()))
                    .collect(),
            };
            Side::Outside { service, ranges }
        }
        "loadbalancer" => Side::Balancer { vpc, name: name.to_owned() },
        "subnet_or_named" => Side::Subnet { vpc, name: name.to_owned() },
        _ => Side::Address { vpc, address: text(node, "ip").parse().unwrap() },
    })
}

fn product(node: &Node) -> Product {
    let ranges = |key: &str| {
        let pair = |range: &Node| {
            let at = |i: usize| u16::try_from(range.items()[i].as_i64().unwrap()).unwrap();
            (at(0), at(1))
        };
        items(node, key).iter().map(pair).collect()
    };
    Product {
        protocols: items(node, "protocols")
            .iter()
            .map(|p| p.as_str().unwrap().to_owned())
            .collect(),
        src_ports: ranges("src_ports"),
        dst_ports: ranges("dst_ports"),
        types: ranges("icmp_types"),
        codes: ranges("icmp_codes"),
    }
}

/// A prefix, a range or an address.
pub(crate) fn parse_range(text: &str) -> Range {
    let number = |text: &str| u32::from(text.parse::<std::net::Ipv4Addr>().unwrap());
    if let Some((first, last)) = text.split_once('-') {
        return (number(first), number(last));
    }
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    let length: u32 = length.parse().unwrap();
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    let first = number(address) & mask;
    (first, first | !mask)
}

/// The analyser's "all ranges": what it calls the public Internet leaves out private, special and documentation ranges and
/// the service network.
pub(crate) fn all(service: bool) -> Vec<Range> {
    let ranges: &[&str] = if service {
        &["161.26.0.0/16", "166.8.0.0/14"]
    } else {
        &[
            "1.0.0.0-9.255.255.255",
            "11.0.0.0-100.63.255.255",
            "100.128.0.0-126.255.255.255",
            "128.0.0.0-161.25.255.255",
            "161.27.0.0-166.7.255.255",
            "166.12.0.0-169.253.255.255",
            "169.255.0.0-172.15.255.255",
            "172.32.0.0-191.255.255.255",
            "192.0.1.0/24",
            "192.0.3.0-192.88.98.255",
            "192.88.100.0-192.167.255.255",
            "192.169.0.0-198.17.255.255",
            "198.20.0.0-198.51.99.255",
            "198.51.101.0-203.0.112.255",
            "203.0.114.0-223.255.255.255",
        ]
    };
    ranges.iter().map(|range| parse_range(range)).collect()
}
