//! Networks of several small VPCs that meet everywhere: over the Internet, over peerings, and behind a hub with a VPC that inspects and
//! translates; with outside services that let in some public addresses only.

use super::random::Random;

/// What interfaces' filters allow.
const FILTERS: &str = "
filters:
  web: { rules: [
    { direction: ingress, protocol: tcp, ports: [443] },
    { direction: egress } ] }
  quiet: { rules: [
    { direction: ingress, protocol: tcp, ports: [443] },
    { direction: egress, protocol: udp } ] }
  few: { rules: [
    { direction: ingress, protocol: tcp, ports: [22], from: ['2001:db8:2::/56', 10.2.0.0/24, 'group:web'] },
    { direction: egress } ] }
  gateway: { rules: [
    { direction: ingress, protocol: tcp, ports: [443], from: [10.0.0.20/32, 192.0.2.1/32] },
    { direction: egress, to: [10.0.0.0/8, 203.0.113.0/28, '::/0'] } ] }
  shut: { rules: [
    { direction: egress, to: ['2001:db8:1::/56', 'group:few'] } ] }
  bare: { attach: subnet, stateful: false, ordered: true, rules: [
    { direction: ingress, priority: 1, protocol: tcp, ports: [443], from: ['2001:db8::/33', 10.0.0.0/8] },
    { direction: egress, priority: 1, protocol: tcp, ports: [1024-65535], to: ['2001:db8::/40', 0.0.0.0/0] } ] }
  half: { attach: subnet, stateful: false, ordered: true, rules: [
    { direction: ingress, priority: 1, from: ['2001:db8:3::/56'], action: deny },
    { direction: ingress, priority: 2 },
    { direction: egress, priority: 1 } ] }
externals:
  partner: { addresses: [203.0.113.0/29], allow_from: [198.51.100.0/30, 192.0.2.1/32] }
  open: { addresses: [203.0.113.8/29, '2001:db8:bbbb::/64'] }
sites: { office: { cidrs: [172.16.0.0/24] } }
";

/// A random network.
pub(crate) fn network(random: &mut Random) -> String {
    let vpcs = 3 + random.below(5);
    let hub = random.percent(60);
    let mut text = format!("provider: {}\n{FILTERS}\nvpcs:\n", random.of(&["aws", "aws", "ibm"]));
    for vpc in 0..vpcs {
        one_vpc(random, &mut text, vpc, vpcs, hub);
    }
    gateways(random, &mut text, vpcs);
    if hub {
        transit(random, &mut text, vpcs);
    }
    instances(random, &mut text, vpcs);
    text
}

fn one_vpc(random: &mut Random, text: &mut String, vpc: usize, vpcs: usize, hub: bool) {
    // Some VPCs use another's IPv6 addresses.
    let six = if vpc > 0 && random.percent(12) { vpc - 1 } else { vpc };
    *text += &format!("  v{vpc}: {{ cidrs: [10.{vpc}.0.0/24, '2001:db8:{six}::/56'], subnets: {{ ");
    for subnet in 0..2 {
        let table = random.of(&["t", "t", "u"]);
        let filters = random.of(&["", "", "", "bare", "half", "bare, half"]);
        *text += &format!(
            "s{subnet}: {{ cidrs: [10.{vpc}.0.{}/28, '2001:db8:{six}:{subnet}::/64'], route_table: {table}, filters: [{filters}] }}, ",
            subnet * 16
        );
    }
    text.push_str("}, route_tables: {\n");
    for table in ["t", "u"] {
        let routes = routes(random, vpc, vpcs, hub);
        *text += &format!("    {table}: {{ routes: [{routes}] }},\n");
    }
    text.push_str("  } }\n");
}

fn routes(random: &mut Random, vpc: usize, vpcs: usize, hub: bool) -> String {
    let mut routes: Vec<String> = Vec::new();
    if random.percent(85) {
        let via = random.of(&["g", "g", "g", "g", "e", "blackhole"]);
        routes.push(match via {
            "blackhole" => "{ to: '::/0', via: blackhole }".to_owned(),
            _ => format!("{{ to: '::/0', via: 'internet_gateway:{via}{vpc}' }}"),
        });
    }
    match random.below(6) {
        0 => routes.push(format!("{{ to: 0.0.0.0/0, via: 'internet_gateway:g{vpc}' }}")),
        1 => routes.push(format!("{{ to: 0.0.0.0/0, via: 'nat:n{vpc}' }}")),
        _ if hub => routes.push("{ to: 0.0.0.0/0, via: 'transit:hub' }".to_owned()),
        _ => {}
    }
    for _ in 0..random.below(3) {
        let other = random.below(vpcs);
        let (four, six) = (format!("10.{other}.0.0/24"), format!("2001:db8:{other}::/56"));
        let host = format!("2001:db8:{other}:1::/64");
        let next = (vpc + 1) % vpcs;
        let more = [
            format!(
                "{{ to: {four}, via: 'peering:p{vpc}' }}, {{ to: '{six}', via: 'peering:p{vpc}' }}"
            ),
            format!(
                "{{ to: '2001:db8:{next}::/56', via: 'peering:p{vpc}' }}, {{ to: 10.{next}.0.0/24, via: 'peering:p{vpc}' }}"
            ),
            format!("{{ to: '{host}', via: blackhole }}"),
            format!("{{ to: '{host}', via: 'internet_gateway:g{vpc}' }}"),
            format!("{{ to: '2000::/3', via: 'internet_gateway:g{vpc}' }}"),
            format!("{{ to: {four}, via: 'nat:n{vpc}' }}"),
            format!("{{ to: '{six}', via: 'unknown:gone' }}"),
            "{ to: 172.16.0.0/24, via: 'vpn:office' }".to_owned(),
        ];
        // A table has one route for a destination, mostly.
        let chosen = random.of(&more);
        if !routes.contains(&chosen) {
            routes.push(chosen);
        }
    }
    routes.join(", ")
}

fn gateways(random: &mut Random, text: &mut String, vpcs: usize) {
    text.push_str("internet_gateways:\n");
    for vpc in 0..vpcs {
        if random.percent(90) {
            *text += &format!("  g{vpc}: {{ vpc: v{vpc} }}\n");
        } else {
            *text += &format!("  g{vpc}: {{ vpc: v{vpc}, egress_only: true }}\n");
        }
        *text += &format!("  e{vpc}: {{ vpc: v{vpc}, egress_only: true }}\n");
    }
    text.push_str("nat_gateways:\n");
    for vpc in 0..vpcs {
        let kind = random.of(&[
            ", private: true",
            ", addresses: [192.0.2.A]",
            ", addresses: [192.0.2.A, 192.0.2.1A]",
        ]);
        let kind = kind.replace('A', &vpc.to_string());
        *text +=
            &format!("  n{vpc}: {{ subnet: v{vpc}/s1, private_address: 10.{vpc}.0.20{kind} }}\n");
    }
    text.push_str("peerings:\n");
    for vpc in 0..vpcs {
        *text += &format!("  p{vpc}: {{ vpcs: [v{vpc}, v{}] }}\n", (vpc + 1) % vpcs);
    }
    text.push_str("vpns: { office: { vpc: v0, site: office } }\n");
}

/// A hub of which some VPCs send everything to the first, which inspects.
fn transit(random: &mut Random, text: &mut String, vpcs: usize) {
    let other = random.below(vpcs);
    *text += &format!(
        "transits:\n  hub:\n    tables:\n      spokes: {{ routes: [{{ to: 0.0.0.0/0, via: 'attachment:a0' }}, {{ to: '2001:db8:{other}::/56', via: 'attachment:a{other}' }}] }}\n      inside: {{ routes: [] }}\n    attachments:\n"
    );
    for vpc in 0..vpcs {
        let table = if vpc == 0 { "inside" } else { random.of(&["spokes", "spokes", "inside"]) };
        let learned = random.of(&["[inside]", "[inside]", "[inside, spokes]"]);
        *text += &format!(
            "      a{vpc}: {{ vpc: v{vpc}, subnets: [v{vpc}/s0], table: {table}, propagates_to: {learned} }}\n"
        );
    }
}

fn instances(random: &mut Random, text: &mut String, vpcs: usize) {
    text.push_str("instances:\n");
    for vpc in 0..vpcs {
        let marker = format!("  v{vpc}: {{ cidrs: [10.{vpc}.0.0/24, '2001:db8:");
        let six = text.split(&marker).nth(1).and_then(|rest| rest.split(':').next());
        let six = six.unwrap_or("0").to_owned();
        for number in 0..1 + random.below(3) {
            let subnet = random.below(2);
            let filter = random.of(&["web", "web", "quiet", "few", "gateway", "shut", "web, few"]);
            let public = if random.percent(40) {
                format!(", public_address: 198.51.100.{}", vpc * 3 + number)
            } else {
                String::new()
            };
            let host = 5 + number;
            *text += &format!(
                "  i{vpc}-{number}: {{ subnet: v{vpc}/s{subnet}, addresses: [10.{vpc}.0.{}, '2001:db8:{six}:{subnet}::{host}'], filters: [{filter}]{public} }}\n",
                subnet * 16 + host
            );
        }
    }
}
