//! Line by line: what the other analyser expects of each pair against what we found.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use netwright_verify::flow::Flows;
use netwright_verify::prover::path::{End, Origin};
use netwright_verify::space::{Family, Set, Space, protocol, show};

use crate::explain::{Answer, Explained};
use crate::golden::{Analysis, Line, Product, Range, Side, all};
use crate::subject::{Point, Subject};

/// What is expected of one pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) arrives: Set,
    /// The part whose answers do not come back.
    pub(crate) blocked: Set,
    /// More than it need be.
    pub(crate) over: bool,
}

impl Wanted {
    pub(crate) const NOTHING: Self = Self { arrives: Set::EMPTY, blocked: Set::EMPTY, over: false };
}

/// A difference, with what is needed to name its cause.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) golden: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) what: String,
}

/// Sets in the other analyser's universe: TCP and UDP with ports from 1, and ICMP.
pub(crate) struct Universe {
    all: Set,
    tcp: Set,
}

impl Universe {
    pub(crate) fn of(space: &mut Space) -> Self {
        let ports = [1..=u16::MAX];
        let mut with_ports = |number| {
            let sets = [space.protocol(number), space.src_ports(&ports), space.dst_ports(&ports)];
            space.intersect_all(sets)
        };
        let (tcp, udp) = (with_ports(protocol::TCP), with_ports(protocol::UDP));
        let icmp = space.protocol(protocol::ICMP);
        Self { all: space.union_all([tcp, udp, icmp]), tcp }
    }

    fn product(&self, space: &mut Space, product: &Product) -> Set {
        let mut union = Set::EMPTY;
        for name in &product.protocols {
            let set = match name.as_str() {
                "ICMP" => icmp(space, product),
                "TCP" | "UDP" => {
                    let number = if name == "TCP" { protocol::TCP } else { protocol::UDP };
                    let mut set = space.protocol(number);
                    for (ranges, source) in
                        [(&product.src_ports, true), (&product.dst_ports, false)]
                    {
                        if !ranges.is_empty() {
                            let ranges: Vec<_> = ranges.iter().map(|(a, b)| *a..=*b).collect();
                            let ports = if source {
                                space.src_ports(&ranges)
                            } else {
                                space.dst_ports(&ranges)
                            };
                            set = space.and(set, ports);
                        }
                    }
                    set
                }
                other => panic!("protocol {other}"),
            };
            union = space.or(union, set);
        }
        space.and(union, self.all)
    }

    pub(crate) fn connection(&self, space: &mut Space, connection: Option<&[Product]>) -> Set {
        let Some(products) = connection else { return self.all };
        let sets: Vec<Set> = products.iter().map(|product| self.product(space, product)).collect();
        space.union_all(sets)
    }
}

fn icmp(space: &mut Space, product: &Product) -> Set {
    let all = |ranges: &[(u16, u16)]| -> Vec<(u8, u8)> {
        let byte = |number: u16| u8::try_from(number).unwrap();
        if ranges.is_empty() {
            return vec![(0, u8::MAX)];
        }
        ranges.iter().map(|(a, b)| (byte(*a), byte(*b))).collect()
    };
    let mut union = Set::EMPTY;
    for kind in all(&product.types) {
        for code in all(&product.codes) {
            let set = space.icmp(Family::V4, kind.0..=kind.1, code.0..=code.1);
            union = space.or(union, set);
        }
    }
    union
}

/// An outside range towards or from a point.
type Beyond = (Point, bool, bool);

/// A comparison under way: how many pairs and ranges were compared, and the differences.
pub(crate) struct Comparison<'s, 'n> {
    pub(crate) subject: &'s mut Subject<'n>,
    pub(crate) universe: Universe,
    golden: String,
    balancers: bool,
    subnets: bool,
    pub(crate) compared: usize,
    pub(crate) differences: Vec<Difference>,
    pairs: BTreeMap<(Point, Point), Wanted>,
    beyond: BTreeMap<Beyond, Vec<(Range, Wanted)>>,
}

impl<'s, 'n> Comparison<'s, 'n> {
    pub(crate) fn of(subject: &'s mut Subject<'n>, golden: &str) -> Self {
        let universe = Universe::of(&mut subject.prover.space);
        Self {
            subject,
            universe,
            golden: golden.to_owned(),
            balancers: false,
            subnets: false,
            compared: 0,
            differences: Vec::new(),
            pairs: BTreeMap::new(),
            beyond: BTreeMap::new(),
        }
    }

    /// Every pair against an exhaustive analysis.
    pub(crate) fn run(&mut self, analysis: &Analysis) {
        self.balancers = analysis.balancers;
        self.subnets = analysis.subnets;
        for line in &analysis.lines {
            let wanted = self.wanted(line);
            for from in &line.from {
                for to in &line.to {
                    self.expect(from, to, wanted);
                }
            }
        }
        let points = self.subject.points();
        for &from in &points {
            for &to in &points {
                if self.subject.owner(from) == self.subject.owner(to) && from == to {
                    continue;
                }
                self.pair(from, to);
            }
            for service in [false, true] {
                for inwards in [false, true] {
                    self.outside(from, service, inwards);
                }
            }
        }
    }

    fn wanted(&mut self, line: &Line) -> Wanted {
        let space = &mut self.subject.prover.space;
        let arrives = self.universe.connection(space, line.connection.as_deref());
        let tcp = space.and(arrives, self.universe.tcp);
        Wanted { arrives, blocked: if line.blocked { tcp } else { Set::EMPTY }, over: line.over }
    }

    fn expect(&mut self, from: &Side, to: &Side, wanted: Wanted) {
        match (from, to) {
            (Side::Outside { service, ranges }, inside) => {
                for point in self.points(inside) {
                    self.beyond(point, *service, true, ranges, wanted);
                }
            }
            (inside, Side::Outside { service, ranges }) => {
                for point in self.points(inside) {
                    self.beyond(point, *service, false, ranges, wanted);
                }
            }
            (from, to) => {
                for from in self.points(from) {
                    for to in self.points(to) {
                        let old = self.pairs.get(&(from, to)).copied().unwrap_or(Wanted::NOTHING);
                        let both = self.both(old, wanted);
                        self.pairs.insert((from, to), both);
                    }
                }
            }
        }
    }

    fn both(&mut self, a: Wanted, b: Wanted) -> Wanted {
        let space = &mut self.subject.prover.space;
        Wanted {
            arrives: space.or(a.arrives, b.arrives),
            blocked: space.or(a.blocked, b.blocked),
            over: a.over || b.over,
        }
    }

    fn beyond(
        &mut self,
        point: Point,
        service: bool,
        inwards: bool,
        ranges: &[Range],
        wanted: Wanted,
    ) {
        let list = self.beyond.entry((point, service, inwards)).or_default();
        list.extend(ranges.iter().map(|range| (*range, wanted)));
    }

    /// The points that a side names; it must name some.
    pub(crate) fn points(&mut self, side: &Side) -> Vec<Point> {
        let subject = &self.subject;
        let within = |point: &Point, vpc: &Option<String>| {
            vpc.as_ref().is_none_or(|vpc| subject.is_vpc(*point, vpc))
        };
        let found: Vec<Point> = subject
            .points()
            .into_iter()
            .filter(|point| match side {
                Side::Address { vpc, address } => {
                    let same = point.1 == *address || subject.stands_for(*point, *address);
                    same && within(point, vpc)
                }
                Side::Machine { vpc, name } => {
                    let owner = &subject.network[subject.owner(*point)];
                    let own = owner.name.rsplit('/').next().unwrap_or(&owner.name);
                    own == name && within(point, vpc)
                }
                Side::Balancer { vpc, name } => {
                    let owner = &subject.network[subject.owner(*point)];
                    let own = owner.name.rsplit('/').next().unwrap_or(&owner.name);
                    subject.is_balancer(*point) && own == name && within(point, vpc)
                }
                Side::Subnet { vpc, name } => {
                    let subnet = &subject.network[subject.network[point.0].subnet];
                    let own = subnet.name.rsplit('/').next().unwrap_or(&subnet.name);
                    let same = own == name || subnet.id.as_ref() == Some(name);
                    // Two subnets of one VPC may share a name; the importer numbers the second.
                    (same || own == format!("{name}-2")) && within(point, vpc)
                }
                Side::Outside { .. } => false,
            })
            .collect();
        if found.is_empty() {
            let what = format!("{side:?} is not described");
            self.differ("", "", what);
        }
        found
    }

    fn pair(&mut self, from: Point, to: Point) {
        let wanted = self.pairs.get(&(from, to)).copied().unwrap_or(Wanted::NOTHING);
        if self.set_aside(from, Some(to), wanted) {
            return;
        }
        let found = self.subject.between(from, to);
        let (a, b) = (self.subject.show(from), self.subject.show(to));
        self.check(&a, &b, found, wanted);
    }

    /// Pairs about which the other analyser knows more than a network does.
    fn set_aside(&self, from: Point, to: Option<Point>, wanted: Wanted) -> bool {
        // What the description does not say is unknown here, and nothing there.
        if let Some(to) = to
            && wanted.arrives.is_empty()
        {
            let path = self.subject.prover.path(Origin::Interface(from.0), from.1, to.1);
            if matches!(path.end, End::Unknown(_)) {
                return true;
            }
        }
        let subject = &self.subject;
        // A balancer opens connections to its members only; the network lets it do more.
        if subject.is_balancer(from) {
            let own = subject.owner(from);
            let allowed = to.is_some_and(|to| subject.members(own).contains(&subject.owner(to)));
            if !allowed {
                return wanted.arrives.is_empty();
            }
        }
        // Addresses of one balancer stand for one thing where they are shown as one.
        if self.balancers
            && let Some(to) = to
            && subject.is_balancer(from)
            && subject.owner(from) == subject.owner(to)
        {
            return true;
        }
        // An endpoint gateway opens no connections to the Internet; the network would let it where its subnet has a public gateway.
        to.is_none() && subject.is_private_endpoint(from) && wanted.arrives.is_empty()
    }

    fn outside(&mut self, point: Point, service: bool, inwards: bool) {
        let expected = self.beyond.get(&(point, service, inwards)).cloned().unwrap_or_default();
        if self.subnets && expected.is_empty() && (service || inwards) {
            // Between subnets and the outside it looks at gateways to the Internet, and only from inside.
            return;
        }
        let found = self.subject.outside(point, service, inwards);
        let own = self.subject.public();
        let mut cuts: Vec<u32> = Vec::new();
        let universe = all(service);
        let lists = [
            &universe,
            &expected.iter().map(|e| e.0).collect(),
            &found.iter().map(|f| f.0).collect(),
            &own,
        ];
        for (first, last) in lists.into_iter().flat_map(|list: &Vec<Range>| list.iter()) {
            cuts.push(*first);
            cuts.extend(last.checked_add(1));
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut seen: Vec<(Flows, Vec<Set>)> = Vec::new();
        for cut in cuts {
            let inside = |range: &Range| range.0 <= cut && cut <= range.1;
            // A flow to a public address of this network is one to the Internet and one from it.
            if !universe.iter().any(inside) || own.iter().any(inside) {
                continue;
            }
            let flows = found.iter().find(|(range, _)| inside(range)).map_or(Flows::NONE, |f| f.1);
            let mut wanted = Wanted::NOTHING;
            for (_, one) in expected.iter().filter(|(range, _)| inside(range)) {
                wanted = self.both(wanted, *one);
            }
            if !inwards && self.set_aside(point, None, wanted) {
                continue;
            }
            let key = (flows, vec![wanted.arrives, wanted.blocked]);
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let name = if service { "Service Network" } else { "Public Internet" };
            let there = format!("{name} {}…", Ipv4Addr::from(cut));
            let here = self.subject.show(point);
            let (a, b) = if inwards { (&there, &here) } else { (&here, &there) };
            self.check(a, b, flows, wanted);
        }
    }

    pub(crate) fn check(&mut self, from: &str, to: &str, found: Flows, wanted: Wanted) {
        self.compared += 1;
        let space = &mut self.subject.prover.space;
        let all = self.universe.all;
        let must = space.and(found.arrives.must, all);
        let may = space.and(found.arrives.may, all);
        let lost = space.minus(found.arrives.must, found.answered.may);
        let may_be_lost = space.minus(found.arrives.may, found.answered.must);
        let lost = space.and(lost, self.universe.tcp);
        let may_be_lost = space.and(may_be_lost, self.universe.tcp);
        let fits = if wanted.over {
            space.is_subset(may, wanted.arrives)
        } else {
            must == wanted.arrives && may == wanted.arrives
        };
        let answers = wanted.over || (lost == wanted.blocked && may_be_lost == wanted.blocked);
        if fits && answers {
            return;
        }
        let mut show = |set| show::layer4(space, set);
        let what = format!(
            "wanted {} (answers lost: {}), found {} to {} (answers lost: {})",
            show(wanted.arrives),
            show(wanted.blocked),
            show(must),
            show(may),
            show(lost)
        );
        self.differ(from, to, what);
    }

    /// A pair that is explained.
    pub(crate) fn explained(&mut self, explained: &Explained) {
        match (&explained.from, &explained.to) {
            (Side::Outside { service, ranges }, inside) => {
                for point in self.points(inside) {
                    self.explained_outside(point, *service, true, ranges, &explained.answer);
                }
            }
            (inside, Side::Outside { service, ranges }) => {
                for point in self.points(inside) {
                    self.explained_outside(point, *service, false, ranges, &explained.answer);
                }
            }
            (from, to) => {
                for from in self.points(from) {
                    for to in self.points(to) {
                        if self.set_aside(from, Some(to), Wanted::NOTHING) {
                            continue;
                        }
                        let found = self.subject.between(from, to);
                        let (a, b) = (self.subject.show(from), self.subject.show(to));
                        self.answer(&a, &b, found, &explained.answer);
                    }
                }
            }
        }
    }

    fn explained_outside(
        &mut self,
        point: Point,
        service: bool,
        inwards: bool,
        ranges: &[Range],
        answer: &Answer,
    ) {
        let own = self.subject.public();
        for (range, found) in self.subject.outside(point, service, inwards) {
            let overlaps = ranges.iter().any(|wanted| wanted.0 <= range.1 && range.0 <= wanted.1);
            if !overlaps || own.contains(&range) {
                continue;
            }
            let (here, there) = (self.subject.show(point), format!("{}…", Ipv4Addr::from(range.0)));
            let (a, b) = if inwards { (&there, &here) } else { (&here, &there) };
            self.answer(a, b, found, answer);
        }
    }

    fn answer(&mut self, from: &str, to: &str, found: Flows, answer: &Answer) {
        let space = &mut self.subject.prover.space;
        match answer {
            Answer::Passes { connection, lost } => {
                let arrives = self.universe.connection(space, connection.as_deref());
                let blocked = self.universe.connection(space, Some(lost));
                self.check(from, to, found, Wanted { arrives, blocked, over: false });
            }
            Answer::Nothing(None) => self.check(from, to, found, Wanted::NOTHING),
            Answer::Nothing(Some(products)) | Answer::Includes(products) => {
                let asked = self.universe.connection(space, Some(products));
                let includes = matches!(answer, Answer::Includes(_));
                let fits = if includes {
                    space.is_subset(asked, found.arrives.must)
                } else {
                    !space.intersects(asked, found.arrives.may)
                };
                self.compared += 1;
                if !fits {
                    let what = format!("asked {}", show::layer4(space, asked));
                    self.differ(from, to, what);
                }
            }
        }
    }

    fn differ(&mut self, from: &str, to: &str, what: String) {
        self.differences.push(Difference {
            golden: self.golden.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            what,
        });
    }
}
