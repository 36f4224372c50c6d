//! What each serverless service depends on, and whether it gets there: by which way, and from which address.
//!
//! A dependency over TCP goes to an address of its target. One over a Unix socket goes through the platform's database proxy, which
//! connects onwards to the database's public address (its private one where it has no other) and proves who it is by
//! itself, so that the database's list of networks does not matter; its packets follow the service's egress mode all the same.

use std::net::IpAddr;

use netwright_model::language::{Dependency, DependencyPath, EndpointKind, EndpointRef};
use netwright_model::network::{Network, ServerlessId};
use netwright_model::scalar::Service as Port;
use netwright_model::source::{Span, Spanned};

use crate::ask::{Point, ordinary, points};
use crate::names::asked;
use crate::prover::Prover;
use crate::prover::path::{End, Object, Obstacle, Origin, Path, Step};
use crate::question::{Finding, Partly, Questions, Side};
use crate::trace::{Flow, Trace, Verdict};

/// Port on which a database accepts the platform's proxy (Cloud SQL connectors).
pub const PROXY_PORT: u16 = 3307;

/// A dependency and whether it works.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The service.
    pub service: String,
    /// The dependency's name there.
    pub name: String,
    /// What it leads to, as written.
    pub target: String,
    /// Where it was written.
    pub span: Span,
    /// Whether it works.
    pub verdict: Verdict,
    /// The service works without it.
    pub optional: bool,
    /// The way, in words.
    pub way: String,
    /// Source address that the target sees; none where it cannot be predicted.
    pub sources_seen: Vec<IpAddr>,
    /// It passes a NAT gateway, which charges for its data.
    pub through_nat: bool,
    /// Why it does not work, in words.
    pub why: Option<String>,
    /// Which of the target's addresses do not work, where others do.
    pub partly: Option<Partly>,
    /// How it is reached.
    pub via: DependencyPath,
    /// The flow that the verdict is about: the best of those that it may take.
    pub flow: Option<Flow>,
}

impl Answer {
    /// Whether the service lacks something it needs.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        !self.optional && !matches!(self.verdict, Verdict::Reachable | Verdict::Unknown)
    }
}

/// Every dependency of every service, in the order written.
pub fn ask(prover: &mut Prover<'_>) -> Vec<Answer> {
    let network = prover.network;
    let questions = Questions::of(network);
    let mut all = Vec::new();
    for (index, (service, written)) in network.description.services.iter().enumerate() {
        for (name, dependency) in written.dependencies.iter() {
            let id = ServerlessId::at(index);
            all.push(one(prover, &questions, id, service, (name, dependency)));
        }
    }
    all
}

fn one(
    prover: &mut Prover<'_>,
    questions: &Questions,
    id: ServerlessId,
    service: &Spanned<String>,
    (name, dependency): (&Spanned<String>, &Dependency),
) -> Answer {
    let network = prover.network;
    let via = dependency.via.as_ref().map(|via| via.value).unwrap_or_default();
    let mut answer = Answer {
        service: service.value.clone(),
        name: name.value.clone(),
        target: dependency.to.to_string(),
        span: name.span,
        verdict: Verdict::Unknown,
        optional: dependency.optional.as_ref().is_some_and(|optional| optional.value),
        way: String::new(),
        sources_seen: Vec::new(),
        through_nat: false,
        why: None,
        partly: None,
        via,
        flow: None,
    };
    let sender = Point {
        name: service.value.clone(),
        origin: Some(Origin::Serverless(id)),
        addresses: Vec::new(),
        public: Vec::new(),
        outside: None,
        meant: None,
    };
    let (target, port) = match targets(network, questions, &sender, dependency, via) {
        Ok(found) => found,
        Err(Nowhere { verdict, why }) => {
            answer.verdict = verdict;
            answer.why = Some(why);
            return answer;
        }
    };
    let service = match via {
        DependencyPath::Udp => Port::udp(port),
        DependencyPath::Tcp | DependencyPath::Socket => Port::tcp(port),
    };
    let from = Side { name: sender.name.clone(), points: vec![sender] };
    let question = questions.between(prover, &from, &target, service);
    let survey = question.ask(prover, service, |_, finding| {
        if via == DependencyPath::Socket && refused_by_list(&finding.trace) {
            Finding { works: Some(true), verdict: Verdict::Reachable, ..finding }
        } else {
            finding
        }
    });
    let Some(finding) = survey.finding else {
        answer.why = Some(format!("{} has no address in this description", dependency.to));
        return answer;
    };
    answer.verdict = finding.verdict;
    let passes_nat = |step: &Step| matches!(step, Step::At(Object::Nat(_)));
    answer.through_nat = finding.trace.forward.path.steps.iter().any(passes_nat);
    answer.flow = Some(finding.trace.flow);
    answer.way = way(network, &finding.trace.forward.path, via);
    answer.sources_seen = finding.trace.sources_seen(network);
    if finding.works != Some(true) {
        let first = finding.trace.blockers(network).first().map(|hop| hop.text.clone());
        let part = survey.partly.as_ref().map(Partly::sentence);
        answer.why = match (part, first) {
            (Some(part), _) => Some(format!("{part}: {}", finding.why)),
            (None, None) if finding.why.is_empty() => None,
            (None, first) => first.or(Some(finding.why)),
        };
        answer.partly = survey.partly;
    }
    answer
}

/// Whether nothing but the target's list of networks stands against a connection.
fn refused_by_list(trace: &Trace) -> bool {
    let by_list = matches!(
        trace.forward.path.end,
        End::Blocked(Obstacle::NotAllowListed(_) | Obstacle::NotPredictable(_))
    );
    by_list && trace.forward.dropped_at().is_none() && trace.forward.unsure_at().is_none()
}

/// Why a dependency leads nowhere.
struct Nowhere {
    verdict: Verdict,
    why: String,
}

impl Nowhere {
    fn unknown(why: String) -> Self {
        Self { verdict: Verdict::Unknown, why }
    }
}

/// What a dependency connects to, and its port.
fn targets(
    network: &Network,
    questions: &Questions,
    sender: &Point,
    dependency: &Dependency,
    via: DependencyPath,
) -> Result<(Side, u16), Nowhere> {
    let given = dependency.port.as_ref().map(|port| port.value);
    if let Some((name, database)) = database(network, &dependency.to.value) {
        return of_database(network, dependency, via, (&name, database)).map_err(Nowhere::unknown);
    }
    let asker = asked::asker(network, sender);
    let found = asked::destination(network, &questions.names, asker, &dependency.to.value)
        .map_err(|missing| Nowhere::unknown(missing.message))?;
    if found.points.is_empty()
        && let Some(resolution) = &found.resolution
    {
        let chain = resolution.chain().unwrap_or_default();
        return Err(if resolution.fails() {
            Nowhere { verdict: Verdict::Unresolved, why: format!("unresolved: {chain}") }
        } else {
            Nowhere::unknown(chain)
        });
    }
    let mut points = found.points;
    let listens = points.iter().find_map(|point| {
        let owner = match point.origin {
            Some(Origin::Interface(id)) => Some(&network[network[id].owner]),
            _ => network.endpoints.iter().find(|endpoint| endpoint.name == point.name),
        };
        owner?.listens.as_ref()?.first()?.first_port()
    });
    let called = points.iter().any(is_service);
    for point in points.iter_mut().filter(|point| is_service(point)) {
        // A service is called by its public name; the provider's front end stands at an address of the Internet.
        point.addresses.push(ordinary(network));
    }
    let port = given.or(listens).or_else(|| called.then_some(443));
    let side = Side { name: dependency.to.to_string(), points };
    port.map(|port| (side, port))
        .ok_or_else(|| Nowhere::unknown(format!("the port of {} is not given", dependency.to)))
}

/// The addresses of a database that a dependency uses, and its port.
fn of_database(
    network: &Network,
    dependency: &Dependency,
    via: DependencyPath,
    (name, database): (&str, &netwright_model::language::Database),
) -> Result<(Side, u16), String> {
    let own = |list: &[Spanned<IpAddr>]| list.iter().map(|a| a.value).collect::<Vec<_>>();
    let reference = EndpointRef::Kind(EndpointKind::Database, name.to_owned());
    let mut placed = points(network, &reference).unwrap_or_default();
    placed.retain(|point| matches!(point.origin, Some(Origin::Interface(_))));
    let mut private = own(&database.private_addresses);
    if private.is_empty() {
        private.extend(placed.iter().flat_map(|point| point.addresses.clone()));
    }
    let mut public = own(&database.public_addresses);
    if public.is_empty() && database.public.as_ref().is_some_and(|public| public.value) {
        // It has a public address that is not known: any address of the Internet stands for it.
        public.push(ordinary(network));
    }
    let prefers_private = match &dependency.private {
        Some(private) => private.value,
        None if via == DependencyPath::Socket => public.is_empty(),
        None => !private.is_empty(),
    };
    let meant = placed.first().and_then(|point| point.origin).filter(|_| prefers_private);
    let addresses = if prefers_private { private } else { public };
    if addresses.is_empty() {
        let which = if prefers_private { "private" } else { "public" };
        return Err(format!("database {name} has no {which} address"));
    }
    let usual = network
        .endpoints
        .iter()
        .find(|e| e.kind == EndpointKind::Database && e.name == name)
        .and_then(|endpoint| endpoint.listens.as_ref()?.first()?.first_port());
    let port = match via {
        DependencyPath::Socket => Some(PROXY_PORT),
        DependencyPath::Tcp | DependencyPath::Udp => {
            dependency.port.as_ref().map(|port| port.value).or(usual)
        }
    };
    let point = Point {
        name: name.to_owned(),
        origin: None,
        public: addresses.clone(),
        addresses,
        outside: None,
        meant,
    };
    let side = Side { name: name.to_owned(), points: vec![point] };
    port.map(|port| (side, port)).ok_or_else(|| format!("the port of database {name} is not given"))
}

fn is_service(point: &Point) -> bool {
    matches!(point.origin, Some(Origin::Serverless(_)))
}

/// The database that a reference names.
fn database<'n>(
    network: &'n Network,
    reference: &EndpointRef,
) -> Option<(String, &'n netwright_model::language::Database)> {
    let name = match reference {
        EndpointRef::Kind(EndpointKind::Database, name) | EndpointRef::Name(name) => name,
        EndpointRef::Kind(..) | EndpointRef::Internet | EndpointRef::Prefix(_) => return None,
    };
    network.description.databases.get(name).map(|database| (name.clone(), database))
}

/// A path in words: what it passes between the service and its target.
fn way(network: &Network, path: &Path, via: DependencyPath) -> String {
    let mut parts: Vec<String> = Vec::new();
    if via == DependencyPath::Socket {
        parts.push("database proxy".to_owned());
    }
    for step in &path.steps {
        let Step::At(object) = step else { continue };
        match object {
            Object::Interface(id) => {
                let owner = &network[network[*id].owner];
                if owner.kind == EndpointKind::Connector {
                    parts.push(format!("connector {}", owner.name));
                }
            }
            Object::Vpc(id) => parts.push(format!("VPC {}", network[*id].name)),
            Object::Nat(id) => parts.push(format!("NAT {}", network[*id].name)),
            Object::Peering(id) => parts.push(format!("peering {}", network[*id].name)),
            Object::Internet => parts.push("Internet".to_owned()),
            Object::Endpoint(_)
            | Object::Subnet(_)
            | Object::Gateway(_)
            | Object::Transit(_)
            | Object::Vpn(_)
            | Object::Serverless(_) => {}
        }
    }
    parts.dedup();
    if parts.is_empty() { "nowhere".to_owned() } else { parts.join(" → ") }
}
