//! VPC firewall rules, and the filters that a network's packets pass: hierarchical policies, VPC rules, network policies, the implied rules.
//!
//! Each is a filter of its own with a place in line (`tier`). A policy that no rule of decides passes the question on; after all of them the
//! implied rules let out and keep out (VPC documentation, "Firewall policies": evaluation order).

use netwright_model::language::{Action, Attachment, Direction, Filter, Peer, Rule};
use netwright_model::scalar::{PortRange, Prefix, ProtocolMatch, Scalar};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::Object;
use crate::access::Access;

/// Places in line. Hierarchical policies take the numbers from the first on, in their order.
pub(super) const TIER_HIERARCHY: u32 = 10;
pub(super) const TIER_SYSTEM: u32 = 500;
pub(super) const TIER_NETWORK_BEFORE: u32 = 600;
const TIER_RULES: u32 = 700;
pub(super) const TIER_NETWORK_AFTER: u32 = 800;
const TIER_IMPLIED: u32 = 900;

/// Priority of the implied rules.
const IMPLIED_PRIORITY: u32 = 65_535;

/// Priority of rules that name none.
const DEFAULT_PRIORITY: u32 = 1000;

impl<'e> Import<'e> {
    pub(super) fn firewalls(&mut self) {
        let networks: Vec<(String, String)> =
            self.names.networks().map(|(link, key)| (link.to_owned(), key.to_owned())).collect();
        for (link, key) in networks {
            let effective = self.effective_of(&key);
            let rules = self.rules_of(&key, &effective);
            let at = self.export.find(&link).map_or(Span::NONE, Object::span);
            let listed = !rules.is_empty() || !effective.is_empty();
            self.vpc_rules(&key, &rules, at, listed);
            let policies = self.policies(&link, &key, &effective);
            let unnamed = effective.is_empty() && self.has_unnamed_answer();
            if unnamed || (effective.is_empty() && self.lists_hierarchy()) {
                let what = if unnamed {
                    "an answer about effective firewalls does not say of which network it is"
                } else {
                    "the export holds policies of folders or of the organisation, and not whether they are for this network"
                };
                self.uncertain_policies(&key, what, at);
            } else if effective.is_empty() && listed && policies == 0 {
                let what = "the export holds no effective firewalls of the network: policies of folders and of the organisation are taken to be none";
                self.gap(&format!("vpc:{key}"), what, at, false);
            }
            self.implied_rules(&key, at);
        }
    }

    /// Answers of `getEffectiveFirewalls` for a network: those whose rules name it, and those that stand beside no other network.
    fn effective_of(&self, key: &str) -> Vec<Object<'e>> {
        let mut found = Vec::new();
        for effective in self.export.all("effectiveFirewalls") {
            let named = effective.node.list("firewalls").iter().find_map(|f| f.word("network"));
            let own = match named {
                Some(link) => self.names.network(link) == Some(key),
                None => self.only_network_beside(*effective).as_deref() == Some(key),
            };
            if own {
                found.push(*effective);
            }
        }
        found
    }

    /// Whether some answer names no network and stands beside several.
    fn has_unnamed_answer(&self) -> bool {
        self.export.all("effectiveFirewalls").iter().any(|answer| {
            let mut rules = answer.node.list("firewalls").iter();
            rules.all(|rule| rule.word("network").is_none())
                && self.only_network_beside(*answer).is_none()
        })
    }

    /// Policies that may be asked before the network's own rules and are not known: whatever they could decide is unknown.
    fn uncertain_policies(&mut self, key: &str, what: &str, at: Span) {
        let filter = Filter {
            attach: Some(Spanned::new(Attachment::Vpc, at)),
            vpc: Some(Spanned::new(key.to_owned(), at)),
            ordered: Some(Spanned::new(true, at)),
            tier: Some(Spanned::new(TIER_HIERARCHY, at)),
            default_ingress: Some(Spanned::new(Action::Next, at)),
            default_egress: Some(Spanned::new(Action::Next, at)),
            incomplete: Some(Spanned::new(what.to_owned(), at)),
            span: at.into(),
            ..Filter::default()
        };
        self.description.filters.insert(Spanned::new(format!("{key}-policies"), at), filter);
        self.gap(&format!("vpc:{key}"), what, at, true);
    }

    /// The network of an answer that names none: the only one whose objects stand in its folder.
    fn only_network_beside(&self, effective: Object<'_>) -> Option<String> {
        let folder = effective.folder();
        let mut beside: Vec<&str> = self
            .export
            .all("network")
            .iter()
            .filter(|network| network.folder() == folder)
            .filter_map(|network| self.names.network(&network.link()?))
            .collect();
        beside.dedup();
        match beside.as_slice() {
            [only] => Some((*only).to_owned()),
            _ => None,
        }
    }

    /// The VPC rules of a network, each once.
    fn rules_of(&self, key: &str, effective: &[Object<'e>]) -> Vec<&'e Node> {
        let of_answers = effective.iter().flat_map(|one| one.node.list("firewalls"));
        let listed = self.export.all("firewall").iter().map(|object| object.node);
        let mut seen = std::collections::BTreeSet::new();
        of_answers
            .chain(listed)
            .filter(|rule| {
                rule.word("network").is_some_and(|link| self.names.network(link) == Some(key))
            })
            .filter(|rule| rule.word("name").is_none_or(|name| seen.insert(name)))
            .collect()
    }

    fn vpc_rules(&mut self, key: &str, rules: &[&Node], at: Span, listed: bool) {
        let mut made = Filter {
            attach: Some(Spanned::new(Attachment::Vpc, at)),
            vpc: Some(Spanned::new(key.to_owned(), at)),
            ordered: Some(Spanned::new(true, at)),
            tier: Some(Spanned::new(TIER_RULES, at)),
            default_ingress: Some(Spanned::new(Action::Next, at)),
            default_egress: Some(Spanned::new(Action::Next, at)),
            span: at.into(),
            ..Filter::default()
        };
        if !listed {
            let what = "the export holds no firewall rules of the network";
            made.incomplete = Some(Spanned::new(what.to_owned(), at));
            self.gap(&format!("vpc:{key}"), what, at, true);
        }
        for rule in rules {
            made.rules.extend(self.vpc_rule(rule));
        }
        let name = format!("{key}-firewall");
        self.description.filters.insert(Spanned::new(name, at), made);
    }

    /// The rules that a firewall rule of the provider stands for: one for each of its protocols.
    fn vpc_rule(&mut self, node: &Node) -> Vec<Rule> {
        let name = node.word("name").unwrap_or("unnamed").to_owned();
        let object = format!("firewall:{name}");
        let direction = match node.word("direction") {
            Some("EGRESS") => Direction::Egress,
            _ => Direction::Ingress,
        };
        let mut from = self.peers(node, "sourceRanges", &object);
        from.extend(tagged(node, "sourceTags"));
        from.extend(accounts(node, "sourceServiceAccounts"));
        let mut to = self.peers(node, "destinationRanges", &object);
        // "If no source is given, the default is 0.0.0.0/0"; so for destinations.
        let default = || {
            Prefix::parse_scalar("0.0.0.0/0").map(|all| Spanned::new(Peer::Prefix(all), node.span))
        };
        match direction {
            Direction::Ingress if from.is_empty() => from.extend(default()),
            Direction::Egress if to.is_empty() => to.extend(default()),
            _ => {}
        }
        let mut targets = tagged(node, "targetTags");
        targets.extend(accounts(node, "targetServiceAccounts"));
        let base = Rule {
            name: Some(node.text("name").unwrap_or_else(|| Spanned::new(name, node.span))),
            direction: Spanned::new(direction, node.span),
            priority: Some(
                super::networks::number(node, "priority")
                    .unwrap_or_else(|| Spanned::new(DEFAULT_PRIORITY, node.span)),
            ),
            from,
            to,
            targets,
            enabled: node.flag("disabled").map(|disabled| Spanned::new(!disabled, node.span)),
            span: node.span.into(),
            ..Rule::default()
        };
        let mut made = Vec::new();
        for (field, action) in [("allowed", Action::Allow), ("denied", Action::Deny)] {
            for matched in node.list(field) {
                made.push(self.layer4(&base, matched, "IPProtocol", action, &object));
            }
        }
        if made.is_empty() {
            self.gap(&object, "it neither allows nor denies anything", node.span, false);
        }
        made
    }

    /// A rule with the protocol and ports of one entry.
    pub(super) fn layer4(
        &mut self,
        base: &Rule,
        matched: &Node,
        protocol: &str,
        action: Action,
        object: &str,
    ) -> Rule {
        let mut rule = base.clone();
        rule.action = Some(Spanned::new(action, matched.span));
        let word = matched.text(protocol);
        match word
            .as_ref()
            .map(|word| ProtocolMatch::parse_scalar(&word.value.to_ascii_lowercase()))
        {
            None | Some(Ok(ProtocolMatch::Any)) => {}
            Some(Ok(number)) => {
                rule.protocol = word.map(|word| Spanned::new(number, word.span));
            }
            Some(Err(_)) => {
                let what = format!(
                    "protocol `{}` is not known",
                    word.map_or_else(String::new, |w| w.value)
                );
                self.gap(object, what.clone(), matched.span, true);
                rule.uncertain = Some(Spanned::new(what, matched.span));
            }
        }
        for port in matched.list("ports") {
            let text = port.as_text().unwrap_or("");
            match PortRange::parse_scalar(text) {
                Ok(range) => rule.ports.push(Spanned::new(range, port.span)),
                Err(_) => {
                    let what = format!("`{text}` is no port or range of ports");
                    self.gap(object, what.clone(), port.span, true);
                    rule.uncertain = Some(Spanned::new(what, port.span));
                }
            }
        }
        rule
    }

    /// Ranges of a list field.
    pub(super) fn peers(&mut self, node: &Node, field: &str, object: &str) -> Vec<Spanned<Peer>> {
        let mut peers = Vec::new();
        for item in node.list(field) {
            match crate::access::prefix_of(item) {
                Some(prefix) => peers.push(Spanned::new(Peer::Prefix(prefix.value), item.span)),
                None => {
                    let what = format!("`{}` is no address range", item.as_text().unwrap_or(""));
                    self.gap(object, what.clone(), item.span, true);
                    peers.push(Spanned::new(Peer::Unknown(what), item.span));
                }
            }
        }
        peers
    }

    /// "Allow egress" and "deny ingress" at the end of the line: nobody can remove them.
    fn implied_rules(&mut self, key: &str, at: Span) {
        let rule = |direction, action, name: &str| Rule {
            name: Some(Spanned::new(name.to_owned(), at)),
            direction: Spanned::new(direction, at),
            action: Some(Spanned::new(action, at)),
            priority: Some(Spanned::new(IMPLIED_PRIORITY, at)),
            implied: Some(Spanned::new(true, at)),
            span: at.into(),
            ..Rule::default()
        };
        let filter = Filter {
            attach: Some(Spanned::new(Attachment::Vpc, at)),
            vpc: Some(Spanned::new(key.to_owned(), at)),
            ordered: Some(Spanned::new(true, at)),
            tier: Some(Spanned::new(TIER_IMPLIED, at)),
            rules: vec![
                rule(Direction::Ingress, Action::Deny, "implied deny ingress"),
                rule(Direction::Egress, Action::Allow, "implied allow egress"),
            ],
            span: at.into(),
            ..Filter::default()
        };
        self.description.filters.insert(Spanned::new(format!("{key}-implied"), at), filter);
    }
}

/// Tags of a list field.
pub(super) fn tagged(node: &Node, field: &str) -> Vec<Spanned<Peer>> {
    words(node, field, Peer::Tag)
}

/// Service accounts of a list field.
pub(super) fn accounts(node: &Node, field: &str) -> Vec<Spanned<Peer>> {
    words(node, field, |account| Peer::Account(super::export::last(&account).to_owned()))
}

fn words(node: &Node, field: &str, peer: impl Fn(String) -> Peer) -> Vec<Spanned<Peer>> {
    let items = node.list(field).iter();
    let texts = items.filter_map(|item| Some((item.as_text()?.to_owned(), item.span)));
    texts.map(|(text, at)| Spanned::new(peer(text), at)).collect()
}
