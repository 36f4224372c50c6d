//! Firewall policies: of the organisation and folders (hierarchical), of the provider (system), and of networks, global and regional.

use netwright_model::language::{Action, Attachment, Direction, Filter, Peer, Rule};
use netwright_model::source::{Span, Spanned};
use netwright_model::tree::Node;

use super::Import;
use super::export::{Object, path_of, segment};
use super::firewalls::{
    TIER_HIERARCHY, TIER_NETWORK_AFTER, TIER_NETWORK_BEFORE, TIER_SYSTEM, accounts,
};
use crate::access::Access;

/// Conditions of a rule that depend on what an export does not hold, each with words for it.
const UNCERTAIN: [(&str, &str); 12] = [
    ("srcSecureTags", "it asks for secure tags of sources"),
    ("srcFqdns", "it asks for domain names of sources"),
    ("destFqdns", "it asks for domain names of destinations"),
    ("srcRegionCodes", "it asks for the country of sources"),
    ("destRegionCodes", "it asks for the country of destinations"),
    ("srcThreatIntelligences", "it asks for lists of threats"),
    ("destThreatIntelligences", "it asks for lists of threats"),
    ("srcAddressGroups", "it asks for address groups"),
    ("destAddressGroups", "it asks for address groups"),
    ("srcNetworkScope", "it asks for the kind of network of sources"),
    ("srcNetworkType", "it asks for the kind of network of sources"),
    ("destNetworkScope", "it asks for the kind of network of destinations"),
];

/// Conditions of a rule that are represented.
const UNDERSTOOD: [&str; 3] = ["srcIpRanges", "destIpRanges", "layer4Configs"];

/// What a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Hierarchy,
    System,
    Network,
    Regional,
}

/// Rules from this priority on are the provider's: each policy ends in them, and nobody can remove them ("Firewall policies": predefined
/// rules).
const SYSTEM_PRIORITY: u32 = 2_147_483_644;

impl<'e> Import<'e> {
    /// The policies that a network's packets pass; how many there are.
    pub(super) fn policies(&mut self, link: &str, key: &str, effective: &[Object<'e>]) -> usize {
        let before = self.export.find(link).is_some_and(|network| {
            network.node.word("networkFirewallPolicyEnforcementOrder")
                == Some("BEFORE_CLASSIC_FIREWALL")
        });
        let answered = effective.iter().flat_map(|one| one.node.list("firewallPolicys"));
        let mut policies: Vec<&'e Node> = answered.collect();
        // What is answered for the network as a whole holds no regional policies; each is taken once, by its name.
        policies.extend(self.associated(link));
        let mut hierarchy = TIER_HIERARCHY;
        let mut seen = std::collections::BTreeSet::new();
        let mut count = 0;
        for policy in policies {
            if !policy.word("name").is_none_or(|name| seen.insert(name)) {
                continue;
            }
            let level = level(policy);
            let network = if before { TIER_NETWORK_BEFORE } else { TIER_NETWORK_AFTER };
            let tier = match level {
                Level::Hierarchy => hierarchy,
                Level::System => TIER_SYSTEM,
                Level::Network => network,
                Level::Regional => network + 1,
            };
            if level == Level::Hierarchy {
                hierarchy += 1;
            }
            self.policy(policy, link, key, tier, level);
            count += 1;
        }
        count
    }

    /// Whether the export lists policies of the organisation or of folders by themselves: for whom they are, it does not say then.
    pub(super) fn lists_hierarchy(&self) -> bool {
        self.export
            .all("firewallPolicy")
            .iter()
            .any(|policy| level(policy.node) == Level::Hierarchy)
    }

    /// Policies of lists of their own that are associated with a network.
    fn associated(&self, link: &str) -> Vec<&'e Node> {
        let wanted = path_of(link);
        let own =
            |policy: &&Object<'e>| {
                policy.node.list("associations").iter().any(|association| {
                    association.word("attachmentTarget").and_then(path_of) == wanted
                })
            };
        self.export.all("firewallPolicy").iter().filter(own).map(|policy| policy.node).collect()
    }

    fn policy(&mut self, policy: &Node, link: &str, key: &str, tier: u32, level: Level) {
        let at = policy.span;
        let shown = ["shortName", "displayName", "name"].iter().find_map(|f| policy.word(f));
        let shown = super::names::clean(super::export::last(shown.unwrap_or("policy")));
        let mut name = format!("{key}-policy-{shown}");
        if self.description.filters.get(&name).is_some() {
            name = format!("{name}-{tier}");
        }
        let mut made = Filter {
            id: policy.text("shortName").or_else(|| policy.text("name")),
            attach: Some(Spanned::new(Attachment::Vpc, at)),
            vpc: Some(Spanned::new(key.to_owned(), at)),
            ordered: Some(Spanned::new(true, at)),
            tier: Some(Spanned::new(tier, at)),
            default_ingress: Some(Spanned::new(Action::Next, at)),
            default_egress: Some(Spanned::new(Action::Next, at)),
            span: at.into(),
            ..Filter::default()
        };
        let region = (level == Level::Regional)
            .then(|| policy.word("region").or_else(|| policy.word("selfLink")))
            .flatten()
            .and_then(|link| segment(link, "regions").or(Some(link)));
        for rule in policy.list("rules").iter().chain(policy.list("packetMirroringRules")) {
            made.rules.extend(self.policy_rule(rule, link, &shown, region));
        }
        self.description.filters.insert(Spanned::new(name, at), made);
    }

    fn policy_rule(
        &mut self,
        node: &Node,
        network: &str,
        policy: &str,
        region: Option<&str>,
    ) -> Vec<Rule> {
        let priority = super::networks::number(node, "priority");
        let number = priority.as_ref().map_or_else(|| "?".to_owned(), |p| p.value.to_string());
        let name = node.text("ruleName").unwrap_or_else(|| Spanned::new(number, node.span));
        let object = format!("firewall_policy:{policy} rule {}", name.value);
        // A rule may be for some networks only.
        let resources = node.list("targetResources");
        let here = |link: &Node| link.as_text().and_then(path_of).as_deref() == Some(network);
        if !resources.is_empty() && !resources.iter().any(here) {
            return Vec::new();
        }
        let direction = match node.word("direction") {
            Some("EGRESS") => Direction::Egress,
            _ => Direction::Ingress,
        };
        let mut uncertain: Option<String> = None;
        let action = match node.word("action") {
            Some("allow") => Action::Allow,
            Some("goto_next") => Action::Next,
            Some("deny") => Action::Deny,
            other => {
                uncertain = Some(format!("its action is `{}`", other.unwrap_or("nothing")));
                Action::Allow
            }
        };
        let empty = Node::default();
        let matched = node.get("match").unwrap_or(&empty);
        let conditions = UNCERTAIN.iter().find(|(field, _)| matched.get(field).is_some_and(given));
        let tags = node.get("targetSecureTags").is_some_and(given);
        let tags = tags.then_some("it is for interfaces with secure tags");
        if let Some(what) = conditions.map(|(_, what)| *what).or(tags) {
            uncertain = Some(what.to_owned());
        }
        let other = matched.entries().iter().find(|(key, value)| {
            !UNDERSTOOD.contains(&&*key.text)
                && UNCERTAIN.iter().all(|(field, _)| **field != *key.text)
                && given(value)
        });
        if let Some((key, _)) = other {
            uncertain = Some(format!("its condition `{}` is not known", key.text));
        }
        if let Some(what) = &uncertain {
            self.gap(&object, what.clone(), node.span, true);
        }
        let mut targets = accounts(node, "targetServiceAccounts");
        if let Some(region) = region {
            targets = self.in_region(region, targets, node.span, &mut uncertain);
        }
        let base = Rule {
            name: Some(name),
            direction: Spanned::new(direction, node.span),
            implied: priority
                .as_ref()
                .filter(|priority| priority.value >= SYSTEM_PRIORITY)
                .map(|priority| Spanned::new(true, priority.span)),
            priority,
            from: self.peers(matched, "srcIpRanges", &object),
            to: self.peers(matched, "destIpRanges", &object),
            targets,
            enabled: node.flag("disabled").map(|disabled| Spanned::new(!disabled, node.span)),
            uncertain: uncertain.map(|what| Spanned::new(what, node.span)),
            span: node.span.into(),
            ..Rule::default()
        };
        let layer4 = matched.list("layer4Configs");
        if layer4.is_empty() {
            let mut rule = base;
            rule.action = Some(Spanned::new(action, node.span));
            return vec![rule];
        }
        layer4.iter().map(|one| self.layer4(&base, one, "ipProtocol", action, &object)).collect()
    }

    /// Instances of a region as targets. A rule of a regional policy that is for accounts too cannot be written as one list of targets.
    fn in_region(
        &self,
        region: &str,
        accounts: Vec<Spanned<Peer>>,
        at: Span,
        uncertain: &mut Option<String>,
    ) -> Vec<Spanned<Peer>> {
        let region = super::export::last(region);
        if !accounts.is_empty() {
            uncertain.get_or_insert_with(|| format!("it is for accounts in region {region} only"));
            return accounts;
        }
        let instances = self.export.all("instance").iter().filter(|instance| {
            let link = instance.link().unwrap_or_default();
            segment(&link, "zones")
                .and_then(|zone| zone.rsplit_once('-'))
                .is_some_and(|(own, _)| own == region)
        });
        let keys: Vec<String> = instances.map(|instance| self.names.key(*instance)).collect();
        if keys.is_empty() {
            // It protects nobody who is described; without targets it would protect everybody.
            return vec![Spanned::new(Peer::Tag(format!("no-instance-in-{region}")), at)];
        }
        keys.into_iter().map(|key| Spanned::new(Peer::Instance(key), at)).collect()
    }
}

/// Whether a field says anything.
fn given(node: &Node) -> bool {
    !node.is_null() && (!node.items().is_empty() || node.as_text().is_some_and(|t| !t.is_empty()))
}

fn level(policy: &Node) -> Level {
    match policy.word("type") {
        Some("NETWORK") => Level::Network,
        Some("NETWORK_REGIONAL") => Level::Regional,
        Some(kind) if kind.starts_with("SYSTEM") => Level::System,
        Some(_) => Level::Hierarchy,
        None if policy.word("region").is_some() => Level::Regional,
        None if policy.word("selfLink").is_some_and(|link| link.contains("/projects/")) => {
            Level::Network
        }
        None => Level::Hierarchy,
    }
}
