//! Pairs that the other analyser explains, one after another in a text.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netwright_model::tree::Node;

use crate::golden::{Product, Side, items, parse_range, text};

/// What is said of a pair.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Exactly this passes, of which the answers of a part do not come back; no connection stands for everything.
    Passes { connection: Option<Vec<Product>>, lost: Vec<Product> },
    /// At least this passes.
    Includes(Vec<Product>),
    /// Nothing passes, or nothing of this.
    Nothing(Option<Vec<Product>>),
}

/// A pair with its answer.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) golden: String,
    pub(crate) input: PathBuf,
    /// It is about subnets.
    pub(crate) subnets: bool,
    pub(crate) from: Side,
    pub(crate) to: Side,
    pub(crate) answer: Answer,
}

/// All explained pairs of the collection.
pub(crate) fn explained(data: &Path, expected: &Node) -> Vec<Explained> {
    let mut all = Vec::new();
    for entry in items(expected, "explain") {
        let golden = text(entry, "golden");
        let told = std::fs::read_to_string(data.join(golden)).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let lost = lines.get(at + 1).map_or_else(Vec::new, |next| lost(next.trim()));
            let Some((from, to, answer)) = pair(line, lost) else { continue };
            let (Some(from), Some(to)) = (side(from), side(to)) else { continue };
            let golden = golden.rsplit('/').next().unwrap_or(golden).to_owned();
            let input = data.join(text(entry, "input"));
            all.push(Explained { golden, input, subnets: false, from, to, answer });
        }
    }
    all
}

/// What a comparison of two exports says of either.
pub(crate) fn changed(data: &Path, expected: &Node) -> Vec<Explained> {
    let mut all = Vec::new();
    for entry in items(expected, "diff") {
        let subnets = text(entry, "level") == "subnets";
        for row in items(entry, "rows") {
            for config in ["config1", "config2"] {
                let side = |key: &str| match side(text(row, key)) {
                    Some(Side::Machine { vpc, name }) if subnets => {
                        Some(Side::Subnet { vpc, name })
                    }
                    other => other,
                };
                all.push(Explained {
                    golden: text(entry, "golden").rsplit('/').next().unwrap_or("").to_owned(),
                    input: data.join(text(entry, config)),
                    subnets,
                    from: side("src").unwrap(),
                    to: side("dst").unwrap(),
                    answer: changed_to(row.get(config).unwrap()),
                });
            }
        }
    }
    all
}

/// `all`, `none`, or a text such as `TCP * ; ICMP,UDP`, in which a star marks answers that do not come back.
fn changed_to(node: &Node) -> Answer {
    let inner = node.get("conn").unwrap_or(node);
    let all_lost = node.get("tcp_response_blocked").is_some();
    match inner.as_str() {
        Some("all") => return Answer::Passes { connection: None, lost: Vec::new() },
        Some("none") => return Answer::Nothing(None),
        _ => {}
    }
    let (mut products, mut lost) = (Vec::new(), Vec::new());
    for part in text(inner, "unparsed").split(" ; ") {
        let bare = part.trim_end_matches([' ', '*']);
        let own = connection(&format!("protocol: {bare}")).unwrap();
        if all_lost || part.trim_end().ends_with('*') {
            lost.extend(own.clone());
        }
        products.extend(own);
    }
    Answer::Passes { connection: Some(products), lost }
}

/// What a line says of answers that do not come back.
fn lost(line: &str) -> Vec<Product> {
    if line == "TCP response is blocked" {
        return connection("protocol: TCP").unwrap_or_default();
    }
    let Some(parts) = line.strip_prefix("However, TCP response is blocked for: ") else {
        return Vec::new();
    };
    let parts: Vec<String> =
        parts.split("; ").map(|part| format!("protocol: TCP {part}")).collect();
    connection(&parts.join("; ")).unwrap_or_default()
}

fn pair(line: &str, lost: Vec<Product>) -> Option<(&str, &str, Answer)> {
    if let Some(rest) = line.strip_prefix("Connections are allowed from ") {
        let (from, rest) = rest.split_once(" to ")?;
        let (to, with) = rest.split_once(" using ")?;
        return Some((from, to, Answer::Includes(connection(with.trim_matches('"'))?)));
    }
    if let Some(rest) = line.strip_prefix("Connections from ") {
        let (from, rest) = rest.split_once(" to ")?;
        if let Some(to) = rest.strip_suffix(": All Connections") {
            return Some((from, to, Answer::Passes { connection: None, lost }));
        }
        let at = rest.find(": protocol:")?;
        let connection = connection(&rest[at + 2..]);
        return Some((from, &rest[..at], Answer::Passes { connection, lost }));
    }
    let rest = line.strip_prefix("No connectivity from ")?.strip_suffix(';')?;
    let (from, rest) = rest.split_once(" to ")?;
    match rest.split_once(" using ") {
        Some((to, with)) => {
            Some((from, to, Answer::Nothing(Some(connection(with.trim_matches('"'))?))))
        }
        None => Some((from, rest, Answer::Nothing(None))),
    }
}

/// `protocol: TCP,UDP dst-ports: 22,80-90; protocol: ICMP icmp-type: 8`.
fn connection(text: &str) -> Option<Vec<Product>> {
    let mut products = Vec::new();
    for part in text.split("; ") {
        let mut product = Product::default();
        let mut words = part.split_whitespace();
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            let ranges = || value.split(',').map(numbers).collect();
            match key {
                "protocol:" => product.protocols = value.split(',').map(str::to_owned).collect(),
                "src-ports:" => product.src_ports = ranges(),
                "dst-ports:" => product.dst_ports = ranges(),
                "icmp-type:" => product.types = ranges(),
                "icmp-code:" => product.codes = ranges(),
                other => panic!("{other} in {text}"),
            }
        }
        products.push(product);
    }
    Some(products)
}

fn numbers(text: &str) -> (u16, u16) {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().unwrap(), last.parse().unwrap())
}

/// A side as the text writes it. Nothing for addresses that a balancer might take one day.
fn side(text: &str) -> Option<Side> {
    if text.contains("Potential LB private IP") {
        return None;
    }
    for (prefix, service) in [("Service Network ", true), ("Public Internet ", false)] {
        if let Some(ranges) = text.strip_prefix(prefix) {
            return Some(Side::Outside {
                service,
                ranges: ranges.split(',').map(parse_range).collect(),
            });
        }
    }
    let (vpc, rest) = match text.split_once('/') {
        Some((vpc, rest)) => (Some(vpc.to_owned()), rest),
        None => (None, text),
    };
    if let Ok(address) = rest.parse::<IpAddr>() {
        return Some(Side::Address { vpc, address });
    }
    let within = rest.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    match within {
        Some((_, address)) => Some(Side::Address { vpc, address: address.parse().unwrap() }),
        None => Some(Side::Machine { vpc, name: rest.to_owned() }),
    }
}
