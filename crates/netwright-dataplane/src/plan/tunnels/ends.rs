//! The two ends of a tunnel: a namespace each, in which a process encrypts what comes from inside and decrypts what comes over the wire between
//! them, their underlay.
//!
//! The wire carries packets of `underlay_mtu` octets, none of them in fragments. So the largest packet that passes is what the cipher leaves of it:
//! it is measured, not set. Where the description does not say which suite a tunnel has, no tunnel can be made: the link of the computed or
//! described size stands in for it, and the plan says so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netwright_model::language::{AddressFamily, VpnKind};
use netwright_model::network::VpnId;
use netwright_verify::mtu::Suite;
use netwright_verify::mtu::path::{fits, underlay};
use serde::{Deserialize, Serialize};

use super::super::build::{Build, PEER_V4, PEER_V6, everything, host};
use super::super::described;
use super::super::nft::{self, Table};
use super::super::{MAIN, Neighbour, Ready, Role, Task, Via};

/// The word by which the program knows the process of an end.
pub const TUNNEL: &str = "tunnel";

/// Most tunnels that are more than links of their size: each is two processes.
const TUNNELS: usize = 32;

/// The smallest and the largest packet of an underlay: what IPv4 calls for, and what the kernel gives a link.
const UNDERLAYS: std::ops::RangeInclusive<u32> = 576..=65_535;
/// The smallest underlay over IPv6 (RFC 8200).
const SMALLEST_V6: u32 = 1280;

/// What a tunnel's end has beside its wire: where packets come from that go through the tunnel.
const INSIDE: &str = "inside";
/// The link to the other end.
const WIRE: &str = "wire";

/// The mark, and the table, of packets that came through the tunnel, whatever device the kernel or a daemon has for it.
const THROUGH: u32 = 1001;
/// Before the rules that a daemon makes for what is to go through the tunnel.
const BEFORE_DAEMONS: u32 = 100;

/// After everything else: what a network device's packets leave by.
const LEAVING: &str = "type filter hook postrouting priority filter; policy accept;";

/// An end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The cloud's.
    Near,
    /// The site's.
    Far,
}

impl Side {
    /// The side in a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Far => "far",
        }
    }
}

/// How a tunnel makes packets out of packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `WireGuard`.
    Wireguard,
    /// ESP in tunnel mode.
    Ipsec {
        /// The suite as it is described, such as `aes-gcm-16`.
        suite: String,
        /// In UDP, as where NAT is traversed.
        udp: bool,
    },
    /// GRE, which encrypts nothing.
    Gre,
}

/// What the process of an end is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEnd {
    /// The tunnel's name in the description.
    pub tunnel: String,
    /// Which end.
    pub side: Side,
    /// How it makes packets out of packets.
    pub kind: Kind,
    /// The link by which packets come that go through the tunnel.
    pub inside: String,
    /// The link to the other end.
    pub wire: String,
    /// The end's own address on the wire.
    pub own: IpAddr,
    /// The other end's.
    pub peer: IpAddr,
    /// The largest packet that fits into the tunnel, in octets, as computed.
    pub fits: u32,
}

/// The addresses of a wire's ends: of ranges that no described network uses (RFC 7335, RFC 6666).
fn addresses(v6: bool) -> [IpAddr; 2] {
    if v6 {
        [1, 2].map(|last| Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, last).into())
    } else {
        [1, 2].map(|last| Ipv4Addr::new(192, 0, 0, last).into())
    }
}

/// The namespace of an end.
fn namespace(tunnel: &str, side: Side) -> String {
    format!("tunnel/{tunnel}.{}", side.word())
}

/// What a tunnel is made of; or, in words, why it cannot be made. None for what is no tunnel.
fn kind(build: &Build<'_>, id: VpnId) -> Option<Result<(Kind, u32), String>> {
    let network = build.network;
    let (_, written) = network.description.vpns.0.get(network[id].index)?;
    let v6 = written.underlay.as_ref().is_some_and(|family| family.value == AddressFamily::V6);
    let kind = match network[id].kind {
        VpnKind::Dedicated => return None,
        VpnKind::Wireguard => Kind::Wireguard,
        VpnKind::Gre => Kind::Gre,
        VpnKind::Ipsec => {
            let udp = written.nat_traversal.as_ref().is_some_and(|yes| yes.value);
            match &written.suite {
                None => return Some(Err("its suite is not described".to_owned())),
                Some(suite) if Suite::named(&suite.value).is_none() => {
                    return Some(Err(format!("`{}` is no suite that is known", suite.value)));
                }
                Some(suite) => Kind::Ipsec { suite: suite.value.clone(), udp },
            }
        }
    };
    let octets = underlay(written);
    if !UNDERLAYS.contains(&octets) || v6 && octets < SMALLEST_V6 {
        return Some(Err(format!("no link carries packets of at most {octets} octets")));
    }
    let made = network.vpns.iter().take(id.index()).filter(|vpn| vpn.up && vpn.site.is_some());
    if made.filter(|vpn| vpn.kind != VpnKind::Dedicated).count() >= TUNNELS {
        return Some(Err(format!("a lab has at most {TUNNELS} tunnels")));
    }
    fits(written).map(|octets| Ok((kind, octets)))
}

/// Puts a tunnel between two namespaces, each with the name of its link into it. Gives how large packets may be in it; `None` where a link has to
/// stand in for it.
pub(super) fn between(
    build: &mut Build<'_>,
    id: VpnId,
    near: (&str, &str),
    far: (&str, &str),
    mtu: u32,
) -> Option<u32> {
    let network = build.network;
    let name = &network[id].name;
    let (kind, fits) = match kind(build, id)? {
        Ok(made) => made,
        Err(why) => {
            build.leave_out(format!("the tunnel of vpn {name}, for which a link stands in: {why}"));
            return None;
        }
    };
    let (_, written) = network.description.vpns.0.get(network[id].index)?;
    let v6 = written.underlay.as_ref().is_some_and(|family| family.value == AddressFamily::V6);
    let [one, other] = addresses(v6);
    let carried = underlay(written);
    let ends = [(Side::Near, near, one, other), (Side::Far, far, other, one)];
    for (side, outside, own, peer) in ends {
        let here = namespace(name, side);
        let families = build.families();
        let end = build.namespace(&here, Role::Tunnel);
        end.addresses.push((WIRE.to_owned(), own));
        end.over(MAIN, host(peer), WIRE);
        end.rule(families, BEFORE_DAEMONS, Some(THROUGH), THROUGH);
        for v6 in families {
            // What comes from inside is the process's. The kernel passes on only what a daemon tells it to.
            end.route(MAIN, everything(*v6), Via::Blackhole);
            end.over(THROUGH, everything(*v6), INSIDE);
        }
        end.ruleset = ruleset(carried);
        build.link(outside, (&here, INSIDE), mtu).unaggregated = true;
        let told = TunnelEnd {
            tunnel: name.clone(),
            side,
            kind: kind.clone(),
            inside: INSIDE.to_owned(),
            wire: WIRE.to_owned(),
            own,
            peer,
            fits,
        };
        // A structure of texts and numbers always becomes JSON.
        let settings = serde_json::to_string(&told).unwrap_or_default();
        build.task(Task::part(&here, TUNNEL, TUNNEL, settings).ready_when(Ready::Reports));
    }
    let outside = near.0.to_owned();
    let (near, far) = (namespace(name, Side::Near), namespace(name, Side::Far));
    let wire = build.link((&near, WIRE), (&far, WIRE), carried);
    // What the VPN does to packets happens on the way between its ends, from this side to the site.
    wire.conditions = described::vpn(network, id);
    wire.name = outside;
    let unknown = if v6 { PEER_V6 } else { PEER_V4 };
    for here in [near, far] {
        let Some(end) = build.get(&here) else { continue };
        let is_there = |n: &Neighbour| n.link == WIRE && n.address == unknown;
        if !end.neighbours.iter().any(is_there) {
            // An underlay of a family that the network itself does not have.
            end.neighbours.push(Neighbour { link: WIRE.to_owned(), address: unknown, mac: [0; 6] });
        }
    }
    Some(fits)
}

/// What comes through the tunnel leaves to the inside. The underlay carries no fragments: what is too large for it is lost, and nobody is told, since
/// that is for the namespaces before and after the tunnel.
fn ruleset(octets: u32) -> String {
    let mut table = Table::new();
    let through = format!("iifname != \"{INSIDE}\" meta mark set {THROUGH}");
    table.hook("through", nft::BEFORE_ROUTING, [through]);
    // By number: names are looked up in a file that not every machine has.
    table.hook("silent", nft::SENT, ["meta l4proto { 1, 58 } drop"]);
    let rule = format!(
        "oifname \"{WIRE}\" meta length > {octets} counter drop comment \"too large for the underlay\""
    );
    table.hook("leaving", LEAVING, [rule]);
    table.finish()
}
