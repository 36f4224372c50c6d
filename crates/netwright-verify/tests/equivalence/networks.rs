//! Small networks in which everything that the pipeline knows meets everything else: few addresses, overlapping ranges, boundary
//! ports, equal priorities, routes that contradict each other.
//!
//! They are written as YAML texts: what a failing case prints is what a user would write.

#[path = "networks/balancers.rs"]
mod balancers;

use super::random::Random;

/// Names of what exists, for the references of what comes later.
#[derive(Default)]
struct Names {
    vpcs: Vec<String>,
    subnets: Vec<(String, usize, usize)>,
    tables: Vec<Vec<String>>,
    filters: Vec<(String, &'static str)>,
    instances: Vec<String>,
    gateways: Vec<String>,
    nats: Vec<String>,
    peerings: Vec<String>,
    vpns: Vec<String>,
    transits: Vec<String>,
    endpoints: Vec<String>,
    externals: Vec<String>,
    connectors: Vec<String>,
}

struct Writer<'a> {
    random: &'a mut Random,
    names: Names,
    text: String,
}

/// A random network.
pub(crate) fn network(random: &mut Random) -> String {
    let mut writer = Writer { random, names: Names::default(), text: String::new() };
    writer.plan();
    writer.provider();
    writer.filters();
    writer.vpcs();
    writer.instances();
    writer.gateways();
    writer.links();
    writer.transits();
    writer.services();
    writer.text
}

/// Ranges of which rules and routes speak; some exist, some overlap, some lie next to each other.
const PREFIXES: [&str; 23] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/23",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.0.0/28",
    "10.0.0.16/28",
    "10.0.1.0/28",
    "10.0.0.4/30",
    "10.0.1.16/28",
    "10.0.0.5/32",
    "172.16.0.0/24",
    "172.16.0.0/12",
    "203.0.113.0/28",
    "198.51.100.0/24",
    "198.51.100.1/32",
    "192.0.2.0/29",
    "192.0.2.0/30",
    "::/0",
    "2001:db8::/32",
    "2001:db8:0:0::/64",
    "2001:db8:1:0::/64",
];

const PORTS: [&str; 8] = ["22", "80", "20-25", "0-1023", "1024-65535", "443", "any", "65535"];
const PROTOCOLS: [&str; 8] = ["any", "tcp", "tcp", "udp", "icmp", "icmpv6", "gre", "sctp"];

impl Writer<'_> {
    /// The names of everything, so that references may point ahead.
    fn plan(&mut self) {
        let random = &mut *self.random;
        let names = &mut self.names;
        for vpc in 0..1 + random.below(3) {
            names.vpcs.push(format!("v{vpc}"));
            for subnet in 0..1 + random.below(3) {
                names.subnets.push((format!("v{vpc}/s{subnet}"), vpc, subnet));
            }
            names.tables.push((0..1 + random.below(2)).map(|t| format!("t{t}")).collect());
        }
        for filter in 0..random.below(6) {
            let attach = random.of(&["interface", "interface", "subnet", "vpc"]);
            names.filters.push((format!("f{filter}"), attach));
        }
        let several = |random: &mut Random, prefix: &str, most: usize| -> Vec<String> {
            (0..random.below(most + 1)).map(|number| format!("{prefix}{number}")).collect()
        };
        names.instances = several(random, "i", 5);
        names.instances.push("i9".to_owned());
        names.gateways = several(random, "igw", 3);
        names.nats = several(random, "nat", 2);
        names.peerings = if names.vpcs.len() > 1 { several(random, "peer", 3) } else { Vec::new() };
        names.vpns = several(random, "vpn", 2);
        names.transits = several(random, "hub", 2);
        names.endpoints = several(random, "pe", 2);
        names.externals = several(random, "ext", 2);
        names.connectors = several(random, "con", 1);
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn provider(&mut self) {
        let provider = self.random.of(&["generic", "aws", "gcp", "azure", "ibm"]);
        self.line(&format!("provider: {provider}"));
        self.line(
            "prefix_lists: { pl: { cidrs: [10.0.1.0/24, 203.0.113.0/28, '2001:db8:1:0::/64'] } }",
        );
        self.line("sites: { site0: { cidr: 172.16.0.0/24 }, site1: { cidrs: [172.16.0.0/25, '2001:db8:aaaa::/64'] } }");
    }

    fn filters(&mut self) {
        if self.names.filters.is_empty() {
            return;
        }
        self.line("filters:");
        for (name, attach) in self.names.filters.clone() {
            let mut head = format!("  {name}: {{ attach: {attach}");
            if attach == "vpc" {
                let vpc = self.random.of(&self.names.vpcs);
                head += &format!(", vpc: {vpc}");
            }
            if self.random.percent(35) {
                head.push_str(", stateful: false");
            }
            if self.random.percent(50) {
                head.push_str(", ordered: true");
            }
            if self.random.percent(40) {
                head += &format!(", tier: {}", self.random.below(3));
            }
            for side in ["default_ingress", "default_egress"] {
                if self.random.percent(75) {
                    let action = self.random.of(&["allow", "allow", "allow", "deny", "next"]);
                    head += &format!(", {side}: {action}");
                }
            }
            if self.random.percent(4) {
                head.push_str(", incomplete: cut off");
            }
            self.line(&(head + ", rules: ["));
            for _ in 0..self.random.below(6) {
                let rule = self.rule();
                self.line(&format!("    {{ {rule} }},"));
            }
            self.line("  ] }");
        }
    }

    fn rule(&mut self) -> String {
        let mut rule = format!("direction: {}", self.random.of(&["ingress", "egress"]));
        rule += &format!(", priority: {}", self.random.of(&[1, 2, 2, 3]));
        let action = self.random.of(&["allow", "allow", "allow", "allow", "deny", "deny", "next"]);
        rule += &format!(", action: {action}");
        let protocol = self.random.of(&PROTOCOLS);
        if protocol != "any" {
            rule += &format!(", protocol: {protocol}");
        }
        if self.random.percent(45) {
            rule += &format!(", ports: [{}]", self.random.of(&PORTS));
        }
        if self.random.percent(8) {
            rule += &format!(", source_ports: [{}]", self.random.of(&PORTS));
        }
        if self.random.percent(8) {
            rule += &format!(", icmp: {{ type: {} }}", self.random.of(&[8, 0, 3, 128]));
        }
        for (side, share) in [("from", 50), ("to", 30)] {
            if self.random.percent(share) {
                let peers: Vec<String> =
                    (0..1 + self.random.below(2)).map(|_| self.peer()).collect();
                rule += &format!(", {side}: [{}]", peers.join(", "));
            }
        }
        if self.random.percent(12) {
            let target =
                self.random.of(&["'tag:red'", "'tag:blue'", "'account:robot'", "'instance:i9'"]);
            rule += &format!(", targets: [{target}]");
        }
        if self.random.percent(4) {
            rule.push_str(", uncertain: cannot say");
        }
        if self.random.percent(5) {
            rule.push_str(", enabled: false");
        }
        rule
    }

    fn peer(&mut self) -> String {
        let prefix = self.random.of(&PREFIXES);
        let text = match self.random.below(14) {
            0 => "internet".to_owned(),
            1 => format!("tag:{}", self.random.of(&["red", "blue"])),
            2 => "account:robot".to_owned(),
            3 | 4 => format!("group:{}", self.random.of(&self.names.filters).0),
            5 => format!("instance:{}", self.random.of(&self.names.instances)),
            6 => format!("vpc:{}", self.random.of(&self.names.vpcs)),
            7 => format!("subnet:{}", self.random.of(&self.names.subnets).0),
            8 => "prefix_list:pl".to_owned(),
            9 => "10.0.0.5-10.0.1.6".to_owned(),
            10 if self.random.percent(40) => "unknown:who".to_owned(),
            _ => prefix.to_owned(),
        };
        format!("'{text}'")
    }

    fn vpcs(&mut self) {
        self.line("vpcs:");
        for (index, vpc) in self.names.vpcs.clone().into_iter().enumerate() {
            let wide = if index == 0 && self.random.percent(20) { 23 } else { 24 };
            // The second VPC may use the first one's addresses.
            let block = if index == 1 && self.random.percent(25) { 0 } else { index };
            self.line(&format!("  {vpc}:"));
            self.line(&format!("    cidrs: [10.0.{block}.0/{wide}, '2001:db8:{index}::/56']"));
            if self.random.percent(50) {
                let provider = self.random.of(&["generic", "aws", "gcp", "azure", "ibm"]);
                self.line(&format!("    provider: {provider}"));
            }
            self.line("    main_route_table: t0");
            self.line("    subnets:");
            let subnets: Vec<_> =
                self.names.subnets.iter().filter(|(_, of, _)| *of == index).cloned().collect();
            for (_, _, number) in subnets {
                let mut row = format!("cidrs: [10.0.{block}.{}/28", number * 16);
                if self.random.percent(50) {
                    row += &format!(", '2001:db8:{index}:{number}::/64'");
                }
                let zone = self.random.of(&["a", "b"]);
                let table = self.random.of(&self.names.tables[index]);
                row += &format!("], zone: {zone}, route_table: {table}");
                let filters = self.some_filters("subnet", 45);
                if !filters.is_empty() {
                    row += &format!(", filters: [{}]", filters.join(", "));
                }
                self.line(&format!("      s{number}: {{ {row} }}"));
            }
            self.line("    route_tables:");
            for table in self.names.tables[index].clone() {
                self.line(&format!("      {table}: {{ routes: ["));
                if self.random.percent(60) {
                    self.sensible_routes(index);
                }
                for _ in 0..self.random.below(4) {
                    let route = self.route();
                    self.line(&format!("        {{ {route} }},"));
                }
                self.line("      ] }");
            }
        }
    }

    /// The routes that a careful person would write, as far as the names tell.
    fn sensible_routes(&mut self, vpc: usize) {
        if let Some(gateway) = self.random.any(&self.names.gateways) {
            self.line(&format!("        {{ to: 0.0.0.0/0, via: 'internet_gateway:{gateway}' }},"));
            self.line(&format!("        {{ to: '::/0', via: 'internet_gateway:{gateway}' }},"));
        }
        for other in (0..self.names.vpcs.len()).filter(|&other| other != vpc) {
            let way = match self.random.below(3) {
                0 => self.random.any(&self.names.transits).map(|name| format!("transit:{name}")),
                _ => self.random.any(&self.names.peerings).map(|name| format!("peering:{name}")),
            };
            if let Some(way) = way {
                self.line(&format!("        {{ to: 10.0.{other}.0/24, via: '{way}' }},"));
                self.line(&format!("        {{ to: '2001:db8:{other}::/56', via: '{way}' }},"));
            }
        }
        if let Some(vpn) = self.random.any(&self.names.vpns) {
            self.line(&format!("        {{ to: 172.16.0.0/24, via: 'vpn:{vpn}' }},"));
        }
    }

    fn some_filters(&mut self, attach: &str, share: usize) -> Vec<String> {
        let all: Vec<String> = self
            .names
            .filters
            .iter()
            .filter(|(_, own)| *own == attach)
            .map(|(name, _)| name.clone())
            .collect();
        all.into_iter().filter(|_| self.random.percent(share)).take(3).collect()
    }

    fn route(&mut self) -> String {
        let to = match self.random.below(10) {
            0..=2 => "0.0.0.0/0".to_owned(),
            3 => "::/0".to_owned(),
            4 => "prefix_list:pl".to_owned(),
            _ => self.random.of(&PREFIXES).to_owned(),
        };
        let via = self.target();
        let mut route = format!("to: '{to}', via: '{via}'");
        if self.random.percent(20) {
            route += &format!(", priority: {}", self.random.below(2));
        }
        if self.random.percent(20) {
            route.push_str(", origin: propagated");
        } else if self.random.percent(3) {
            route += &format!(", origin: {}", self.random.of(&["possible", "policy"]));
        }
        if self.random.percent(12) {
            route += &format!(", tags: [{}]", self.random.of(&["red", "blue"]));
        }
        route
    }

    fn target(&mut self) -> String {
        let named = |random: &mut Random, kind: &str, names: &[String]| {
            random.any(names).map(|name| format!("{kind}:{name}"))
        };
        let names = &self.names;
        let random = &mut *self.random;
        let target = match random.below(13) {
            0..=2 => named(random, "internet_gateway", &names.gateways),
            3 => named(random, "nat", &names.nats),
            4 | 5 => named(random, "peering", &names.peerings),
            6 => named(random, "vpn", &names.vpns),
            7 | 8 => named(random, "transit", &names.transits),
            9 => named(random, "instance", &names.instances),
            10 => named(random, "private_endpoint", &names.endpoints),
            11 => named(random, "external", &names.externals),
            _ => None,
        };
        target.unwrap_or_else(|| {
            random.of(&["local", "blackhole", "blackhole", "unknown:gone"]).to_owned()
        })
    }

    fn instances(&mut self) {
        self.line("instances:");
        for (number, name) in self.names.instances.clone().into_iter().enumerate() {
            let mut row = self.interface(4 + number, number);
            if self.random.percent(35) {
                row.push_str(", forwards: true");
            }
            if self.random.percent(8) {
                row.push_str(", running: false");
            }
            if self.random.percent(40) {
                row += &format!(", tags: [{}]", self.random.of(&["red", "blue", "red, blue"]));
            }
            if self.random.percent(25) {
                row.push_str(", account: robot");
            }
            if number == 0 && name != "i9" && self.random.percent(40) {
                let second = self.interface(14, number + 20);
                row += &format!(", interfaces: {{ second: {{ {second} }} }}");
            }
            self.line(&format!("  {name}: {{ {row} }}"));
        }
    }

    /// An interface in some subnet, at an offset that nothing else uses there.
    fn interface(&mut self, offset: usize, public: usize) -> String {
        let (subnet, vpc, number) = self.random.of(&self.names.subnets);
        let mut row = format!("subnet: {subnet}");
        let block = self.block_of(vpc);
        row += &format!(", addresses: [10.0.{block}.{}", number * 16 + offset);
        if self.random.percent(50) && self.text.contains(&format!("'2001:db8:{vpc}:{number}::/64'"))
        {
            row += &format!(", '2001:db8:{vpc}:{number}::{offset:x}'");
        }
        row.push(']');
        if self.random.percent(15) && offset == 4 {
            row += &format!(", prefixes: [10.0.{block}.{}/31]", number * 16 + 12);
        }
        if self.random.percent(35) {
            row += &format!(", public_address: 198.51.100.{}", public + 1);
        }
        let filters = self.some_filters("interface", 40);
        if !filters.is_empty() {
            row += &format!(", filters: [{}]", filters.join(", "));
        }
        row
    }

    /// The block of addresses that a VPC was given.
    fn block_of(&self, vpc: usize) -> usize {
        let own = format!("'2001:db8:{vpc}::/56'");
        let line = self.text.lines().find(|line| line.contains(&own)).unwrap_or("");
        line.split('.').nth(2).and_then(|block| block.parse().ok()).unwrap_or(vpc)
    }

    fn gateways(&mut self) {
        self.line("internet_gateways:");
        for name in self.names.gateways.clone() {
            let vpc = self.random.of(&self.names.vpcs);
            let mut row =
                if self.random.percent(88) { format!("vpc: {vpc}") } else { String::new() };
            if self.random.percent(20) {
                row = format!("{row}{}egress_only: true", if row.is_empty() { "" } else { ", " });
            }
            self.line(&format!("  {name}: {{ {row} }}"));
        }
        self.line("nat_gateways:");
        for (number, name) in self.names.nats.clone().into_iter().enumerate() {
            let (subnet, vpc, part) = self.random.of(&self.names.subnets);
            let block = self.block_of(vpc);
            let mut row = match self.random.below(3) {
                0 => format!("vpc: {}", self.names.vpcs[vpc]),
                1 => format!("vpc: {}, serves: [{subnet}]", self.names.vpcs[vpc]),
                _ => format!(
                    "subnet: {subnet}, private_address: 10.0.{block}.{}",
                    part * 16 + 11 - number
                ),
            };
            match self.random.below(4) {
                0 => {}
                1 if row.starts_with("subnet") => row.push_str(", private: true"),
                _ => {
                    row += &format!(", addresses: [192.0.2.{}", number + 1);
                    // A second one that lists may leave out.
                    if self.random.percent(30) {
                        row += &format!(", 192.0.2.{}", number + 5);
                    }
                    row.push(']');
                }
            }
            self.line(&format!("  {name}: {{ {row} }}"));
        }
    }

    fn links(&mut self) {
        self.line("peerings:");
        for name in self.names.peerings.clone() {
            let one = self.random.below(self.names.vpcs.len());
            let other =
                (one + 1 + self.random.below(self.names.vpcs.len() - 1)) % self.names.vpcs.len();
            let other = if self.random.percent(5) { "unknown" } else { &self.names.vpcs[other] };
            let mut row = format!("vpcs: [{}, {other}]", self.names.vpcs[one]);
            if self.random.percent(15) {
                row.push_str(", state: pending");
            }
            if self.random.percent(40) {
                row.push_str(", automatic_routes: true");
            }
            if self.random.percent(25) {
                row.push_str(", inter_region: true");
            }
            self.line(&format!("  {name}: {{ {row} }}"));
        }
        self.line("vpns:");
        for name in self.names.vpns.clone() {
            let mut row = format!("site: {}", self.random.of(&["site0", "site1"]));
            if self.names.transits.is_empty() || self.random.percent(60) {
                row += &format!(", vpc: {}", self.random.of(&self.names.vpcs));
            } else {
                row += &format!(", transit: {}", self.names.transits[0]);
                row.push_str(", local_cidrs: [10.0.0.0/8]");
            }
            if self.random.percent(15) {
                row.push_str(", up: false");
            }
            if self.random.percent(25) {
                row.push_str(", remote_cidrs: [172.16.0.0/26]");
            }
            if self.random.percent(15) && !row.contains("local_cidrs") {
                row.push_str(", local_cidrs: [10.0.0.0/28, 10.0.1.0/24]");
            }
            if self.random.percent(30) {
                row.push_str(", gateway: shared");
            }
            self.line(&format!("  {name}: {{ {row} }}"));
        }
    }

    fn transits(&mut self) {
        self.line("transits:");
        for (index, name) in self.names.transits.clone().into_iter().enumerate() {
            self.line(&format!("  {name}:"));
            let implied = self.random.percent(30);
            if implied {
                self.line("    implied_vpc_routes: true");
            }
            let mut attached: Vec<(String, String)> = Vec::new();
            for (number, vpc) in self.names.vpcs.clone().into_iter().enumerate() {
                if self.random.percent(75) {
                    let mut row = format!("vpc: {vpc}");
                    let doors: Vec<String> = self
                        .names
                        .subnets
                        .iter()
                        .filter(|(_, of, _)| *of == number)
                        .map(|(subnet, _, _)| subnet.clone())
                        .collect();
                    let doors: Vec<String> =
                        doors.into_iter().filter(|_| self.random.percent(35)).collect();
                    if !doors.is_empty() {
                        row += &format!(", subnets: [{}]", doors.join(", "));
                    }
                    attached.push((format!("a-{vpc}"), row));
                }
            }
            if index == 0 {
                for vpn in self.names.vpns.clone() {
                    attached.push((format!("a-{vpn}"), format!("vpn: {vpn}")));
                }
            }
            if self.names.transits.len() == 2 {
                let other = &self.names.transits[1 - index];
                attached.push((format!("a-{other}"), format!("transit: {other}")));
            }
            self.line("    tables:");
            for table in ["x", "y"] {
                self.line(&format!("      {table}: {{ routes: ["));
                for _ in 0..self.random.below(3) {
                    let to = self.random.of(&PREFIXES);
                    let via = match self.random.any(&attached) {
                        Some((name, _)) if self.random.percent(85) => format!("attachment:{name}"),
                        _ => "blackhole".to_owned(),
                    };
                    self.line(&format!("        {{ to: '{to}', via: '{via}' }},"));
                }
                self.line("      ] }");
            }
            self.line("    attachments:");
            for (name, row) in attached {
                let table = self.random.of(&["x", "x", "y", ""]);
                let mut row = row;
                if !table.is_empty() {
                    row += &format!(", table: {table}");
                }
                let learned = self.random.of(&["[]", "[x]", "[x, y]", "[y]"]);
                row += &format!(", propagates_to: {learned}");
                self.line(&format!("      {name}: {{ {row} }}"));
            }
        }
    }

    fn services(&mut self) {
        self.line("private_endpoints:");
        for (number, name) in self.names.endpoints.clone().into_iter().enumerate() {
            let row = if self.random.percent(50) {
                format!(
                    "interfaces: {{ nic: {{ {} }} }}",
                    self.interface(3, 40 + number).replace("offset", "")
                )
            } else {
                format!("vpc: {}, cidrs: [203.0.113.0/28]", self.random.of(&self.names.vpcs))
            };
            self.line(&format!("  {name}: {{ {row} }}"));
            if row.contains("interfaces") {
                break;
            }
        }
        for name in self.names.endpoints.clone() {
            if !self.text.contains(&format!("\n  {name}: {{")) {
                self.line(&format!("  {name}: {{ cidrs: [203.0.113.0/28] }}"));
            }
        }
        self.line("externals:");
        for (number, name) in self.names.externals.clone().into_iter().enumerate() {
            let address =
                self.random.of(&["203.0.113.0/28", "203.0.113.8/29", "'2001:db8:bbbb::/64'"]);
            let mut row = format!("addresses: [{address}]");
            if self.random.percent(40) {
                row.push_str(", allow_from: [192.0.2.1/32, 198.51.100.0/30]");
            }
            if number == 0 && self.random.percent(40) {
                row += &format!(", attached_vpcs: [{}]", self.random.of(&self.names.vpcs));
                if self.random.percent(50) {
                    row.push_str(", initiates: true");
                }
            }
            self.line(&format!("  {name}: {{ {row} }}"));
        }
        self.line("connectors:");
        for name in self.names.connectors.clone() {
            let vpc = self.random.of(&self.names.vpcs);
            let tags = if self.random.percent(40) { ", tags: [red]" } else { "" };
            self.line(&format!("  {name}: {{ vpc: {vpc}, cidr: 10.8.0.0/28{tags} }}"));
        }
        self.line("services:");
        for number in 0..self.random.below(3) {
            let mode = self.random.of(&["none", "private-ranges-only", "all-traffic"]);
            let way = match self.random.any(&self.names.connectors) {
                Some(name) if self.random.percent(70) => format!(", connector: {name}"),
                _ if self.random.percent(60) => {
                    format!(", subnet: {}", self.random.of(&self.names.subnets).0)
                }
                _ => String::new(),
            };
            self.line(&format!("  svc{number}: {{ egress: {{ mode: {mode}{way} }} }}"));
        }
        self.line("databases:");
        if self.random.percent(40) {
            let vpc = self.random.of(&self.names.vpcs);
            self.line(&format!("  db0: {{ vpc: {vpc}, private_address: 10.9.0.3, port: 5432 }}"));
        }
        if self.random.percent(40) {
            self.line("  db1: { public_address: 198.51.100.200, authorized_networks: [192.0.2.0/30, 198.51.100.1/32] }");
        }
        self.balancers();
    }
}
