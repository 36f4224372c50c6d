use netwright_model::network::resolve::resolve;
use netwright_model::network::{InterfaceId, Network, SiteId};
use netwright_model::source::Sources;

use super::{Larger, PathMtu, of};
use crate::prover::Prover;
use crate::prover::path::{Origin, Path};

fn network(vpn: &str) -> Network {
    let text = format!(
        "
provider: aws
vpcs:
  p: {{ cidr: 10.0.0.0/16, subnets: {{ a: {{ cidr: 10.0.1.0/24 }} }}, main_route_table: m,
       route_tables: {{ m: {{ routes: [
         {{ to: 192.168.0.0/16, via: vpn:t }}, {{ to: 10.8.0.0/16, via: peering:x }}, {{ to: 0.0.0.0/0, via: internet_gateway:g }} ] }} }} }}
  q: {{ cidr: 10.8.0.0/16, mtu: 1460, subnets: {{ b: {{ cidr: 10.8.1.0/24 }} }}, main_route_table: m,
       route_tables: {{ m: {{ routes: [ {{ to: 10.0.0.0/16, via: peering:x }} ] }} }} }}
internet_gateways: {{ g: {{ vpc: p }} }}
peerings: {{ x: {{ vpcs: [p, q] }} }}
sites: {{ h: {{ cidr: 192.168.0.0/16, mtu: 9000 }} }}
vpns: {{ t: {{ vpc: p, site: h, {vpn} }} }}
instances:
  one: {{ subnet: a, address: 10.0.1.10, public_address: 198.51.100.7 }}
  other: {{ subnet: b, address: 10.8.1.10 }}
"
    );
    let mut sources = Sources::default();
    let description = netwright_model::parse_description("t.yaml", &text, &mut sources);
    let description = description.unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve(description).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn path(network: &Network, from: Origin, src: &str, dst: &str) -> Path {
    let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is an address"));
    Prover::new(network).path(from, parse(src), parse(dst))
}

fn to(network: &Network, dst: &str) -> PathMtu {
    of(network, &path(network, Origin::Interface(InterfaceId(0)), "10.0.1.10", dst))
}

const TUNNEL: &str = "suite: aes-cbc-sha1, nat_traversal: false";

#[test]
fn inside_a_vpc_nothing_narrows_a_path() {
    let net = network(TUNNEL);
    let found = to(&net, "10.0.1.99");
    assert_eq!((found.octets, found.narrows()), (Some(9001), false));
}

#[test]
fn the_internet_carries_1500_octets_and_a_smaller_peer_its_own() {
    let net = network(TUNNEL);
    assert_eq!(
        (to(&net, "8.8.8.8").octets, to(&net, "8.8.8.8").larger),
        (Some(1500), Larger::Told)
    );
    let peer = to(&net, "10.8.1.10");
    assert_eq!((peer.octets, peer.at.as_str()), (Some(1460), "vpc q"));
}

#[test]
fn a_tunnel_carries_what_its_suite_leaves_or_what_it_is_set_to() {
    for (vpn, octets) in [
        (TUNNEL, Some(1438)),
        ("suite: aes-cbc-sha1, nat_traversal: true", Some(1422)),
        ("suite: aes-gcm-16, underlay_mtu: 1460", Some(1406)),
        ("suite: aes-cbc-sha1, mtu: 1400", Some(1400)),
        ("kind: wireguard", Some(1440)),
        ("kind: dedicated", None),
        ("suite: rot13", None),
    ] {
        let found = to(&network(vpn), "192.168.0.9");
        assert_eq!((found.octets, found.at.as_str()), (octets, "vpn t"), "{vpn}");
    }
}

#[test]
fn larger_packets_are_told_of_clamped_or_lost_as_the_tunnel_is_described() {
    for (more, larger) in [
        ("", Larger::Unknown),
        (", icmp_too_big: true", Larger::Told),
        (", icmp_too_big: false, mss_clamp: true", Larger::OnlyTcpFits),
        (", icmp_too_big: false, mss_clamp: false", Larger::Lost),
    ] {
        let net = network(&format!("{TUNNEL}{more}"));
        assert_eq!(to(&net, "192.168.0.9").larger, larger, "{more}");
        let back = path(&net, Origin::Site(SiteId(0)), "192.168.0.9", "10.0.1.10");
        assert_eq!(
            (of(&net, &back).octets, of(&net, &back).larger),
            (Some(1438), larger),
            "{more}"
        );
    }
}
