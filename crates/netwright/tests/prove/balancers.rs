//! Random networks around load balancers: open enough that most of what is sent through them is answered, and closed here and there.

use std::fmt::Write;

use super::random::Random;

/// A random network.
pub(crate) fn network(random: &mut Random) -> String {
    let v6 = random.percent(40);
    let mut text = format!("provider: {}\n", random.of(&["aws", "aws", "ibm", "generic", "gcp"]));
    let subnet = |number: usize, zone: &str| {
        let more = if v6 { format!(", '2001:db8:0:{number}::/64'") } else { String::new() };
        format!("s{number}: {{ cidrs: [10.0.{number}.0/24{more}], zone: {zone}, FILTER }}")
    };
    let mut put = |line: String| {
        // Writing into a string does not fail.
        let _fine = writeln!(text, "{line}");
    };
    put("vpcs:".to_owned());
    let list = if random.percent(25) { "filters: list" } else { "tags: []" };
    let subnets = [subnet(0, "a"), subnet(1, "b")].join(", ").replace("FILTER", list);
    let subnets = subnets.replace(", tags: []", "");
    put(format!(
        "  v: {{ subnets: {{ {subnets} }}, main_route_table: t, route_tables: {{ t: {{ routes: [ {{ to: 0.0.0.0/0, via: 'internet_gateway:igw' }}, {{ to: 10.1.0.0/24, via: 'peering:p' }} ] }} }} }}"
    ));
    put("  w: { subnets: { r: { cidr: 10.1.0.0/24 } }, main_route_table: t, route_tables: { t: { routes: [ { to: 10.0.0.0/16, via: 'peering:p' } ] } } }".to_owned());
    put("internet_gateways: { igw: { vpc: v } }".to_owned());
    put("peerings: { p: { between: [v, w] } }".to_owned());
    filters(random, &mut put);
    put("instances:".to_owned());
    for number in 0..5 {
        let home = random.below(2);
        let more = if v6 && random.percent(60) {
            format!(", '2001:db8:0:{home}::{number}1'")
        } else {
            String::new()
        };
        put(format!(
            "  i{number}: {{ subnet: v/s{home}, addresses: [10.0.{home}.{}{more}], filters: {} }}",
            10 + number,
            random.of(&["open", "open", "web"])
        ));
    }
    put("  far: { subnet: w/r, address: 10.1.0.9, filters: open }".to_owned());
    put("load_balancers:".to_owned());
    for number in 0..2 {
        balancer(random, number, v6, &mut put);
    }
    text
}

fn filters(random: &mut Random, put: &mut impl FnMut(String)) {
    let any = "{ direction: ingress }, { direction: egress }";
    let from = random.of(&[
        "0.0.0.0/0",
        "10.0.0.0/24",
        "'group:middle'",
        "'group:open'",
        "35.191.0.0/16",
        "10.1.0.0/24",
    ]);
    put("filters:".to_owned());
    put(format!("  open: {{ vpc: v, rules: [ {any} ] }}"));
    put(format!(
        "  web: {{ vpc: v, rules: [ {{ direction: ingress, protocol: tcp, ports: [80, 8080], from: {from} }}, {{ direction: ingress, protocol: udp, from: 10.0.0.0/16 }} ] }}"
    ));
    let to = random.of(&["0.0.0.0/0", "10.0.1.0/24", "'group:web'", "'group:open'"]);
    put(format!(
        "  middle: {{ vpc: v, rules: [ {{ direction: ingress }}, {{ direction: egress, to: {to} }} ] }}"
    ));
    let denied = random.of(&["tcp, port: 8080", "udp, port: 53", "tcp, port: 22"]);
    let direction = random.of(&["ingress", "egress"]);
    put(format!(
        "  list: {{ attach: subnet, stateful: false, ordered: true, rules: [ {{ direction: {direction}, protocol: {denied}, action: deny, priority: 1 }}, {{ direction: ingress, priority: 9 }}, {{ direction: egress, priority: 9 }} ] }}"
    ));
}

fn balancer(random: &mut Random, number: usize, v6: bool, put: &mut impl FnMut(String)) {
    let kind = random.of(&["proxy", "pass-through", "pass-through"]);
    let node = |random: &mut Random, home: usize| {
        let host = 100 + number;
        let more = if v6 && random.percent(50) {
            format!(", '2001:db8:0:{home}::{host}'")
        } else {
            String::new()
        };
        let public = if random.percent(30) {
            format!(", public_address: 198.51.100.{}", host + home * 10)
        } else {
            String::new()
        };
        format!("{{ subnet: v/s{home}, addresses: [10.0.{home}.{host}{more}]{public} }}")
    };
    let mut nodes = format!("a: {}", node(random, 0));
    if random.percent(50) {
        nodes += &format!(", b: {}", node(random, 1));
    }
    let cross = random.of(&["", "cross_zone: true, ", "cross_zone: false, "]);
    let filters = random.of(&["open", "middle"]);
    let away = if kind == "proxy" && random.percent(40) {
        random.of(&[
            "proxy_sources: [35.191.0.0/16], ",
            "proxy_sources: [10.0.9.0/24, '2001:db8:9::/64'], ",
        ])
    } else {
        ""
    };
    put(format!(
        "  lb{number}: {{ kind: {kind}, scheme: external, filters: {filters}, {away}{cross}nodes: {{ {nodes} }},"
    ));
    let services: &[&str] = if kind == "proxy" {
        &["tcp/80", "tcp/8080", "tcp/20-25", "tcp/443"]
    } else {
        &["tcp/80", "tcp/8080", "udp/53", "tcp/20-25", "any"]
    };
    let listeners: Vec<String> = ["l", "m"]
        .iter()
        .take(1 + random.below(2))
        .map(|name| {
            let to = random.of(&["g", "g", "h", "g, h"]);
            format!("{name}: {{ on: {}, to: [{to}] }}", random.of(services))
        })
        .collect();
    put(format!("    listeners: {{ {} }},", listeners.join(", ")));
    let groups: Vec<String> = ["g", "h"].iter().map(|name| group(random, name)).collect();
    put(format!("    backends: {{ {} }} }}", groups.join(", ")));
}

fn group(random: &mut Random, name: &str) -> String {
    let mut row = random.of(&["", "port: tcp/8080, ", "port: tcp/22-23, "]).to_owned();
    if random.percent(40) {
        row += random.of(&["health_check: {}, ", "health_check: { port: tcp/80 }, "]);
    }
    let keeps = random.percent(60);
    if !keeps {
        row += "preserve_client_address: false, ";
    }
    let targets: Vec<String> = (0..1 + random.below(4))
        .map(|_| {
            let target = match random.below(10) {
                0 if !keeps => "far".to_owned(),
                _ => format!("i{}", random.below(5)),
            };
            let healthy = if random.percent(15) { ", healthy: false" } else { "" };
            format!("{{ target: {target}{healthy} }}")
        })
        .collect();
    format!("{name}: {{ {row}targets: [ {} ] }}", targets.join(", "))
}
