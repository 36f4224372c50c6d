//! Traces that another analyser's tests assert on AWS exports, with the objects on the way in order.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netwright_model::language::EndpointRef;
use netwright_model::network::lookup::Place;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{Network, SiteId};
use netwright_model::source::{FileId, Sources};
use netwright_model::tree::{Limits, Node, json};
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::trace::{Flow, Trace, Verdict, hops};

/// Cases whose source is inside the provider's fabric, where nobody can send from.
const NOT_A_SOURCE: [&str; 2] = ["testToInternetInvalidPrivateIp", "testOutsideSubnetToInstance"];

/// Cases that cannot be met, each with its reason.
const NOT_MET: [&str; 1] = [
    // From the Internet to an address of the provider that the export does not hold. The other analyser has a list of the provider's
    // public ranges built in and drops it at the provider's edge; here neither end is described.
    "testFromInternetToInvalidPublicIp",
];

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/networks"));
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn parse(path: &Path) -> Node {
    let text = std::fs::read_to_string(path).unwrap();
    json::parse(&text, FileId::default(), &Limits::default()).unwrap()
}

fn text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::as_str).unwrap_or("")
}

fn ip(node: &Node) -> Option<IpAddr> {
    text(node, "ip").parse().ok()
}

/// Where a case's source is, and the address it sends from.
fn source(network: &Network, source: &Node, dst: IpAddr) -> Option<(Origin, IpAddr)> {
    let (node, src) = (text(source, "node"), ip(source));
    if node == "internet" {
        return Some((Origin::Internet, src.unwrap_or_else(|| "8.8.8.8".parse().unwrap())));
    }
    if node.starts_with("onprem") {
        let ranges = network.sites.first()?.cidrs.first().map(|cidr| cidr.first());
        let address = src.or(ranges).unwrap_or_else(|| "192.0.2.1".parse().unwrap());
        return Some((Origin::Site(SiteId(0)), address));
    }
    let places = network.lookup.places(network, &EndpointRef::Name(node.to_owned())).ok()?;
    places.into_iter().find_map(|place| match place {
        Place::Interface(id) => {
            let own = &network[id].addresses;
            let given = src.filter(|src| own.contains(src));
            let address =
                given.or_else(|| own.iter().copied().find(|a| a.is_ipv4() == dst.is_ipv4()))?;
            Some((Origin::Interface(id), address))
        }
        _ => None,
    })
}

fn packet(case: &Node) -> Layer4 {
    let protocol = match text(case, "protocol") {
        "tcp" => 6,
        "udp" => 17,
        number => number.parse().unwrap(),
    };
    let port = |key: &str| {
        case.get(key).and_then(Node::as_i64).and_then(|port| u16::try_from(port).ok()).unwrap_or(0)
    };
    Layer4 { protocol, src_port: port("src_port"), dst_port: port("dst_port") }
}

/// What differs between a case and our trace; nothing where they agree.
fn difference(network: &Network, case: &Node, trace: &Trace) -> Option<String> {
    let reachable = text(case, "verdict") == "reachable";
    let arrives = trace.forward.arrives() == Some(true);
    let own: Vec<String> =
        hops(network, &trace.forward).into_iter().flat_map(|hop| hop.ids).collect();
    // Objects that exports do not hold: the provider's backbone, and routers outside.
    let hidden = |id: &str| id.starts_with("isp_") || id.starts_with("onprem") || id == "internet";
    let theirs = case.get("hops").map_or(&[][..], Node::items).iter().filter_map(Node::as_str);
    let theirs: Vec<&str> = theirs.filter(|id| !hidden(id)).collect();
    let mut rest = own.iter();
    let missing = theirs.iter().find(|hop| !rest.any(|id| id == *hop));
    let lost =
        text(case, "reverse_disposition") == "ACCEPTED" && trace.verdict != Verdict::Reachable;
    (arrives != reachable || missing.is_some() || lost).then(|| {
        format!(
            "expected reachable={reachable} by {theirs:?}\n    got {} by {own:?}, {:?}; missing {missing:?}",
            trace.verdict.word(),
            trace.forward.path.end
        )
    })
}

#[test]
fn traces_of_the_collection_agree() {
    let Some(data) = data() else { return };
    let (mut agreed, mut wrong) = (0, Vec::new());
    let expected = parse(&data.join("batfish-aws/expected.json"));
    for case in expected.get("expected").map_or(&[][..], Node::items) {
        let (test, folder) =
            (text(case, "test"), data.join(text(case, "dataset")).join("aws_configs"));
        if !folder.is_dir() || NOT_A_SOURCE.iter().chain(&NOT_MET).any(|name| test.ends_with(name))
        {
            continue;
        }
        let loaded = netwright_import::load(&folder, &mut Sources::default(), &Limits::default());
        let network = resolve(loaded.unwrap().description).unwrap();
        let dst = ip(case.get("destination").unwrap()).unwrap();
        let Some((origin, src)) = source(&network, case.get("source").unwrap(), dst) else {
            wrong.push(format!("{test}: the source is not there"));
            continue;
        };
        let packet = Some(packet(case));
        let trace = Prover::new(&network).trace(Flow { origin, src, dst, packet, meant: None });
        match difference(&network, case, &trace) {
            Some(difference) => wrong.push(format!("{test}: {difference}")),
            None => agreed += 1,
        }
    }
    assert!(wrong.is_empty(), "{agreed} agreed\n{}", wrong.join("\n"));
    assert!(agreed >= 25, "only {agreed} cases were compared");
}
