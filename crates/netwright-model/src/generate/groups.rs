//! One VPC where an instance is in up to five groups and a group's rules refer to other groups: the case that address ranges do not shorten.

use crate::language::{InternetGateway, Outcome, RouteTarget, Vpc};
use crate::scalar::{Prefix, Service};

use super::parts::{
    Draft, Role, Source, bare, everywhere, host, instance_named, list, office, small_net, subnet,
    table, v4,
};

const VPC: &str = "mesh";
const PER_SUBNET: u32 = 200;
/// Instances for each group that rules refer to.
const PER_GROUP: u32 = 25;
/// Instances of one fleet, which all have the same groups, as instances that one template starts do.
const FLEET: u32 = 20;
/// Groups on one interface (AWS allows five).
const MOST_GROUPS: u32 = 5;

fn group(number: u32) -> String {
    format!("group-{number:04}")
}

pub(super) fn draw(draft: &mut Draft, instances: u32) {
    let subnets = instances.div_ceil(PER_SUBNET).max(2);
    let groups = (instances / PER_GROUP).max(4);
    network(draft, subnets);
    let mut roles = vec![
        Role::new("admin").tcp(22, Source::Prefix(office())),
        Role::new("caller"),
        Role::new("callee").tcp(7000, Source::Role("caller".to_owned())),
    ];
    for number in 0..groups {
        let mut role = Role::new(group(number)).tcp(22, Source::Role("admin".to_owned()));
        for _ in 0..4 + draft.random.below(5) {
            let port = u16::try_from(8000 + draft.random.below(200)).unwrap_or(8000);
            let from = Source::Role(group(draft.random.below(groups)));
            role =
                if draft.random.percent(80) { role.tcp(port, from) } else { role.udp(port, from) };
        }
        roles.push(role);
    }
    draft.roles(VPC, &roles);
    let mut fleet: Vec<String> = Vec::new();
    for number in 0..instances {
        if number % FLEET == 0 {
            let count = 1 + draft.random.below(MOST_GROUPS - 1);
            fleet = (0..count).map(|_| group(draft.random.below(groups))).collect();
        }
        let mut names = fleet.clone();
        names.extend(match number {
            0 => Some("caller".to_owned()),
            1 => Some("callee".to_owned()),
            2 => Some("admin".to_owned()),
            _ => None,
        });
        names.sort_unstable();
        names.dedup();
        let references: Vec<&str> = names.iter().map(String::as_str).collect();
        let index = number % subnets;
        let place = format!("{VPC}/part-{:04}", index + 1);
        let addresses = vec![host(small_net(index), 10 + number / subnets)];
        let public = (number == 2).then(|| draft.public_address());
        let name = format!("node-{:06}", number + 1);
        let instance =
            draft.instance(&name, (&place, addresses), &references, &[Service::tcp(8000)]);
        instance.public_address = list(public);
    }
    let named = instance_named;
    let (caller, callee, admin) = ("node-000001", "node-000002", "node-000003");
    let port = Service::tcp(7000);
    draft.expect("callers-call", (named(caller), named(callee)), port, Outcome::Reachable);
    draft.expect("others-do-not", (named(admin), named(callee)), port, Outcome::Blocked);
    draft.expect("not-backwards", (named(callee), named(caller)), port, Outcome::Blocked);
    draft.expect(
        "people-administer",
        (named(admin), named(callee)),
        Service::tcp(22),
        Outcome::Reachable,
    );
}

fn network(draft: &mut Draft, subnets: u32) {
    let blocks = (0..subnets.div_ceil(256)).map(|block| Prefix::of(v4(10, block, 0, 0), 16));
    let mut vpc = Vpc { cidrs: list(blocks), ..Vpc::default() };
    for index in 0..subnets {
        let zone = ['a', 'b', 'c'][index as usize % 3];
        let row = subnet([small_net(index)], zone, "main");
        vpc.subnets.insert(format!("part-{:04}", index + 1), row);
    }
    let out = RouteTarget::InternetGateway("igw".to_owned());
    vpc.route_tables.insert("main".to_owned(), table([(everywhere()[0], out)]));
    draft.vpc(VPC, vpc);
    let gateway = InternetGateway { vpc: Some(bare(VPC.to_owned())), ..InternetGateway::default() };
    draft.description.internet_gateways.insert("igw".to_owned(), gateway);
}
