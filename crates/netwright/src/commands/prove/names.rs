//! Names: every name that the description has, asked for by every machine and service that has a name server, and compared with what the
//! prover makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netwright_dataplane::plan::{HostPlan, Role, machine, plan};
use netwright_dns::client::question;
use netwright_lab::ask::{Said, Wanted};
use netwright_lab::control;
use netwright_model::language::EgressMode;
use netwright_model::network::{Network, VpcId};
use netwright_verify::names::seen::hosts;
use netwright_verify::names::{Names, Outcome};
use serde_json::{Value, json};

use crate::arguments::Effort;
use crate::console::{Console, Style};

/// What stands for a wildcard's asterisk: a label that no record has.
const ANY: &str = "any-name-at-all";
/// A label that no zone has.
const NOBODY: &str = "nobody-is-called-so";

/// A name to ask for, and what is expected.
struct NameQuestion {
    wanted: Wanted,
    expected: Expected,
}

/// What is expected of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// These addresses; none where the name is there and has none.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoName,
    /// These names stand for each other.
    Loop(String),
    /// A failure that says why: too many aliases, or nobody holds the name.
    Failure(String),
}

/// Names to ask for.
#[derive(Default)]
struct NamesAsked {
    questions: Vec<NameQuestion>,
    /// Names of which the description does not say what they are answered with.
    unknown: usize,
    left: usize,
}

/// What was asked, and what was said.
pub(super) struct Measured {
    asked: NamesAsked,
    said: Vec<Said>,
}

impl Measured {
    /// Whether every answer was as expected; `None` where nothing was asked.
    pub(super) fn agree(&self) -> Option<bool> {
        let mut both = self.asked.questions.iter().zip(&self.said);
        (!self.said.is_empty()).then(|| both.all(|(question, said)| question.agrees(said)))
    }
}

/// Asks the name servers of a lab.
pub(super) fn measure(
    network: &Network,
    lab: &str,
    effort: &Effort,
) -> Result<Measured, netwright_lab::failure::Failure> {
    let asked = ask(network, effort.most);
    let wanted: Vec<Wanted> = asked.questions.iter().map(|one| one.wanted.clone()).collect();
    let said = control::names(lab, &wanted, effort.wait)?;
    Ok(Measured { asked, said })
}

/// At most `most` questions.
fn ask(network: &Network, most: usize) -> NamesAsked {
    let names = Names::of(network);
    let all = all_names(network, &names);
    let mut asked = NamesAsked::default();
    if all.is_empty() {
        return asked;
    }
    let mut known: BTreeMap<Option<VpcId>, Vec<Option<Expected>>> = BTreeMap::new();
    let views = views(network);
    for (from, server) in askers(&plan(network)) {
        let view = views.get(&from).copied().flatten();
        let expected = known.entry(view).or_insert_with(|| {
            let hosts: BTreeMap<&str, Vec<IpAddr>> = hosts(network, view).into_iter().collect();
            all.iter().map(|name| expected(&names, view, &hosts, name)).collect()
        });
        for (name, expected) in all.iter().zip(expected.iter()) {
            match expected {
                None => asked.unknown += 1,
                Some(_) if asked.questions.len() >= most => asked.left += 1,
                Some(expected) => {
                    let wanted = Wanted { from: from.clone(), server, name: name.clone() };
                    asked.questions.push(NameQuestion { wanted, expected: expected.clone() });
                }
            }
        }
    }
    asked
}

/// Every name of the description: owners of records, what aliases lead to, names of services and outside services; and for each zone one
/// that is not there.
fn all_names(network: &Network, names: &Names) -> Vec<String> {
    let mut all: BTreeSet<String> =
        network.lookup.hosts().map(|(name, _)| name.to_owned()).collect();
    let views =
        std::iter::once(None).chain((0..network.vpcs.len()).map(|vpc| Some(VpcId::at(vpc))));
    for view in views {
        for zone in names.seen(view) {
            let below = |label: &str| match zone.domain {
                "" => label.to_owned(),
                domain => format!("{label}.{domain}"),
            };
            all.insert(below(NOBODY));
            for record in zone.records {
                all.insert(record.owner.replace('*', ANY));
                if record.kind == netwright_model::language::RecordType::Cname {
                    all.extend(record.values.iter().map(|name| name.replace('*', ANY)));
                }
            }
        }
    }
    // What cannot be a name in a message cannot be asked for; `check` tells it.
    all.into_iter().filter(|name| !name.is_empty() && question(name, false, 0).is_some()).collect()
}

/// The machines and services that ask, with the server that each asks first.
fn askers(plan: &HostPlan) -> Vec<(String, IpAddr)> {
    let asking = [Role::Machine, Role::Serverless, Role::External];
    let namespaces = plan.namespaces.iter().filter(|one| asking.contains(&one.role));
    namespaces.filter_map(|one| Some((one.name.clone(), *one.resolvers.first()?))).collect()
}

/// The VPC whose names each namespace sees; the others see public ones only.
fn views(network: &Network) -> BTreeMap<String, Option<VpcId>> {
    let mut views = BTreeMap::new();
    for (index, row) in network.interfaces.iter().enumerate() {
        let id = netwright_model::network::InterfaceId::at(index);
        views.entry(machine(network, id)).or_insert(Some(network[row.subnet].vpc));
    }
    for service in network.serverless.iter().filter(|service| service.mode != EgressMode::None) {
        let vpc = service.interface.map(|interface| network[network[interface].subnet].vpc);
        views.insert(format!("service/{}", network[service.endpoint].name), vpc);
    }
    views
}

fn expected(
    names: &Names,
    view: Option<VpcId>,
    hosts: &BTreeMap<&str, Vec<IpAddr>>,
    name: &str,
) -> Option<Expected> {
    let resolution = names.resolve(view, name);
    let why = resolution.why().unwrap_or_default();
    Some(match resolution.outcome {
        Outcome::Addresses(addresses) => Expected::Addresses(addresses),
        Outcome::NoAddress { .. } => Expected::Addresses(Vec::new()),
        Outcome::NoName { .. } => Expected::NoName,
        Outcome::Loop(_) => Expected::Loop(why),
        Outcome::TooLong => Expected::Failure(why),
        Outcome::Elsewhere(last) => match hosts.get(last.as_str()) {
            Some(addresses) if !addresses.is_empty() => Expected::Addresses(addresses.clone()),
            _ => Expected::Failure(why),
        },
        Outcome::Forwarded { .. } => return None,
    })
}

impl NameQuestion {
    /// Whether a server said what was expected.
    fn agrees(&self, said: &Said) -> bool {
        let code = said.code.as_deref();
        match &self.expected {
            Expected::Addresses(addresses) => {
                code == Some("NOERROR") && said.addresses == *addresses
            }
            Expected::NoName => code == Some("NXDOMAIN"),
            Expected::Loop(_) => {
                let told =
                    said.text.as_ref().is_some_and(|text| text.contains("stand for each other"));
                code == Some("SERVFAIL") && told
            }
            Expected::Failure(_) => code == Some("SERVFAIL"),
        }
    }

    fn predicted(&self) -> String {
        match &self.expected {
            Expected::Addresses(addresses) if addresses.is_empty() => "no address".to_owned(),
            Expected::Addresses(addresses) => list(addresses),
            Expected::NoName => "no such name".to_owned(),
            Expected::Loop(why) | Expected::Failure(why) => why.clone(),
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn observed(said: &Said) -> String {
    let text = said.text.as_ref().map_or_else(String::new, |text| format!(": {text}"));
    match said.code.as_deref() {
        Some("NOERROR") if said.addresses.is_empty() => "no address".to_owned(),
        Some("NOERROR") => list(&said.addresses),
        Some("NXDOMAIN") => "no such name".to_owned(),
        Some(code) => format!("{code}{text}"),
        None => format!("no answer{text}"),
    }
}

/// What disagrees, and how many do not.
pub(super) fn text(console: &mut Console, Measured { asked, said }: &Measured) {
    let both = asked.questions.iter().zip(said);
    let wrong: Vec<_> = both.filter(|(question, said)| !question.agrees(said)).collect();
    for (question, said) in &wrong {
        let head = console.styled(Style::Bad, "disagrees");
        let Wanted { from, name, .. } = &question.wanted;
        console.line(&format!("{head}  {from} asks for {name}"));
        console.line(&format!("      predicted  {}", question.predicted()));
        console.line(&format!("      observed   {}", observed(said)));
    }
    for (name, (said, count)) in loops(asked, said) {
        console.line(&format!("{count} asked for {name}: {said}"));
    }
    let total = asked.questions.len();
    if total > 0 {
        let style = if wrong.is_empty() { Style::Good } else { Style::Bad };
        let head = format!("{} of {total} names were answered as predicted", total - wrong.len());
        console.line(&console.styled(style, &head));
    }
    if asked.unknown > 0 {
        console.line(&format!(
            "{} names are answered by servers whose answers are not described",
            asked.unknown
        ));
    }
    if asked.left > 0 {
        console.line(&format!("{} more names were not asked; `--most` asks more", asked.left));
    }
}

/// The names whose aliases were seen to lead in a circle: what the servers said, and how many asked.
fn loops<'a>(asked: &'a NamesAsked, said: &'a [Said]) -> BTreeMap<&'a str, (&'a str, usize)> {
    let mut found = BTreeMap::new();
    for (question, said) in asked.questions.iter().zip(said) {
        if matches!(question.expected, Expected::Loop(_)) && question.agrees(said) {
            let text = said.text.as_deref().unwrap_or_default();
            found.entry(question.wanted.name.as_str()).or_insert((text, 0)).1 += 1;
        }
    }
    found
}

/// The same for programs.
pub(super) fn document(Measured { asked, said }: &Measured) -> Value {
    let both = asked.questions.iter().zip(said);
    let all: Vec<Value> = both
        .map(|(question, said)| {
            json!({
                "from": question.wanted.from,
                "server": question.wanted.server.to_string(),
                "name": question.wanted.name,
                "predicted": question.predicted(),
                "observed": observed(said),
                "agrees": question.agrees(said),
            })
        })
        .collect();
    json!({"questions": all, "unknown": asked.unknown, "not_tried": asked.left})
}
