//! A transit hub: spokes with applications, a VPC of shared services, a VPC through which everything leaves, an office over VPN.

use crate::language::reference::{Destination, EndpointKind};
use crate::language::{
    EndpointRef, External, InternetGateway, NatGateway, Outcome, RouteTarget, Site, Subnet,
    Transit, TransitAttachment, TransitTable, Vpc, Vpn,
};
use crate::scalar::{Prefix, Service};

use super::parts::{
    Draft, Role, Source, bare, everywhere, host, instance_named, list, small_net, subnet, table, v4,
};

/// Instances of a spoke.
const PER_SPOKE: u32 = 50;
/// The first /24 of the spokes; what lies before belongs to shared services and inspection.
const FIRST_SPOKE: u32 = 256;

fn all_private() -> Prefix {
    Prefix::of(v4(10, 0, 0, 0), 8)
}

fn shared_range() -> Prefix {
    Prefix::of(v4(10, 0, 0, 0), 20)
}

fn inspection_range() -> Prefix {
    Prefix::of(v4(10, 0, 16, 0), 20)
}

fn office_range() -> Prefix {
    Prefix::of(v4(192, 168, 0, 0), 16)
}

fn hub() -> RouteTarget {
    RouteTarget::Transit("hub".to_owned())
}

pub(super) fn draw(draft: &mut Draft, instances: u32) {
    let mut left = instances - 3;
    let spokes = left.div_ceil(PER_SPOKE).max(2);
    shared(draft);
    inspection(draft);
    let mut attachments = vec![
        (
            "shared".to_owned(),
            attachment("shared", "one", "others", &["spokes", "inspection", "others"]),
        ),
        ("inspection".to_owned(), attachment("inspection", "door", "inspection", &[])),
        ("office".to_owned(), office(draft)),
    ];
    for number in 1..=spokes {
        // Spokes differ in size; the last takes what is left.
        let fair = left.div_ceil(spokes - number + 1);
        let count = if number == spokes { left } else { fair - draft.random.below(fair / 2 + 1) };
        left -= count;
        let name = format!("spoke-{number:04}");
        spoke(draft, &name, number, count);
        let learned = ["inspection", "others"];
        attachments.push((name.clone(), attachment(&name, "app-a", "spokes", &learned)));
    }
    let mut transit = Transit::default();
    let out = crate::language::Route {
        to: bare(Destination::Prefix(everywhere()[0])),
        via: bare(RouteTarget::Attachment("inspection".to_owned())),
        ..crate::language::Route::default()
    };
    let spokes_table = TransitTable { routes: vec![out], ..TransitTable::default() };
    transit.tables.insert("spokes".to_owned(), spokes_table);
    transit.tables.insert("inspection".to_owned(), TransitTable::default());
    transit.tables.insert("others".to_owned(), TransitTable::default());
    transit.attachments = attachments.into_iter().map(|(name, row)| (bare(name), row)).collect();
    draft.description.transits.insert("hub".to_owned(), transit);
    intents(draft);
}

fn attachment(vpc: &str, door: &str, table: &str, learned_by: &[&str]) -> TransitAttachment {
    TransitAttachment {
        vpc: Some(bare(vpc.to_owned())),
        subnets: list([format!("{vpc}/{door}")]),
        table: Some(bare(table.to_owned())),
        propagates_to: list(learned_by.iter().map(|&name| name.to_owned())),
        ..TransitAttachment::default()
    }
}

fn office(draft: &mut Draft) -> TransitAttachment {
    let site = Site { cidrs: list([office_range()]), ..Site::default() };
    draft.description.sites.insert("office".to_owned(), site);
    let vpn = Vpn {
        transit: Some(bare("hub".to_owned())),
        site: Some(bare("office".to_owned())),
        local_cidrs: list([all_private()]),
        suite: Some(bare("aes-gcm-16".to_owned())),
        mss_clamp: Some(bare(true)),
        ..Vpn::default()
    };
    draft.description.vpns.insert("office".to_owned(), vpn);
    TransitAttachment {
        vpn: Some(bare("office".to_owned())),
        table: Some(bare("others".to_owned())),
        propagates_to: list(["spokes", "inspection", "others"].map(str::to_owned)),
        advertises: list([office_range()]),
        ..TransitAttachment::default()
    }
}

/// Names and measurements for all.
fn shared(draft: &mut Draft) {
    let net = small_net(0);
    let mut vpc = Vpc { cidrs: list([shared_range()]), ..Vpc::default() };
    vpc.subnets.insert("one".to_owned(), subnet([net], 'a', "main"));
    vpc.route_tables.insert("main".to_owned(), table([(everywhere()[0], hub())]));
    draft.vpc("shared", vpc);
    let inside = || Source::Prefix(all_private());
    let office = || Source::Prefix(office_range());
    let roles = [
        Role::new("names").udp(53, inside()).udp(53, office()).tcp(53, inside()),
        Role::new("metrics").tcp(3000, office()),
    ];
    draft.roles("shared", &roles);
    let place = |number| ("shared/one", vec![host(net, number)]);
    draft.instance("names", place(10), &["names"], &[Service::udp(53)]);
    draft.instance("metrics", place(11), &["metrics"], &[Service::tcp(3000)]);
}

/// Packets from the hub come in by the door, pass the wall, and leave by the NAT gateway or back into the hub.
fn inspection(draft: &mut Draft) {
    let [door, wall, public] = [16, 17, 18].map(small_net);
    let [all, _] = everywhere();
    let to_wall = || RouteTarget::Instance("wall".to_owned());
    let nat = RouteTarget::Nat("exit".to_owned());
    let out = RouteTarget::InternetGateway("igw".to_owned());
    let mut vpc = Vpc { cidrs: list([inspection_range()]), ..Vpc::default() };
    vpc.subnets.insert("door".to_owned(), subnet([door], 'a', "door"));
    vpc.subnets.insert("wall".to_owned(), subnet([wall], 'a', "wall"));
    vpc.subnets.insert("public".to_owned(), subnet([public], 'a', "public"));
    vpc.route_tables.insert("door".to_owned(), table([(all, to_wall())]));
    let wall_routes = [(all_private(), hub()), (office_range(), hub()), (all, nat)];
    vpc.route_tables.insert("wall".to_owned(), table(wall_routes));
    let public_routes = [(all_private(), to_wall()), (all, out)];
    vpc.route_tables.insert("public".to_owned(), table(public_routes));
    vpc.main_route_table = Some(bare("door".to_owned()));
    draft.vpc("inspection", vpc);
    let gateway =
        InternetGateway { vpc: Some(bare("inspection".to_owned())), ..InternetGateway::default() };
    draft.description.internet_gateways.insert("igw".to_owned(), gateway);
    let address = draft.public_address();
    let exit = NatGateway {
        subnet: Some(bare("inspection/public".to_owned())),
        private_address: Some(bare(host(public, 5))),
        addresses: list([address]),
        ..NatGateway::default()
    };
    draft.description.nat_gateways.insert("exit".to_owned(), exit);
    let updates = External {
        addresses: list([Prefix::of(v4(203, 0, 113, 0), 28)]),
        listens: list([Service::tcp(443)]),
        allow_from: list([Prefix::host(address)]),
        ..External::default()
    };
    draft.description.externals.insert("updates".to_owned(), updates);
    let place = ("inspection/wall", vec![host(wall, 10)]);
    draft.instance("wall", place, &[], &[]).forwards = Some(bare(true));
}

fn spoke(draft: &mut Draft, name: &str, number: u32, count: u32) {
    let first = FIRST_SPOKE + (number - 1) * 4;
    let range = Prefix::of(small_net(first).first(), 22);
    let mut vpc = Vpc { cidrs: list([range]), ..Vpc::default() };
    let nets: [(char, Prefix); 2] = [('a', small_net(first)), ('b', small_net(first + 1))];
    for (zone, net) in nets {
        let row: Subnet = subnet([net], zone, "main");
        vpc.subnets.insert(format!("app-{zone}"), row);
    }
    vpc.route_tables.insert("main".to_owned(), table([(everywhere()[0], hub())]));
    draft.vpc(name, vpc);
    let app = format!("{name}-app");
    let role = Role::new(app.clone())
        .tcp(443, Source::Prefix(office_range()))
        .tcp(9100, Source::Prefix(shared_range()))
        .tcp(8080, Source::Role(app.clone()));
    draft.roles(name, &[role]);
    for index in 0..count {
        let (zone, net) = nets[index as usize % 2];
        let place = format!("{name}/app-{zone}");
        let addresses = vec![host(net, 10 + index / 2)];
        let instance = format!("{name}-{:02}", index + 1);
        draft.instance(&instance, (&place, addresses), &[&app], &[Service::tcp(443)]);
    }
}

fn intents(draft: &mut Draft) {
    let named = instance_named;
    let site = || EndpointRef::Kind(EndpointKind::Site, "office".to_owned());
    let updates = EndpointRef::Kind(EndpointKind::External, "updates".to_owned());
    let (one, two) = ("spoke-0001-01", "spoke-0002-01");
    let (works, not) = (Outcome::Reachable, Outcome::Blocked);
    draft.expect("spokes-ask-for-names", (named(one), named("names")), Service::udp(53), works);
    draft.expect(
        "metrics-are-collected",
        (named("metrics"), named(two)),
        Service::tcp(9100),
        works,
    );
    draft.expect("office-uses-spokes", (site(), named(one)), Service::tcp(443), works);
    draft.expect("spokes-get-updates", (named(two), updates), Service::tcp(443), works);
    draft.expect("spokes-are-apart", (named(one), named(two)), Service::tcp(443), not);
    draft.expect("no-way-in", (EndpointRef::Internet, named(one)), Service::tcp(443), not);
}
