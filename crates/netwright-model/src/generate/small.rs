//! Thousands of small VPCs, one for each team. Four teams share an address plan; plans are used again and again where VPCs are not peered.

use crate::language::{EndpointRef, InternetGateway, Outcome, Peering, RouteTarget, Vpc};
use crate::scalar::{Prefix, Service};

use super::parts::{
    Draft, Role, Source, bare, everywhere, host, instance_named, list, six_net, subnet, table, v4,
};

/// Instances of a team.
const PER_VPC: u32 = 10;
/// Teams that share an address plan, so that any two of them could be peered.
const NEIGHBOURS: u32 = 4;

fn range(number: u32) -> Prefix {
    Prefix::of(v4(10, number % NEIGHBOURS, 0, 0), 16)
}

fn net(number: u32, part: u32) -> Prefix {
    Prefix::of(v4(10, number % NEIGHBOURS, part, 0), 24)
}

fn vpc_name(number: u32) -> String {
    format!("team-{:04}", number + 1)
}

/// The peering between a team and the next one, by name.
fn peering_name(number: u32) -> String {
    format!("team-{:04}-{:04}", number + 1, number + 2)
}

pub(super) fn draw(draft: &mut Draft, instances: u32) {
    let vpcs = instances.div_ceil(PER_VPC).max(2);
    let mut left = instances;
    // Whether a team is peered with the next one; the first two always are.
    let peered: Vec<bool> = (0..vpcs)
        .map(|number| {
            let has_next = number + 1 < vpcs && !(number + 1).is_multiple_of(NEIGHBOURS);
            has_next && (number == 0 || draft.random.percent(60))
        })
        .collect();
    for number in 0..vpcs {
        let before = number > 0 && peered[number as usize - 1];
        let after = peered[number as usize];
        let count = left.div_ceil(vpcs - number);
        left -= count;
        team(draft, number, (before, after), count);
    }
    for number in (0..vpcs).filter(|&number| peered[number as usize]) {
        let peering =
            Peering { vpcs: list([vpc_name(number), vpc_name(number + 1)]), ..Peering::default() };
        draft.description.peerings.insert(peering_name(number), peering);
    }
    intents(draft, vpcs);
}

fn team(draft: &mut Draft, number: u32, (before, after): (bool, bool), count: u32) {
    let name = vpc_name(number);
    // Every third team speaks IPv6 too.
    let six = number.is_multiple_of(3).then(|| six_net(number + 2, 0));
    let gateway = format!("{name}-igw");
    let [all, all_six] = everywhere();
    let out = || RouteTarget::InternetGateway(gateway.clone());
    let mut neighbours = Vec::new();
    if before {
        neighbours.push((range(number - 1), peering_name(number - 1)));
    }
    if after {
        neighbours.push((range(number + 1), peering_name(number)));
    }
    let to_neighbours: Vec<(Prefix, RouteTarget)> =
        neighbours.iter().map(|(to, via)| (*to, RouteTarget::Peering(via.clone()))).collect();
    let mut public = to_neighbours.clone();
    public.extend([(all, out()), (all_six, out())]);
    let ranges = [range(number)].into_iter().chain(six.map(|net| Prefix::of(net.first(), 56)));
    let mut vpc = Vpc { cidrs: list(ranges), ..Vpc::default() };
    vpc.subnets
        .insert("web".to_owned(), subnet([net(number, 0)].into_iter().chain(six), 'a', "public"));
    vpc.subnets.insert("app".to_owned(), subnet([net(number, 1)], 'b', "private"));
    vpc.route_tables.insert("public".to_owned(), table(public));
    vpc.route_tables.insert("private".to_owned(), table(to_neighbours));
    vpc.main_route_table = Some(bare("private".to_owned()));
    draft.vpc(&name, vpc);
    let row = InternetGateway { vpc: Some(bare(name.clone())), ..InternetGateway::default() };
    draft.description.internet_gateways.insert(gateway, row);
    let (web, app) = (format!("{name}-web"), format!("{name}-app"));
    let mut app_role = Role::new(app.clone())
        .tcp(8080, Source::Role(web.clone()))
        .tcp(5432, Source::Role(app.clone()));
    for (prefix, _) in &neighbours {
        app_role = app_role.tcp(8080, Source::Prefix(*prefix));
    }
    draft.roles(&name, &[Role::new(web.clone()).tcp(443, Source::Anywhere), app_role]);
    machines(draft, (&name, number), six, count);
}

/// The first machine is the web server, with a public address; the others are the application's.
fn machines(draft: &mut Draft, (name, number): (&str, u32), six: Option<Prefix>, count: u32) {
    for index in 0..count {
        let tier = if index == 0 { "web" } else { "app" };
        let part = u32::from(index > 0);
        let mut addresses = vec![host(net(number, part), 10 + index)];
        addresses.extend(six.filter(|_| index == 0).map(|six| host(six, 10)));
        let public = (index == 0).then(|| draft.public_address());
        let place = format!("{name}/{tier}");
        let role = format!("{name}-{tier}");
        let port = if index == 0 { 443 } else { 8080 };
        let machine = format!("{name}-{tier}-{:02}", index + 1);
        let listens = [Service::tcp(port)];
        let instance = draft.instance(&machine, (&place, addresses), &[&role], &listens);
        instance.public_address = list(public);
    }
}

fn intents(draft: &mut Draft, vpcs: u32) {
    let named = instance_named;
    let (works, not) = (Outcome::Reachable, Outcome::Blocked);
    let (web, app) = ("team-0001-web-01", "team-0001-app-02");
    draft.expect("users-reach-web", (EndpointRef::Internet, named(web)), Service::tcp(443), works);
    draft.expect("web-calls-app", (named(web), named(app)), Service::tcp(8080), works);
    let next = "team-0002-app-02";
    draft.expect("neighbours-call-app", (named(app), named(next)), Service::tcp(8080), works);
    draft.expect("neighbours-keep-data", (named(app), named(next)), Service::tcp(5432), not);
    if vpcs > NEIGHBOURS {
        let far = "team-0005-app-02";
        draft.expect("strangers-are-apart", (named(app), named(far)), Service::tcp(8080), not);
    }
}
