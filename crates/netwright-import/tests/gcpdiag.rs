//! Verdicts of firewalls that another tool's tests assert on Google Cloud exports, with the rule that decides.
//!
//! Each case puts a machine with the asked tags and account into the network, and its peer beside it: a machine that has the whole asked range.
//! What is compared is what the network's own filters decide about the first machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what it skips and stops where it cannot go on"
)]

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netwright_model::language::{Description, Instance, Subnet};
use netwright_model::network::filter::FilterMember;
use netwright_model::network::resolve::resolve;
use netwright_model::network::{InterfaceId, Network};
use netwright_model::scalar::{Prefix, Scalar};
use netwright_model::source::{FileId, Sources, Spanned};
use netwright_model::tree::{Limits, Node, json};
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::trace::{Flow, HopKind, hops};

/// Cases that cannot be met, each with its reason.
const NOT_MET: [&str; 1] = [
    // The query of the original test names the source's service account, which the row does not hold. Without it nothing allows the port.
    "test_ingress_allow_target_sa[1]",
];

/// Cases where two rules of one priority and action match, so that either may be named: a machine's account is the target of one and the
/// source of the other (which the provider does not allow for outgoing packets; the collection says that the rule was made up).
const EITHER_RULE: [&str; 1] = ["test_egress_allow_source_sa[1]"];

/// Where the machine that is asked about stands.
const OWN: &str = "198.18.77.0/24";

fn data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/networks/gcpdiag"
    ));
    if !path.is_dir() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

fn text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).and_then(Node::as_str).unwrap_or("")
}

fn words(node: &Node, key: &str) -> Vec<Spanned<String>> {
    let items = node.get(key).map_or(&[][..], Node::items).iter();
    items.filter_map(Node::as_str).map(|word| Spanned::bare(word.to_owned())).collect()
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse_scalar(text).unwrap()
}

/// The machine that is asked about and its peer, in the network that the case is about.
fn with_probes(description: &mut Description, vpc: &str, case: &Node, ingress: bool) {
    let peer = prefix(text(case, "peer"));
    let made = description.vpcs.get_mut(vpc).unwrap();
    for (name, range) in [("asked", prefix(OWN)), ("peer", peer)] {
        let subnet = Subnet { cidrs: vec![Spanned::bare(range)], ..Subnet::default() };
        made.subnets.insert(Spanned::bare(name.to_owned()), subnet);
    }
    let account = |key: &str| Some(text(case, key)).filter(|word| !word.is_empty());
    let (own_tags, own_account, far_tags, far_account) = if ingress {
        ("target_tags", "target_service_account", "source_tags", "source_service_account")
    } else {
        // A rule for outgoing packets is for its targets, which are the sources.
        ("target_tags", "target_service_account", "", "")
    };
    let own_account =
        account(own_account).or_else(|| account("source_service_account").filter(|_| !ingress));
    let machine = |subnet: &str, tags: &str, account: Option<&str>| Instance {
        subnet: Some(Spanned::bare(format!("{vpc}/{subnet}"))),
        tags: words(case, tags),
        account: account.map(|word| Spanned::bare(word.to_owned())),
        ..Instance::default()
    };
    let mut own = machine("asked", own_tags, own_account);
    own.addresses.push(Spanned::bare(prefix(OWN).host_at(9).unwrap()));
    let mut far = machine("peer", far_tags, account(far_account));
    far.addresses.push(Spanned::bare(peer.first()));
    far.prefixes.push(Spanned::bare(peer));
    description.instances.insert(Spanned::bare("the-asked".to_owned()), own);
    description.instances.insert(Spanned::bare("the-peer".to_owned()), far);
}

fn interface(network: &Network, name: &str) -> InterfaceId {
    InterfaceId::at(network.interfaces.iter().position(|row| row.name == name).unwrap())
}

/// Addresses of a range that rules could tell apart: its ends, and the ends of every prefix of a rule inside it.
fn samples(network: &Network, peer: Prefix) -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::from([peer.first(), peer.last()]);
    let rules = network.filters.iter().flat_map(|filter| &filter.rules);
    for member in rules.flat_map(|rule| rule.from.members.iter().chain(&rule.to.members)) {
        if let FilterMember::Prefix(own) = member {
            found.extend([own.first(), own.last()].into_iter().filter(|a| peer.contains(*a)));
        }
    }
    found
}

/// What the network's filters decide about the asked machine for one address of the peer: passed, the filter and the rule.
fn decided(
    prover: &mut Prover<'_>,
    ingress: bool,
    peer: IpAddr,
    packet: Layer4,
) -> (bool, String, String) {
    let network = prover.network;
    let own = interface(network, "the-asked");
    let address = network[own].addresses[0];
    let far = interface(network, "the-peer");
    let (origin, src, dst) = if ingress {
        (Origin::Interface(far), peer, address)
    } else {
        (Origin::Interface(own), address, peer)
    };
    let trace = prover.trace(Flow { origin, src, dst, packet: Some(packet), meant: None });
    let all = hops(network, &trace.forward);
    let mut checks = all.iter().filter(|hop| hop.kind == HopKind::Filter);
    let check = if ingress { checks.next_back() } else { checks.next() };
    let check = check.unwrap_or_else(|| panic!("no filter is asked: {all:?}"));
    let rule = check.rule.as_ref();
    (
        check.passed == Some(true),
        rule.map_or_else(String::new, |rule| rule.filter.clone()),
        rule.map_or_else(String::new, |rule| rule.rule.clone()),
    )
}

/// What differs between a case and our decisions; nothing where they agree.
fn difference(folder: &Path, case: &Node, project: &str) -> Option<String> {
    let loaded = netwright_import::load(folder, &mut Sources::default(), &Limits::default());
    let mut description = loaded.unwrap().description;
    let ingress = text(case, "direction") == "ingress";
    let wanted = format!("projects/gcpdiag-{project}-aaaa/global/networks/default");
    let mut vpcs = description.vpcs.iter();
    let (vpc, _) = vpcs.find(|(_, vpc)| vpc.id.as_ref().is_some_and(|id| id.value == wanted))?;
    let vpc = vpc.value.clone();
    with_probes(&mut description, &vpc, case, ingress);
    let network = resolve(description).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut prover = Prover::new(&network);
    let dst_port = case.get("port").and_then(Node::as_i64).unwrap().try_into().unwrap();
    let packet = Layer4 { protocol: 6, src_port: 50_000, dst_port };
    let peer = prefix(text(case, "peer"));
    let decisions: Vec<(IpAddr, (bool, String, String))> = samples(&network, peer)
        .into_iter()
        .map(|address| (address, decided(&mut prover, ingress, address, packet)))
        .collect();
    let allowed = decisions.iter().all(|(_, (passed, ..))| *passed);
    let agreed = allowed == (text(case, "verdict") == "allow");
    let either = EITHER_RULE.iter().any(|name| text(case, "test").ends_with(name));
    let named = match text(case, "matched_by").split_once(": ").filter(|_| !either) {
        None => true,
        Some(("vpc firewall rule", rule)) => decisions.iter().any(|(_, (.., own))| own == rule),
        Some((_, policy)) => {
            let policy = policy.split(',').next().unwrap_or(policy);
            decisions.iter().any(|(_, (_, filter, _))| filter.ends_with(policy))
        }
    };
    (!agreed || !named).then(|| format!("expected {case:?}\n    got {decisions:?}"))
}

#[test]
fn decisions_of_firewalls_agree_for_every_part_of_the_asked_ranges() {
    let Some(data) = data() else { return };
    let expected = std::fs::read_to_string(data.join("expected.json")).unwrap();
    let expected = json::parse(&expected, FileId::default(), &Limits::default()).unwrap();
    let (mut agreed, mut wrong) = (0, Vec::new());
    for case in expected.get("expected").map_or(&[][..], Node::items) {
        let test = text(case, "test");
        if NOT_MET.iter().any(|name| test.ends_with(name)) {
            continue;
        }
        let dataset = data.parent().unwrap().join(text(case, "dataset"));
        let folder = dataset.parent().unwrap();
        let project = folder.parent().unwrap().file_name().unwrap().to_string_lossy();
        match difference(folder, case, &project) {
            Some(difference) => wrong.push(format!("{test}: {difference}")),
            None => agreed += 1,
        }
    }
    assert!(wrong.is_empty(), "{agreed} agreed\n{}", wrong.join("\n"));
    assert!(agreed >= 19, "only {agreed} cases were compared");
}

#[test]
fn every_project_of_the_collection_can_be_read_alone_and_all_together() {
    let Some(data) = data() else { return };
    let mut read = 0;
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("json-dumps").is_dir());
    folders.push(data);
    for folder in folders {
        let loaded = netwright_import::load(&folder, &mut Sources::default(), &Limits::default());
        let loaded = loaded.unwrap_or_else(|errors| panic!("{}: {errors:?}", folder.display()));
        let resolved = resolve(loaded.description);
        assert!(resolved.is_ok(), "{}: {:?}", folder.display(), resolved.err());
        read += 1;
    }
    assert!(read > 20, "only {read} projects were read");
}
