//! Internet gateways, and NAT gateways in subnets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use netwright_model::network::{GatewayId, InterfaceId, Nat, NatId, Network, VpcId};
use netwright_model::scalar::Prefix;

use super::build::{Build, host};
use super::nft::{self, Table};
use super::outside::INTERNET_MTU;
use super::{INTERNET, MAIN, Role};

/// The first of the addresses that stand for those which a provider chooses and nobody can predict (RFC 2544: for tests of networks).
const AUTOMATIC: u32 = u32::from_be_bytes([198, 18, 0, 1]);

/// The address that stands for an automatic one, by a number of whoever has it.
pub(super) fn automatic(number: usize) -> IpAddr {
    Ipv4Addr::from(AUTOMATIC + u32::try_from(number).unwrap_or(u32::MAX / 2) % 131_000).into()
}

/// The namespace of an internet gateway.
pub(super) fn gateway_namespace(build: &Build<'_>, gateway: GatewayId) -> String {
    format!("gateway/{}", build.network[gateway].name)
}

/// The public address of a NAT gateway at the edge of a VPC.
pub(super) fn public_of(nat: &Nat, number: usize) -> IpAddr {
    nat.addresses.iter().copied().find(IpAddr::is_ipv4).unwrap_or_else(|| automatic(number))
}

/// The link on a VPC's router to one of its internet gateways. All gateways of a VPC are one namespace, which knows both what left and what
/// comes back, whichever the routes name.
pub(super) fn gateway_link(network: &Network, gateway: GatewayId) -> String {
    let kind = if network[gateway].egress_only { "o" } else { "g" };
    format!("{kind}{}", network[gateway].vpc.map_or(0, VpcId::index))
}

/// Internet gateways: between a VPC's router and the Internet, with one-to-one translation and the NAT gateways that serve subnets there.
pub(super) fn internet_gateways(build: &mut Build<'_>) {
    let network = build.network;
    for index in 0..network.vpcs.len() {
        let vpc = VpcId::at(index);
        let Some(first) = network[vpc].gateways.first() else { continue };
        let (name, router) = (gateway_namespace(build, *first), build.router(vpc));
        let families = build.families();
        build.namespace(INTERNET, Role::Internet);
        build.namespace(&name, Role::Gateway);
        let kind = |egress_only: bool| {
            let mut all = network[vpc].gateways.iter();
            all.find(|gateway| network[**gateway].egress_only == egress_only)
        };
        for (inside, gateway) in [(INSIDE, kind(false)), (ONLY_OUT, kind(true))] {
            if let Some(gateway) = gateway {
                let link = gateway_link(network, *gateway);
                build.link((&router, &link), (&name, inside), network[vpc].mtu);
            }
        }
        let edge = Edge::of(build, vpc, [kind(false).is_some(), kind(true).is_some()]);
        let home = if edge.inside { INSIDE } else { ONLY_OUT };
        let (outside, mtu) = (format!("g{index}"), network[vpc].mtu.min(INTERNET_MTU));
        build.link((&name, "outside"), (INTERNET, &outside), mtu);
        for address in &edge.reached {
            if let Some(internet) = build.get(INTERNET) {
                internet.over_if_new(MAIN, host(*address), &outside);
            }
        }
        if let Some(namespace) = build.get(&name) {
            namespace.default_over(families, "outside");
            for prefix in &network[vpc].cidrs {
                namespace.over(MAIN, *prefix, home);
            }
            namespace.ruleset = edge.ruleset();
        }
    }
}

/// The links of a gateway to its VPC: for all, and for what may only open connections.
const INSIDE: &str = "inside";
const ONLY_OUT: &str = "only-out";

/// A source and what it becomes.
type Translation = (Prefix, IpAddr);

/// What an internet gateway translates.
struct Edge {
    /// Private and public addresses, one to one.
    one_to_one: Vec<(IpAddr, IpAddr)>,
    /// Private sources, and the public address of the NAT gateway that stands for them.
    many_to_one: Vec<Translation>,
    /// Names of NAT gateways by their public address.
    names: BTreeMap<IpAddr, String>,
    /// Addresses by which the Internet reaches the VPC through this gateway.
    reached: BTreeSet<IpAddr>,
    /// Whether there is a gateway for both directions.
    inside: bool,
    /// Whether there is a gateway that lets connections out only.
    only_out: bool,
}

impl Edge {
    fn of(build: &Build<'_>, vpc: VpcId, [inside, only_out]: [bool; 2]) -> Self {
        let network = build.network;
        let mut edge = Self {
            one_to_one: Vec::new(),
            many_to_one: Vec::new(),
            names: BTreeMap::new(),
            reached: BTreeSet::new(),
            inside,
            only_out,
        };
        for index in 0..network.interfaces.len() {
            let id = InterfaceId::at(index);
            if network[network[id].subnet].vpc == vpc {
                edge.interface(build, id);
            }
        }
        edge
    }

    fn interface(&mut self, build: &Build<'_>, id: InterfaceId) {
        let network = build.network;
        let row = &network[id];
        self.reached.extend(row.addresses.iter().filter(|address| address.is_ipv6()));
        if !self.inside {
            return;
        }
        let nat = (0..network.nats.len()).find(|n| network.nats[*n].interface == Some(id));
        let public: Vec<IpAddr> = row.public.iter().copied().filter(IpAddr::is_ipv4).collect();
        let private: Vec<IpAddr> = row.addresses.iter().copied().filter(IpAddr::is_ipv4).collect();
        for (position, address) in private.iter().enumerate() {
            let own = public.get(position).or_else(|| public.first()).copied();
            let own = match (own, nat) {
                (None, Some(number)) if !network.nats[number].private => Some(
                    network.nats[number]
                        .addresses
                        .first()
                        .copied()
                        .unwrap_or_else(|| automatic(number)),
                ),
                (own, _) => own,
            };
            if let Some(own) = own {
                self.one_to_one.push((*address, own));
                self.reached.insert(own);
            }
        }
        let Some(nat) = network[row.subnet].nat else { return };
        let to = public_of(&network[nat], nat.index());
        self.reached.insert(to);
        self.names.insert(to, network[nat].name.clone());
        let own = private.iter().map(|address| host(*address));
        let ranges = row.prefixes.iter().copied().filter(|prefix| prefix.is_v4());
        self.many_to_one.extend(own.chain(ranges).map(|source| (source, to)));
    }

    fn ruleset(&self) -> String {
        let mut inward: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for (private, public) in &self.one_to_one {
            if seen.insert(*public) {
                inward.push(format!("{public} : {private}"));
            }
        }
        let mut sources = BTreeSet::new();
        let mut outward: Vec<Translation> = Vec::new();
        for (private, public) in &self.one_to_one {
            if sources.insert(host(*private)) {
                outward.push((host(*private), *public));
            }
        }
        // An address inside a range that has the same gateway is in the range's element.
        let wider = |source: &Prefix| {
            let all = self.many_to_one.iter().map(|(other, _)| other);
            let mut others = all.filter(|other| *other != source);
            others.any(|other| other.contains_prefix(source))
        };
        let mut seen = BTreeSet::new();
        let nated: Vec<Translation> = self
            .many_to_one
            .iter()
            .filter(|(source, _)| {
                !sources.contains(source) && !wider(source) && seen.insert(*source)
            })
            .copied()
            .collect();
        let mut table = Table::new();
        let inward = (!inward.is_empty()).then(|| {
            format!("iifname \"outside\" dnat ip to ip daddr map {{ {} }}", inward.join(", "))
        });
        table.hook("into", nft::DESTINATIONS, inward);
        let mut translated = Vec::new();
        for (name, carried, map) in [("public", "", &outward), ("shared", CARRIED, &nated)] {
            if !map.is_empty() {
                table.translations(name, &self.elements(map));
                let to = format!("snat ip to ip saddr map @{name}");
                translated.push(format!("oifname \"outside\" {carried}{to}"));
            }
        }
        table.hook("out", nft::SOURCES, translated);
        table.hook("forward", nft::PASSED_ON_IF_ACCEPTED, self.accepted(&outward, &nated));
        table.finish()
    }

    /// Vec<Translation>, each with its name and its counter.
    fn elements(&self, map: &[Translation]) -> Vec<String> {
        let each = map.iter().map(|(source, to)| {
            let name = self.names.get(to).map_or_else(String::new, |name| format!("{name} "));
            let comment = nft::quoted(&format!("{name}{source} as {to}"));
            format!("{source} comment \"{comment}\" : {to}")
        });
        each.collect()
    }

    /// What passes the gateway: sources that have a public address or a NAT gateway, what was translated on its way in, and IPv6.
    fn accepted(&self, outward: &[Translation], nated: &[Translation]) -> Vec<String> {
        let sources = |map: &[Translation]| {
            let sources: Vec<String> = map.iter().map(|(source, _)| source.to_string()).collect();
            sources.join(", ")
        };
        // What the VPC sends here is for the outside: a route that leads its own ranges here leads nowhere.
        let mut lines = vec!["iifname != \"outside\" oifname != \"outside\" drop".to_owned()];
        if self.only_out {
            lines.push(format!("iifname \"{ONLY_OUT}\" meta nfproto ipv4 drop"));
        }
        lines.push(nft::KNOWN.to_owned());
        for (carried, map) in [("", outward), (CARRIED, nated)] {
            if !map.is_empty() {
                let sources = sources(map);
                lines.push(format!("iifname \"inside\" {carried}ip saddr {{ {sources} }} accept"));
            }
        }
        lines.push("iifname \"outside\" ct status dnat accept".to_owned());
        let homes = [(self.only_out, ONLY_OUT), (self.inside, INSIDE), (self.inside, "outside")];
        for (_, from) in homes.iter().filter(|(there, _)| *there) {
            lines.push(format!("iifname \"{from}\" meta nfproto ipv6 accept"));
        }
        lines
    }
}

/// The protocols that NAT gateways carry.
const CARRIED: &str = "meta l4proto { tcp, udp, icmp } ";

/// What a NAT gateway in a subnet does: it translates to its own address, and passes on what it carries.
fn translating(own: IpAddr) -> String {
    let mut table = Table::new();
    let to_own = format!("oifname \"eth0\" ip saddr != {own} {CARRIED}snat ip to {own}");
    table.hook("out", nft::SOURCES, [to_own]);
    let passes = format!("meta nfproto ipv4 {CARRIED}accept");
    table.hook("forward", nft::PASSED_ON_IF_ACCEPTED, [nft::KNOWN, &passes]);
    table.hook("here", nft::RECEIVED_IF_ACCEPTED, [nft::KNOWN]);
    table.finish()
}

/// What a connector does: it translates each family that it has an address of, and passes on what comes from its services.
pub(super) fn translating_all(own: [Option<IpAddr>; 2]) -> String {
    let mut table = Table::new();
    let own = [("ip", "ipv4", own[0]), ("ip6", "ipv6", own[1])];
    let own = own.iter().filter_map(|(word, family, own)| Some((*word, *family, (*own)?)));
    let to_own = own.clone().map(|(word, _, own)| {
        format!("oifname \"eth0\" {word} saddr != {own} snat {word} to {own}")
    });
    table.hook("out", nft::SOURCES, to_own);
    let passes =
        own.map(|(_, family, _)| format!("iifname != \"eth0\" meta nfproto {family} accept"));
    let passes = [nft::KNOWN.to_owned()].into_iter().chain(passes);
    table.hook("forward", nft::PASSED_ON_IF_ACCEPTED, passes);
    table.hook("here", nft::RECEIVED_IF_ACCEPTED, [nft::KNOWN]);
    table.finish()
}

/// NAT gateways in subnets: machines that translate what they forward to their own address and let nothing else in.
pub(super) fn nat_gateways(build: &mut Build<'_>) {
    let network = build.network;
    for index in 0..network.nats.len() {
        let nat = &network[NatId::at(index)];
        let Some(interface) = nat.interface else { continue };
        let Some(own) = network[interface].addresses.iter().find(|a| a.is_ipv4()) else {
            build.leave_out(format!("NAT gateway {}: it has no private address", nat.name));
            continue;
        };
        let name = build.machine(interface);
        if let Some(namespace) = build.get(&name) {
            namespace.role = Role::Nat;
            namespace.forwards = true;
            namespace.ruleset = translating(*own);
        }
    }
}
