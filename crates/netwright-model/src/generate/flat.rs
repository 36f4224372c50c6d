//! One VPC: web, application and data tiers over three zones, as most teams start.

use crate::language::{
    Action, Attachment, Backend, BackendGroup, Database, DatabaseEngine, Direction, EndpointRef,
    External, Filter, InternetGateway, Listener, LoadBalancer, NatGateway, Outcome, Peer,
    RouteTarget, Scheme, Vpc,
};
use crate::scalar::{PortRange, Prefix, Service};

use super::parts::{
    Draft, Role, Source, at, bare, everywhere, host, instance_named, list, office, rule, six_net,
    small_net, subnet, table, v4,
};

const VPC: &str = "prod";
const ZONES: [char; 3] = ['a', 'b', 'c'];
/// Instances in a /24, so that there is room to grow.
const PER_SUBNET: u32 = 200;

/// A tier: its name, its share of the instances in percent, the port it answers on.
const TIERS: [(&str, u32, u16); 3] = [("web", 20, 443), ("app", 50, 8080), ("data", 30, 5432)];

/// A subnet that was drawn: its name, its ranges.
struct Drawn {
    name: String,
    net: Prefix,
    six: Prefix,
}

pub(super) fn draw(draft: &mut Draft, instances: u32) {
    let mut left = instances - 1;
    let mut counts = Vec::new();
    for (name, share, _) in TIERS {
        let count = if name == "data" { left } else { (instances * share / 100).max(1) };
        left -= count.min(left);
        counts.push(count);
    }
    let tiers = network(draft, &counts);
    gateways(draft, &tiers[0]);
    let services = (instances / 100).max(2);
    roles(draft, services);
    bastion(draft, &tiers[0]);
    for (index, (name, _, port)) in TIERS.iter().enumerate() {
        fill(draft, (name, *port), &tiers[index], counts[index], services);
    }
    balancer(draft, &tiers[0], counts[0]);
    database(draft, &tiers[2]);
    intents(draft);
}

/// The VPC with its subnets and route tables; the subnets by tier.
fn network(draft: &mut Draft, counts: &[u32]) -> Vec<Vec<Drawn>> {
    let mut vpc = Vpc::default();
    let mut tiers = Vec::new();
    let mut number = 0;
    for ((tier, _, _), &count) in TIERS.iter().zip(counts) {
        let mut drawn = Vec::new();
        for index in 0..count.div_ceil(PER_SUBNET).max(3) {
            let zone = ZONES[index as usize % 3];
            let (net, six) = (small_net(number), six_net(1, number));
            number += 1;
            let route_table = match *tier {
                "web" => "public".to_owned(),
                _ => format!("private-{zone}"),
            };
            let mut row = subnet([net, six], zone, &route_table);
            if *tier == "data" && !draft.by_tag() {
                row.filters = list(["data-acl".to_owned()]);
            }
            let name = format!("{tier}-{zone}-{:02}", index / 3 + 1);
            vpc.subnets.insert(name.clone(), row);
            drawn.push(Drawn { name: format!("{VPC}/{name}"), net, six });
        }
        tiers.push(drawn);
    }
    let blocks = number.div_ceil(256);
    let ranges = (0..blocks).map(|block| Prefix::of(v4(10, block, 0, 0), 16));
    vpc.cidrs = list(ranges.chain([Prefix::of(six_net(1, 0).first(), 48)]));
    let [four, six] = everywhere();
    let out = || RouteTarget::InternetGateway("igw".to_owned());
    vpc.route_tables.insert("public".to_owned(), table([(four, out()), (six, out())]));
    for zone in ZONES {
        let via = if draft.by_tag() { out() } else { RouteTarget::Nat(format!("nat-{zone}")) };
        let six_via = RouteTarget::InternetGateway("egress-only".to_owned());
        vpc.route_tables.insert(format!("private-{zone}"), table([(four, via), (six, six_via)]));
    }
    vpc.main_route_table = Some(bare("private-a".to_owned()));
    draft.vpc(VPC, vpc);
    tiers
}

fn gateways(draft: &mut Draft, web: &[Drawn]) {
    let vpc = || Some(bare(VPC.to_owned()));
    let gateways = &mut draft.description.internet_gateways;
    gateways.insert("igw".to_owned(), InternetGateway { vpc: vpc(), ..InternetGateway::default() });
    let egress_only =
        InternetGateway { vpc: vpc(), egress_only: Some(bare(true)), ..InternetGateway::default() };
    gateways.insert("egress-only".to_owned(), egress_only);
    let mut allowed = Vec::new();
    if draft.by_tag() {
        let address = draft.public_address();
        allowed.push(Prefix::host(address));
        let nat = NatGateway { vpc: vpc(), addresses: list([address]), ..NatGateway::default() };
        draft.description.nat_gateways.insert("nat".to_owned(), nat);
    } else {
        for (zone, place) in ZONES.iter().zip(web) {
            let address = draft.public_address();
            allowed.push(Prefix::host(address));
            let nat = NatGateway {
                subnet: Some(bare(place.name.clone())),
                private_address: Some(bare(host(place.net, 5))),
                addresses: list([address]),
                ..NatGateway::default()
            };
            draft.description.nat_gateways.insert(format!("nat-{zone}"), nat);
        }
    }
    let payments = External {
        addresses: list([Prefix::of(v4(198, 51, 100, 0), 28)]),
        listens: list([Service::tcp(443)]),
        allow_from: list(allowed),
        ..External::default()
    };
    draft.description.externals.insert("payments".to_owned(), payments);
}

/// Roles of the tiers, and of as many services as talk to each other inside the application tier.
fn roles(draft: &mut Draft, services: u32) {
    let role = |name: &str| Source::Role(name.to_owned());
    let mut roles = vec![
        Role::new("bastion").tcp(22, Source::Prefix(office())),
        Role::new("front").tcp(443, Source::Anywhere),
        Role::new("web")
            .tcp(443, role("front"))
            .tcp(443, Source::Anywhere)
            .tcp(22, role("bastion")),
        Role::new("app").tcp(8080, role("web")).tcp(8080, role("app")).tcp(22, role("bastion")),
        Role::new("data").tcp(5432, role("app")).tcp(22, role("bastion")),
    ];
    for service in 0..services {
        let port = u16::try_from(9000 + service % 1000).unwrap_or(9000);
        let caller = draft.random.below(services);
        let other = draft.random.below(services);
        roles.push(
            Role::new(format!("service-{service:03}"))
                .tcp(port, Source::Role(format!("service-{caller:03}")))
                .udp(port, Source::Role(format!("service-{other:03}"))),
        );
    }
    draft.roles(VPC, &roles);
    if !draft.by_tag() {
        data_acl(draft);
    }
}

/// Databases are asked from inside and ask outside for updates only; answers need rules of their own.
fn data_acl(draft: &mut Draft) {
    let inside = || [Peer::Vpc(VPC.to_owned())];
    let answers = PortRange { first: 1024, last: u16::MAX };
    let tcp = |ports: PortRange| (Some(6), Some(ports));
    let port = |port| tcp(PortRange::one(port));
    let (ingress, egress) = (Direction::Ingress, Direction::Egress);
    let rules = vec![
        at(100, rule(ingress, Action::Allow, port(5432), inside())),
        at(110, rule(ingress, Action::Allow, port(22), inside())),
        at(120, rule(ingress, Action::Deny, port(3389), [])),
        at(130, rule(ingress, Action::Allow, tcp(answers), [])),
        at(100, rule(egress, Action::Allow, tcp(answers), inside())),
        at(110, rule(egress, Action::Allow, port(443), [])),
    ];
    let acl = Filter {
        attach: Some(bare(Attachment::Subnet)),
        vpc: Some(bare(VPC.to_owned())),
        stateful: Some(bare(false)),
        ordered: Some(bare(true)),
        rules,
        ..Filter::default()
    };
    draft.description.filters.insert("data-acl".to_owned(), acl);
}

fn bastion(draft: &mut Draft, web: &[Drawn]) {
    let public = draft.public_address();
    let place = (web[0].name.as_str(), vec![host(web[0].net, 6)]);
    let instance = draft.instance("bastion", place, &["bastion"], &[Service::tcp(22)]);
    instance.public_address = list([public]);
}

fn fill(draft: &mut Draft, tier: (&str, u16), subnets: &[Drawn], count: u32, services: u32) {
    let (tier, port) = tier;
    for number in 0..count {
        let place = &subnets[number as usize % subnets.len()];
        let offset = 10 + number / u32::try_from(subnets.len()).unwrap_or(1);
        let mut addresses = vec![host(place.net, offset)];
        // Every fifth machine speaks IPv6 too.
        if number % 5 == 0 {
            addresses.push(host(place.six, offset));
        }
        let service = format!("service-{:03}", draft.random.below(services));
        let in_service = tier == "app" && draft.random.percent(70);
        let roles: &[&str] = if in_service { &[tier, &service] } else { &[tier] };
        let public = (tier == "web" && number % 2 == 0).then(|| draft.public_address());
        let name = format!("{tier}-{:05}", number + 1);
        let place = (place.name.as_str(), addresses);
        let instance = draft.instance(&name, place, roles, &[Service::tcp(port)]);
        instance.public_address = list(public);
    }
}

fn balancer(draft: &mut Draft, web: &[Drawn], count: u32) {
    let addresses = [draft.public_address(), draft.public_address()];
    let target = |number| Backend {
        target: bare(instance_named(&format!("web-{:05}", number + 1))),
        ..Backend::default()
    };
    let group = BackendGroup {
        targets: (0..count.min(20)).map(target).collect(),
        port: Some(bare(Service::tcp(443))),
        ..BackendGroup::default()
    };
    let listener = Listener {
        on: bare(Service::tcp(443)),
        to: list(["web".to_owned()]),
        ..Listener::default()
    };
    let filters = if draft.by_tag() { Vec::new() } else { list(["front".to_owned()]) };
    let mut front = LoadBalancer {
        scheme: Some(bare(Scheme::External)),
        vpc: Some(bare(VPC.to_owned())),
        public_addresses: list(addresses),
        filters,
        ..LoadBalancer::default()
    };
    if !draft.by_tag() {
        front.subnets = list(web.iter().take(2).map(|drawn| drawn.name.clone()));
    }
    front.listeners.insert("https".to_owned(), listener);
    front.backends.insert("web".to_owned(), group);
    draft.description.load_balancers.insert("front".to_owned(), front);
}

fn database(draft: &mut Draft, data: &[Drawn]) {
    let mut database =
        Database { engine: Some(bare(DatabaseEngine::Postgres)), ..Database::default() };
    if draft.by_tag() {
        database.vpc = Some(bare(VPC.to_owned()));
        database.private_addresses = list([v4(10, 255, 0, 3)]);
    } else {
        database.subnets = list(data.iter().take(2).map(|drawn| drawn.name.clone()));
        database.private_addresses = list([host(data[0].net, 240)]);
        database.filters = list(["data".to_owned()]);
    }
    draft.description.databases.insert("orders".to_owned(), database);
}

fn intents(draft: &mut Draft) {
    let named = instance_named;
    let (web, app, data) = ("web-00001", "app-00001", "data-00001");
    let works = Outcome::Reachable;
    draft.expect("users-reach-web", (EndpointRef::Internet, named(web)), Service::tcp(443), works);
    draft.expect("web-calls-app", (named(web), named(app)), Service::tcp(8080), works);
    draft.expect("app-reads-data", (named(app), named(data)), Service::tcp(5432), works);
    let orders =
        EndpointRef::Kind(crate::language::reference::EndpointKind::Database, "orders".to_owned());
    draft.expect("app-reads-orders", (named(app), orders), Service::tcp(5432), works);
    let payments = EndpointRef::Kind(
        crate::language::reference::EndpointKind::External,
        "payments".to_owned(),
    );
    draft.expect("app-pays", (named(app), payments), Service::tcp(443), works);
    draft.expect("people-administer", (named("bastion"), named(data)), Service::tcp(22), works);
    let not = Outcome::Blocked;
    draft.expect("web-never-reads-data", (named(web), named(data)), Service::tcp(5432), not);
    draft.expect("data-is-inside", (EndpointRef::Internet, named(data)), Service::tcp(5432), not);
}
