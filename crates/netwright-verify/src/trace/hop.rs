//! The steps of a trace as people read them: objects with names, identifiers and places.

use netwright_model::language::Direction as Way;
use netwright_model::network::{Network, Target};
use netwright_model::source::Span;

use crate::prover::path::{Check, End, Level, Object, Step, Table, Translator};
use crate::prover::policy::Decider;

use super::reason::{gap_reason, obstacle_reason, route_words};
use super::{Direction, Passed, Reason};

/// What a hop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HopKind {
    /// The packet is at an object.
    At,
    /// Filters decided.
    Filter,
    /// A route was chosen.
    Route,
    /// An address was translated.
    Translate,
    /// The path ends here.
    End,
}

impl HopKind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::At => "at",
            Self::Filter => "filter",
            Self::Route => "route",
            Self::Translate => "translate",
            Self::End => "end",
        }
    }
}

/// The rule that decided at a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleUse {
    /// The filter's name.
    pub filter: String,
    /// The filter's identifier in the provider's export.
    pub filter_id: Option<String>,
    /// The rule's name; "default" where no rule matched.
    pub rule: String,
    /// Where the rule was written.
    pub span: Span,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// What it is.
    pub kind: HopKind,
    /// Kind of the object, for example `subnet`.
    pub object: &'static str,
    /// The object's name.
    pub name: String,
    /// Identifiers of the object in the provider's export: its own, and for an interface its owner's first.
    pub ids: Vec<String>,
    /// What happened, in words.
    pub text: String,
    /// The rule that decided.
    pub rule: Option<RuleUse>,
    /// Whether the packet goes on: `Some(false)` dropped, `None` unknown.
    pub passed: Option<bool>,
    /// Where the object was written.
    pub span: Span,
}

/// The hops of one direction, up to where the packet is surely dropped.
#[must_use]
pub fn hops(network: &Network, direction: &Direction) -> Vec<Hop> {
    let mut hops = Vec::new();
    for (step, passed) in direction.path.steps.iter().zip(&direction.passed) {
        if is_empty_check(step, passed) {
            continue;
        }
        hops.push(hop(network, step, passed));
        if matches!(passed, Passed::No(_) | Passed::WrongProtocol) {
            return hops;
        }
    }
    let end = match &direction.path.end {
        End::Delivered(_) => return hops,
        End::Blocked(obstacle) => (obstacle_reason(network, obstacle), Some(false)),
        End::Unknown(gap) => (gap_reason(network, gap), None),
    };
    let (Reason { id, text, span }, passed) = end;
    hops.push(Hop {
        kind: HopKind::End,
        object: id,
        name: String::new(),
        ids: Vec::new(),
        text,
        rule: None,
        passed,
        span,
    });
    hops
}

/// Every reason why a direction does not arrive: each filter that drops it, then where the path ends.
#[must_use]
pub(super) fn blockers(network: &Network, direction: &Direction) -> Vec<Hop> {
    let mut found = Vec::new();
    for (step, passed) in direction.path.steps.iter().zip(&direction.passed) {
        if !matches!(passed, Passed::Yes(_) | Passed::Established) {
            found.push(hop(network, step, passed));
        }
    }
    let rest = Direction {
        path: direction.path.clone(),
        passed: vec![Passed::Yes(None); direction.passed.len()],
    };
    found.extend(hops(network, &rest).into_iter().filter(|hop| hop.kind == HopKind::End));
    found
}

/// A place where no filter is attached: nothing to tell.
fn is_empty_check(step: &Step, passed: &Passed) -> bool {
    matches!(
        (step, passed),
        (Step::Check(_), Passed::Yes(Some(Decider::Nothing)) | Passed::Yes(None))
    )
}

struct Named {
    kind: &'static str,
    name: String,
    ids: Vec<String>,
    span: Span,
}

fn named(network: &Network, object: Object) -> Named {
    let of = |kind, name: &str, id: Option<&String>, span| Named {
        kind,
        name: name.to_owned(),
        ids: id.cloned().into_iter().collect(),
        span,
    };
    match object {
        Object::Interface(id) => {
            let row = &network[id];
            let owner = &network[row.owner];
            let ids = owner.id.iter().chain(&row.id).cloned().collect();
            Named { kind: owner.kind.word(), name: row.name.clone(), ids, span: row.span }
        }
        Object::Endpoint(id) => {
            let row = &network[id];
            of(row.kind.word(), &row.name, row.id.as_ref(), row.span)
        }
        Object::Subnet(id) => {
            of("subnet", &network[id].name, network[id].id.as_ref(), network[id].span)
        }
        Object::Vpc(id) => of("vpc", &network[id].name, network[id].id.as_ref(), network[id].span),
        Object::Gateway(id) => {
            of("internet_gateway", &network[id].name, network[id].id.as_ref(), network[id].span)
        }
        Object::Nat(id) => {
            of("nat_gateway", &network[id].name, network[id].id.as_ref(), network[id].span)
        }
        Object::Peering(id) => {
            of("peering", &network[id].name, network[id].id.as_ref(), network[id].span)
        }
        Object::Transit(id) => {
            of("transit", &network[id].name, network[id].id.as_ref(), network[id].span)
        }
        Object::Vpn(id) => {
            let row = &network[id];
            let ids = row.gateway.iter().chain(&row.id).cloned().collect();
            Named { kind: "vpn", name: row.name.clone(), ids, span: row.span }
        }
        Object::Serverless(id) => {
            let row = &network[network[id].endpoint];
            of("service", &row.name, row.id.as_ref(), row.span)
        }
        Object::Internet => Named {
            kind: "internet",
            name: "internet".to_owned(),
            ids: vec!["internet".to_owned()],
            span: Span::NONE,
        },
    }
}

/// The name of a route's target with its kind.
pub(super) fn target_name(network: &Network, target: &Target) -> String {
    let object = match target {
        Target::Local => return "local".to_owned(),
        Target::Blackhole => return "a black hole".to_owned(),
        Target::Unknown(what) => return format!("something not represented ({what})"),
        Target::Vpn(links) => {
            let names: Vec<&str> = links.iter().map(|link| network[*link].name.as_str()).collect();
            return format!("VPN {}", names.join(", "));
        }
        Target::Attachment(id) => return format!("attachment {}", network[*id].name),
        Target::Gateway(id) => Object::Gateway(*id),
        Target::Nat(id) => Object::Nat(*id),
        Target::Peering(id) => Object::Peering(*id),
        Target::Transit(id) => Object::Transit(*id),
        Target::Interface(id) => Object::Interface(*id),
        Target::PrivateEndpoint(id) => Object::Endpoint(*id),
        Target::External(id) => Object::Endpoint(network[*id].endpoint),
    };
    let named = named(network, object);
    format!("{} {}", named.kind.replace('_', " "), named.name)
}

fn hop(network: &Network, step: &Step, passed: &Passed) -> Hop {
    match step {
        Step::At(object) => {
            let Named { kind, name, ids, span } = named(network, *object);
            let text = String::new();
            Hop {
                kind: HopKind::At,
                object: kind,
                name,
                ids,
                text,
                rule: None,
                passed: Some(true),
                span,
            }
        }
        Step::Check(check) => filter_hop(network, check, passed),
        Step::Route { table, route } => {
            let (name, id, own) = match table {
                Table::Vpc(id) => (&network[*id].name, &network[*id].id, network[*id].span),
                Table::Hub(id) => (&network[*id].name, &network[*id].id, network[*id].span),
            };
            let (words, span) = route_words(network, *table, *route);
            Hop {
                kind: HopKind::Route,
                object: "route_table",
                name: name.clone(),
                ids: id.iter().cloned().collect(),
                text: words,
                rule: None,
                passed: Some(true),
                span: if span.is_some() { span } else { own },
            }
        }
        Step::Translate(translation) => {
            let object = match translation.by {
                Translator::Gateway(id) => Object::Gateway(id),
                Translator::Nat(id) => Object::Nat(id),
            };
            let Named { kind, name, ids, span } = named(network, object);
            let side = if translation.source { "source" } else { "destination" };
            let to = if translation.to.is_unspecified() {
                "an address that cannot be predicted".to_owned()
            } else {
                translation.to.to_string()
            };
            let text = format!("{side} {} becomes {to}", translation.from);
            Hop {
                kind: HopKind::Translate,
                object: kind,
                name,
                ids,
                text,
                rule: None,
                passed: Some(true),
                span,
            }
        }
        Step::NatProtocolsOnly(nat) => {
            let Named { kind, name, ids, span } = named(network, Object::Nat(*nat));
            let wrong = *passed == Passed::WrongProtocol;
            let text = format!("{name} carries only TCP, UDP and ICMP");
            let passed = Some(!wrong);
            Hop { kind: HopKind::Filter, object: kind, name, ids, text, rule: None, passed, span }
        }
    }
}

fn filter_hop(network: &Network, check: &Check, passed: &Passed) -> Hop {
    let (object, level) = match check.level {
        Level::Interface(id) => (Object::Interface(id), "interface"),
        Level::Vpc(id) => (Object::Interface(id), "VPC"),
        Level::Subnet(id) => (Object::Subnet(id), "subnet"),
    };
    let Named { kind, name, ids, span } = named(network, object);
    let way = match check.direction {
        Way::Ingress => "into",
        Way::Egress => "out of",
    };
    let (decider, verb, went) = match passed {
        Passed::Yes(decider) => (*decider, "allows", Some(true)),
        Passed::No(decider) => (Some(*decider), "denies", Some(false)),
        Passed::Unknown(decider) => (Some(*decider), "may allow or deny", None),
        Passed::WrongProtocol => (None, "denies", Some(false)),
        Passed::Established => (None, "passes as an answer", Some(true)),
    };
    let rule = decider.and_then(|decider| rule_use(network, decider));
    let text = match (&rule, passed) {
        (_, Passed::Established) => {
            format!("{level} filters {way} {name} keep state: the answer passes")
        }
        (Some(rule), Passed::Unknown(_)) => {
            let chosen = chosen(network, check);
            format!("{} {verb} {way} {name}: {}{chosen}", rule.filter, rule.rule)
        }
        (Some(rule), _) => format!("{} {} {way} {name}: {}", rule.filter, verb, rule.rule),
        (None, _) => format!("{level} filters {way} {name}"),
    };
    Hop { kind: HopKind::Filter, object: kind, name, ids, text, rule, passed: went, span }
}

/// Why a filter may allow or deny a packet whose address a gateway chooses.
fn chosen(network: &Network, check: &Check) -> String {
    let holds = |nat: &&netwright_model::network::Nat| {
        let seen = [check.seen.src, check.seen.dst];
        nat.addresses.len() > 1 && seen.iter().any(|address| nat.addresses.contains(address))
    };
    network.nats.iter().find(holds).map_or_else(String::new, |nat| {
        format!("; NAT gateway {} takes any of its {} addresses", nat.name, nat.addresses.len())
    })
}

fn rule_use(network: &Network, decider: Decider) -> Option<RuleUse> {
    match decider {
        Decider::Rule(filter, rule) => {
            let row = &network[filter];
            let rule = row.rules.get(rule)?;
            Some(RuleUse {
                filter: row.name.clone(),
                filter_id: row.id.clone(),
                rule: rule.name.clone(),
                span: if rule.span.is_some() { rule.span } else { row.span },
            })
        }
        Decider::Default(filter) => {
            let row = &network[filter];
            let rule = match &row.incomplete {
                Some(why) => format!("its rules are not all known: {why}"),
                None => "no rule matches (default)".to_owned(),
            };
            Some(RuleUse {
                filter: row.name.clone(),
                filter_id: row.id.clone(),
                rule,
                span: row.span,
            })
        }
        Decider::Nothing => None,
    }
}
