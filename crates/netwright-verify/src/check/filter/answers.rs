//! Connections that open and whose answers a filter without state drops.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netwright_model::language::{Action, Attachment, Direction, EndpointKind};
use netwright_model::network::{Filter, FilterId, Network, Rule, SubnetId};
use netwright_model::source::Span;

use super::Used;
use super::cover::Line;
use crate::check::Report;
use crate::prover::Prover;
use crate::prover::path::Origin;
use crate::prover::policy::Layer4;
use crate::reach::{Group, Member};
use crate::space::show::layer4;
use crate::space::{ANY_PORT, IcmpAnswer, Set, Space, protocol};
use crate::trace::Flow;

/// Ports that systems open connections from: what Linux, Windows and the BSDs have in common (RFC 6335 names them dynamic).
const CLIENT_PORTS: std::ops::RangeInclusive<u16> = 49_152..=60_999;

pub(super) fn check(prover: &mut Prover<'_>, used: &Used, report: &mut Report) {
    let network = prover.network;
    let mut space = Space::new();
    let subnets: BTreeSet<SubnetId> = network
        .filters
        .iter()
        .enumerate()
        .filter(|(_, filter)| filter.attach == Attachment::Subnet && !filter.stateful)
        .filter(|(_, filter)| may_drop_answers(network, filter, &mut space))
        .flat_map(|(index, _)| used.subnets(FilterId::at(index)))
        .copied()
        .collect();
    if subnets.is_empty() {
        return;
    }
    let inside = |member: &Member| match member {
        Member::Interface(id, _) => subnets.contains(&network[*id].subnet),
        Member::Serverless(_) | Member::Outside(..) => false,
    };
    let mut told = Told::default();
    for outgoing in [true, false] {
        // Where the sets outgrow their memory, nothing is known and nothing is said.
        let found = if outgoing {
            prover.reach_between(inside, |_| true)
        } else {
            prover.reach_between(|_| true, inside)
        };
        let Ok(reach) = found else { return };
        let client = prover.space.layer4(protocol::TCP, &[CLIENT_PORTS], ANY_PORT);
        let mut lost: BTreeMap<(usize, usize), Set> = BTreeMap::new();
        for block in reach.blocks() {
            let own = block.flows.no_return(&mut prover.space);
            let own = prover.space.and(own, client);
            if !own.is_empty() && !lets_answers_out(&mut prover.space, own) {
                lost.extend(reach.pairs(&block).map(|entry| ((entry.src, entry.dst), own)));
            }
        }
        let mut by_sender: BTreeMap<usize, Vec<(usize, Set)>> = BTreeMap::new();
        for ((src, dst), set) in lost {
            by_sender.entry(src).or_default().push((dst, set));
        }
        for (src, to) in by_sender {
            let sends = |member: &&Member| opens(network, member) && (outgoing || !inside(member));
            let from: Vec<Member> =
                reach.groups[src].members.iter().filter(sends).copied().collect();
            let to: Vec<(&Group, Set)> =
                to.into_iter().map(|(dst, set)| (&*reach.groups[dst], set)).collect();
            told.gather(prover, &from, &to);
        }
    }
    told.report(prover, report);
}

/// Whether requests are let through only because answers are: a rule for answers opens the ports that clients use, and with them
/// requests that nobody means.
fn lets_answers_out(space: &mut Space, requests: Set) -> bool {
    let known = space.layer4(protocol::TCP, ANY_PORT, &[0..=1023]);
    let clients = space.layer4(protocol::TCP, ANY_PORT, &[CLIENT_PORTS]);
    !space.intersects(requests, known) && space.intersects(requests, clients)
}

/// Whether a filter lets some client's request pass whose answer it does not, as far as its own rules say.
fn may_drop_answers(network: &Network, filter: &Filter, space: &mut Space) -> bool {
    let mut allowed = |direction: Direction| {
        let rules: Vec<&Rule> = filter.rules_for(direction).map(|(_, rule)| rule).collect();
        let line = Line::of(network, rules, space);
        let plain = (0..line.rules.len()).all(|rule| line.is_plain(rule) && line.is_certain(rule));
        let pairs: Vec<(Set, bool)> = (0..line.rules.len())
            .map(|rule| (line.plain[rule], line.rules[rule].action == Action::Allow))
            .collect();
        let default = filter.default_action(direction) == Action::Allow;
        (plain && filter.ordered).then(|| space.first_match(&pairs, default))
    };
    let (Some(ingress), Some(egress)) = (allowed(Direction::Ingress), allowed(Direction::Egress))
    else {
        return true;
    };
    let client = space.layer4(protocol::TCP, &[CLIENT_PORTS], ANY_PORT);
    [(ingress, egress), (egress, ingress)].into_iter().any(|(request, answer)| {
        let asked = space.and(request, client);
        let answered = space.reverse(answer, IcmpAnswer::Same);
        !space.is_subset(asked, answered)
    })
}

/// Whether a member opens connections of its own: a balancer does to its backends only, a private endpoint to nobody.
fn opens(network: &Network, member: &Member) -> bool {
    let Member::Interface(id, _) = member else { return false };
    !matches!(
        network[network[*id].owner].kind,
        EndpointKind::LoadBalancer | EndpointKind::PrivateEndpoint
    )
}

/// What is lost, between whom and by what. How `reach` happens to group endpoints depends on what was computed before, so nothing here
/// does: receivers of one sender are gathered over groups, and senders that lose the same to the same are told together.
#[derive(Default)]
struct Told {
    /// By what stands in the way and what is lost to whom: the senders, and what the first of them is told.
    all: BTreeMap<Loss, (BTreeSet<Member>, String)>,
}

/// What somebody loses.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Loss {
    span: Span,
    flows: Set,
    receivers: Vec<Member>,
}

impl Told {
    /// Takes what some senders that nothing tells apart lose to some groups.
    fn gather(&mut self, prover: &mut Prover<'_>, from: &[Member], to: &[(&Group, Set)]) {
        let Some(first) = from.first() else { return };
        let mut losses: BTreeMap<(Span, Set), (String, Vec<Member>)> = BTreeMap::new();
        for (group, flows) in to {
            let Some((span, text)) = blocker(prover, first, group, *flows) else { continue };
            let (words, members) =
                losses.entry((span, *flows)).or_insert_with(|| (text.clone(), Vec::new()));
            if text < *words {
                *words = text;
            }
            members.extend(&group.members);
        }
        for ((span, flows), (text, members)) in losses {
            let loss = Loss { span, flows, receivers: joined(members) };
            let (senders, words) =
                self.all.entry(loss).or_insert_with(|| (BTreeSet::new(), text.clone()));
            if senders.first().is_some_and(|known| first < known) {
                *words = text;
            }
            senders.extend(from);
        }
    }

    fn report(self, prover: &mut Prover<'_>, report: &mut Report) {
        let network = prover.network;
        for (loss, (senders, words)) in self.all {
            let message = format!(
                "{} may connect to {} ({}), and the answers are dropped: {words}",
                named(network, senders.iter()),
                named(network, loss.receivers.iter()),
                layer4(&mut prover.space, loss.flows)
            );
            let remedy =
                "allow the answers, to the ports that clients use, or drop the requests too";
            report.add("NW-FLT-012", loss.span, message, remedy);
        }
    }
}

/// The rule that drops the answers of a group, its place and words; none where something else than a filter does.
fn blocker(
    prover: &mut Prover<'_>,
    sender: &Member,
    to: &Group,
    lost: Set,
) -> Option<(Span, String)> {
    let network = prover.network;
    let (origin, src, dst) = ends(sender, to.members.first()?)?;
    let packet = prover.space.pick(lost)?;
    let packet = Some(Layer4::from(&packet));
    let trace = prover.trace(Flow { origin, src, dst, packet, meant: None });
    let hop = trace.blockers(network).into_iter().find(|hop| hop.rule.is_some())?;
    let rule = hop.rule.as_ref().map(|rule| rule.span);
    let span = rule.filter(|span| span.is_some()).unwrap_or(hop.span);
    Some((span, hop.text))
}

/// Members in their order, with outside ranges that touch or overlap made one.
fn joined(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_unstable();
    members.dedup();
    let mut all: Vec<Member> = Vec::new();
    for member in members {
        if let (Some(Member::Outside(whose, _, end)), Member::Outside(other, first, last)) =
            (all.last_mut(), member)
            && *whose == other
            && (first <= *end || after(*end) == Some(first))
        {
            *end = last.max(*end);
            continue;
        }
        all.push(member);
    }
    all
}

/// The next address of the same family.
fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// Some members, by name.
fn named<'a>(network: &Network, members: impl Iterator<Item = &'a Member>) -> String {
    let mut names: Vec<String> = members
        .map(|member| match member {
            Member::Interface(id, address) => format!("{} ({address})", network[*id].name),
            Member::Serverless(id) => network[network[*id].endpoint].name.clone(),
            Member::Outside(_, first, last) => format!("{first}-{last}"),
        })
        .collect();
    let more = names.len().saturating_sub(2);
    names.truncate(2);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Where a connection between two members starts, and its addresses. What comes from outside is asked about by `reach`.
fn ends(from: &Member, to: &Member) -> Option<(Origin, IpAddr, IpAddr)> {
    match (from, to) {
        (Member::Interface(id, src), Member::Interface(_, dst) | Member::Outside(_, dst, _)) => {
            Some((Origin::Interface(*id), *src, *dst))
        }
        _ => None,
    }
}
