//! Which questions are made of a network, and what is not asked, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_model::language::{EndpointKind, Intent};
use netwright_model::network::{InterfaceId, Network};
use netwright_model::scalar::Service;
use netwright_verify::ask::holders::Holders;
use netwright_verify::ask::{CLIENT_PORT, Point, flows_between, packet_of};
use netwright_verify::names::asked;
use netwright_verify::prover::Prover;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::question::Questions;
use netwright_verify::space::protocol;
use netwright_verify::trace::{Flow, Trace, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NotAsked, Question, what};

/// Most questions that are asked at a time: their answers fit in a host's report.
pub const MOST: usize = 300;

/// Most reasons that are told why flows are not asked.
const REASONS: usize = 100;

/// The type of an echo request, in IPv4 and IPv6 (RFC 792, RFC 4443).
const ECHO: (u16, u16) = (8, 128);

/// A port that rules seldom name: what they say of everything decides it.
const UNNAMED_PORT: u16 = 9;

/// Which questions are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those of intents of these names; of all where none are given.
    Intents(Vec<String>),
    /// An echo between each two machines.
    Pairs,
    /// These.
    Flows(Vec<Asked>),
}

/// Who is to ask whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AskedFlow")]
pub struct Asked {
    /// Who asks, by name.
    #[schemars(length(min = 1, max = 256))]
    pub from: String,
    /// Who answers, by name.
    #[schemars(length(min = 1, max = 256))]
    pub to: String,
    /// The port of TCP; an ICMP echo unless given.
    pub port: Option<u16>,
}

/// Questions, and what is not asked.
#[derive(Debug, Default)]
pub struct Made {
    /// The questions.
    pub questions: Vec<Question>,
    /// How many flows are not asked.
    pub not_asked: usize,
    /// Why they are not; at most 100 of them.
    pub why_not: Vec<NotAsked>,
}

/// Makes questions, and tells what is not asked.
#[must_use]
pub fn questions(network: &Network, which: &Which) -> Made {
    let mut maker = Maker {
        network,
        prover: Prover::new(network),
        holders: Holders::of(network),
        all: Vec::new(),
        known: BTreeSet::new(),
        not_asked: 0,
        why_not: BTreeMap::new(),
    };
    match which {
        Which::Intents(names) => {
            let own = Questions::of(network);
            for (name, intent) in network.description.expect.iter() {
                if names.is_empty() || names.contains(&name.value) {
                    maker.intent(&own, &name.value, intent);
                }
            }
        }
        Which::Pairs => maker.pairs(),
        Which::Flows(flows) => maker.flows(flows),
    }
    let why_not = maker.why_not.into_iter();
    let why_not =
        why_not.map(|((intent, why), (flows, first))| NotAsked { intent, why, flows, first });
    Made { questions: maker.all, not_asked: maker.not_asked, why_not: why_not.collect() }
}

struct Maker<'n> {
    network: &'n Network,
    prover: Prover<'n>,
    holders: Holders<'n>,
    all: Vec<Question>,
    known: BTreeSet<(String, IpAddr, IpAddr, Option<u16>)>,
    not_asked: usize,
    /// By intent and reason: how many flows, and the first of them.
    why_not: BTreeMap<(Option<String>, String), (usize, String)>,
}

/// Who asks whom, for which intent.
#[derive(Clone, Copy)]
struct Ends<'a> {
    intent: Option<&'a str>,
    from: &'a Point,
    to: &'a Point,
}

impl Maker<'_> {
    fn intent(&mut self, own: &Questions, name: &str, intent: &Intent) {
        let services: Vec<Service> = match intent.service.as_slice() {
            [] => vec![Service::Any],
            some => some.iter().map(|service| service.value).collect(),
        };
        for from in &intent.from {
            let Ok(from) = asked::source(self.network, &own.names, &from.value) else { continue };
            for source in &from.points {
                let asker = asked::asker(self.network, source);
                for to in &intent.to {
                    let found = asked::destination(self.network, &own.names, asker, &to.value);
                    let Ok(found) = found else { continue };
                    for target in found.points.iter().filter(|target| target.name != source.name) {
                        for service in &services {
                            let ends = Ends { intent: Some(name), from: source, to: target };
                            self.between(ends, *service);
                        }
                    }
                }
            }
        }
    }

    /// The machines that run.
    fn machines(&self) -> Vec<Point> {
        let network = self.network;
        let point = |index: usize| {
            let row = &network.interfaces[index];
            let service = network.serverless.iter().any(|one| one.endpoint == row.owner);
            let origin = Some(Origin::Interface(InterfaceId::at(index)));
            (row.running && !row.answers_only && !service).then(|| Point {
                name: row.name.clone(),
                origin,
                meant: origin,
                addresses: row.addresses.clone(),
                public: row.public.clone(),
                outside: None,
            })
        };
        (0..network.interfaces.len()).filter_map(point).collect()
    }

    /// What was named, each by the machine's first interface.
    fn flows(&mut self, flows: &[Asked]) {
        let all = self.machines();
        for Asked { from, to, port } in flows {
            let named = |name: &String| all.iter().find(|point| point.name == *name);
            match (named(from), named(to)) {
                (Some(from), Some(to)) => {
                    let ends = Ends { intent: None, from, to };
                    match port {
                        Some(port) => self.asked(ends, tcp(*port)),
                        None => self.echo(ends),
                    }
                }
                _ => {
                    let first = || format!("{from} → {to} {}", what(*port));
                    self.leave(None, "no machine of that name runs".to_owned(), 1, first);
                }
            }
        }
    }

    /// An echo between each two machines that run.
    fn pairs(&mut self) {
        let all = self.machines();
        for (number, from) in all.iter().enumerate() {
            // Beyond what is asked they are only counted: pairs are many.
            if self.all.len() == MOST {
                let pairs = (all.len() - number).saturating_mul(all.len().saturating_sub(1));
                let first = format!("{} → every other machine", from.name);
                self.leave(None, too_many(), pairs, || first);
                return;
            }
            for to in all.iter().filter(|to| to.name != from.name) {
                self.echo(Ends { intent: None, from, to });
            }
        }
    }

    fn between(&mut self, ends: Ends<'_>, service: Service) {
        match (service, packet_of(service, None)) {
            (Service::Any, _) => {
                self.echo(ends);
                self.asked(ends, tcp(UNNAMED_PORT));
            }
            (Service::Ports { protocol: protocol::TCP, ports }, _) => {
                self.asked(ends, tcp(ports.first));
            }
            (Service::Icmp { .. }, _) => self.echo(ends),
            (_, packet) => {
                let Ends { intent, from, to } = ends;
                let flows = flows_between(from, to, packet).len().max(1);
                let why = match service {
                    Service::Ports { protocol: protocol::UDP, .. } => {
                        "of UDP nothing comes back where nobody listens"
                    }
                    _ => "hosts ask TCP and ICMP echo only",
                };
                let first = || format!("{} → {} {service}", from.name, to.name);
                self.leave(intent, why.to_owned(), flows, first);
            }
        }
    }

    fn echo(&mut self, ends: Ends<'_>) {
        for (protocol, kind, v4) in
            [(protocol::ICMP, ECHO.0, true), (protocol::ICMPV6, ECHO.1, false)]
        {
            let packet = Layer4 { protocol, src_port: kind, dst_port: 0 };
            for flow in flows_between(ends.from, ends.to, Some(packet)) {
                if flow.dst.is_ipv4() == v4 {
                    self.flow(ends, flow, None);
                }
            }
        }
    }

    fn asked(&mut self, ends: Ends<'_>, packet: Layer4) {
        for flow in flows_between(ends.from, ends.to, Some(packet)) {
            self.flow(ends, flow, Some(packet.dst_port));
        }
    }

    fn flow(&mut self, ends: Ends<'_>, flow: Flow, port: Option<u16>) {
        let Ends { intent, from, to } = ends;
        match self.question(ends, flow, port) {
            Ok(question) => self.all.extend(question),
            Err(why) => {
                let first = || format!("{} → {} ({}) {}", from.name, to.name, flow.dst, what(port));
                self.leave(intent, why, 1, first);
            }
        }
    }

    /// A flow as a question: none where it is asked already, or why it is not asked.
    fn question(
        &mut self,
        Ends { intent, from, to }: Ends<'_>,
        flow: Flow,
        port: Option<u16>,
    ) -> Result<Option<Question>, String> {
        let network = self.network;
        let place =
            place(network, flow.origin).ok_or("a service has no place of its own on a host")?;
        if let Some(why) = self.cannot_be_told(from, to, &flow) {
            return Err(why);
        }
        let key = (place.clone(), flow.src, flow.dst, port);
        if self.all.len() == MOST && !self.known.contains(&key) {
            return Err(too_many());
        }
        let trace = self.prover.trace(flow);
        let predicted = match trace.verdict {
            Verdict::Reachable => true,
            Verdict::Unknown | Verdict::Unresolved => {
                return Err("what is proved is no verdict that packets could confirm".to_owned());
            }
            Verdict::Blocked | Verdict::NoReturn => false,
        };
        if let Some(why) = self.reaches_another(to, &trace) {
            return Err(why);
        }
        if !self.known.insert(key) {
            return Ok(None);
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        Ok(Some(Question {
            number,
            intent: intent.map(str::to_owned),
            from: from.name.clone(),
            to: to.name.clone(),
            place,
            source: flow.src,
            target: flow.dst,
            port,
            predicted,
        }))
    }

    /// Why packets do not tell who answered, or from where; none where they do.
    fn cannot_be_told(&self, from: &Point, to: &Point, flow: &Flow) -> Option<String> {
        let network = self.network;
        for (point, address) in [(to, flow.dst), (from, flow.src)] {
            let Some(Origin::Interface(id)) = point.origin else { continue };
            let owner = &network[network[id].owner];
            // Who is behind a balancer is not seen from one end.
            if owner.kind == EndpointKind::LoadBalancer {
                return Some(
                    "which backend a load balancer chose is not seen from one end".to_owned(),
                );
            }
            // In a host's namespaces machines have the routes of their first interface.
            if owner.interfaces.first() != Some(&id) {
                return Some("machines ask and answer by their first interface".to_owned());
            }
            let vpc = network[network[id].subnet].vpc;
            if self.holders.are_several(vpc, address) {
                let vpc = &network[vpc].name;
                return Some(format!("{address} is held by several machines of VPC {vpc}"));
            }
        }
        let several = self.holders.attached(flow)?;
        let names: Vec<&str> = several.iter().map(|vpc| network[*vpc].name.as_str()).collect();
        Some(format!("{} is in the VPCs {}, and {} in both", flow.dst, names.join(", "), from.name))
    }

    /// Why a flow is not about its destination: in the asker's VPC somebody else has the address.
    fn reaches_another(&self, to: &Point, trace: &Trace) -> Option<String> {
        let network = self.network;
        let arrived = self.holders.instead_of(to, trace)?;
        let (target, name) = (trace.flow.dst, &network[arrived].name);
        let vpc = &network[network[network[arrived].subnet].vpc].name;
        Some(format!("{target} is also in VPC {vpc}, where {name} has it"))
    }

    /// Flows are not asked.
    fn leave(
        &mut self,
        intent: Option<&str>,
        why: String,
        flows: usize,
        first: impl FnOnce() -> String,
    ) {
        self.not_asked = self.not_asked.saturating_add(flows);
        let key = (intent.map(str::to_owned), why);
        let room = self.why_not.len() < REASONS;
        match self.why_not.get_mut(&key) {
            Some((count, _)) => *count = count.saturating_add(flows),
            None if room => {
                self.why_not.insert(key, (flows, first()));
            }
            None => {}
        }
    }
}

fn too_many() -> String {
    format!("{MOST} questions are asked at a time")
}

fn tcp(port: u16) -> Layer4 {
    Layer4 { protocol: protocol::TCP, src_port: CLIENT_PORT, dst_port: port }
}

/// What sends, as its kind and name; none for what has no place of its own on a host.
fn place(network: &Network, origin: Origin) -> Option<String> {
    let endpoint = match origin {
        Origin::Interface(id) => network[id].owner,
        Origin::Site(id) => network[id].endpoint,
        Origin::External(id) => network[id].endpoint,
        Origin::Internet => return Some("internet".to_owned()),
        Origin::Serverless(_) | Origin::PrivateEndpoint(..) => return None,
    };
    let endpoint = &network[endpoint];
    Some(format!("{}/{}", endpoint.kind.word(), endpoint.name))
}
