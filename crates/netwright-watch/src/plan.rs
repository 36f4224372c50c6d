//! What a description has watched: its probes and intents as targets with numbers, parents and names, and the rules of its alerts.
//!
//! A probe that is asked from one place is a thing of its own name; what is asked from several places, or an intent about several flows, is a thing
//! for each, named behind the probe's name and a `/`. So `of: checkout` in an alert, a silence or a window means all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use netwright_model::network::Network;
use netwright_model::source::Span;
use netwright_model::suggest::nearest;

use crate::alert::{self, Rule};
use crate::health::Profile;
use crate::intents::carried::carried;
use crate::intents::{Place, Placed, Probes, probes};
use crate::watcher::Target;

/// The time between probes where nothing is said.
const EVERY: Duration = Profile::SERVICE.interval;

/// Something that is watched by asking it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The probe or intent that it is of.
    pub component: String,
    /// What is asked, and from where.
    pub placed: Placed,
    /// How often, and what the answers mean.
    pub profile: Profile,
    /// What it depends on.
    pub parents: Vec<String>,
    /// What an agent is told to ask, where one is to ask it.
    pub carried: Option<String>,
}

/// What a description has watched.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What is asked, by name.
    pub items: BTreeMap<String, Item>,
    /// The rules of its alerts.
    pub rules: Vec<Rule>,
    /// What is not watched: a name, and why not.
    pub left: Vec<(String, String)>,
}

impl Plan {
    /// The targets of a watcher.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let target = |(name, item): (&String, &Item)| Target {
            name: name.clone(),
            profile: item.profile,
            parents: item.parents.clone(),
        };
        self.items.iter().map(target).collect()
    }

    /// Has everything with a place of its own asked by the agents of hosts. What they are not told is not watched, and is listed with the reason.
    /// `authorities` says that certificates are believed by a file that only this machine has.
    pub fn by_agents(&mut self, network: &Network, authorities: bool) {
        let mut left = BTreeMap::new();
        self.items.retain(|name, item| {
            if item.placed.from == Place::Here {
                return true;
            }
            match carried(network, &item.placed, authorities) {
                Ok(text) => item.carried = Some(text),
                Err(why) => drop(left.insert(name.clone(), why)),
            }
            if item.placed.intent {
                item.profile = Profile::AGENTS;
            }
            item.carried.is_some()
        });
        let told =
            left.into_iter().map(|(name, why)| (name, format!("agents do not ask it: {why}")));
        self.left.extend(told);
    }

    /// Of what is asked from these places alone.
    pub fn retain(&mut self, mut keep: impl FnMut(Place) -> bool) {
        self.items.retain(|_, item| keep(item.placed.from));
    }
}

/// Plans the watching of a network.
///
/// # Errors
///
/// Probes that cannot be asked, or not so: where, and what is wrong.
pub fn plan(network: &Network) -> Result<Plan, Vec<(Span, String)>> {
    let Probes { all, left } = probes(network)?;
    let names = names(&all);
    let mut of: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (placed, name) in all.iter().zip(&names) {
        of.entry(placed.name.as_str()).or_default().push(name);
    }
    let mut wrong = Vec::new();
    let mut numbers: BTreeMap<&str, Numbers> = BTreeMap::new();
    for (name, probe) in network.description.probes.iter() {
        match numbered(probe, &of) {
            Ok(own) => drop(numbers.insert(name.value.as_str(), own)),
            Err(mut errors) => wrong.append(&mut errors),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let item = |placed: &Placed| {
        let usual = || Numbers { profile: Profile::INTENT, parents: Vec::new() };
        let own = numbers.get(placed.name.as_str()).filter(|_| !placed.intent);
        let Numbers { profile, parents } = own.cloned().unwrap_or_else(usual);
        let component = placed.name.clone();
        Item { component, placed: placed.clone(), profile, parents, carried: None }
    };
    let items = all.iter().zip(&names).map(|(placed, name)| (name.clone(), item(placed)));
    let items = items.collect();
    Ok(Plan { items, rules: alert::rules(&network.description), left })
}

/// How often a probe of the description is asked, and what it depends on.
#[derive(Clone, Debug)]
struct Numbers {
    profile: Profile,
    parents: Vec<String>,
}

fn numbered(
    probe: &netwright_model::language::ActiveProbe,
    things: &BTreeMap<&str, Vec<&str>>,
) -> Result<Numbers, Vec<(Span, String)>> {
    let mut wrong = Vec::new();
    let mut parents: BTreeSet<String> = BTreeSet::new();
    for parent in &probe.depends_on {
        match things.get(parent.value.as_str()) {
            Some(names) => parents.extend(names.iter().map(|name| (*name).to_owned())),
            None => {
                let near = nearest(&parent.value, things.keys().copied());
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                wrong.push((
                    parent.span,
                    format!("no probe or intent is called `{}`{near}", parent.value),
                ));
            }
        }
    }
    let time =
        |written: &Option<netwright_model::source::Spanned<netwright_model::scalar::Duration>>| {
            written.as_ref().map(|time| (time.span, Duration::from_millis(time.value.as_millis())))
        };
    let usual = Profile::SERVICE;
    let (every, time_out) = (time(&probe.every), time(&probe.timeout));
    // Who says only one of the two means the other to fit.
    let interval = match (every, time_out) {
        (Some((_, every)), _) => every,
        (None, Some((_, time_out))) => time_out.max(EVERY),
        (None, None) => EVERY,
    };
    let profile = Profile {
        interval,
        in_transition: usual.in_transition.min(interval),
        time_out: time_out.map_or(usual.time_out.min(interval), |(_, time_out)| time_out),
        up: probe.healthy_threshold.as_ref().map_or(usual.up, |up| up.value),
        down: probe.unhealthy_threshold.as_ref().map_or(usual.down, |down| down.value),
        grace: time(&probe.initial_delay).map_or(usual.grace, |(_, grace)| grace),
        stale: usual.stale.max(interval * 6),
        window: usual.window.max(interval * 30),
        ..usual
    };
    if let Err(error) = profile.checked() {
        let said = [
            time_out.map(|(span, _)| span),
            every.map(|(span, _)| span),
            probe.healthy_threshold.as_ref().map(|up| up.span),
            probe.unhealthy_threshold.as_ref().map(|down| down.span),
        ];
        // Only what was said can be wrong: the usual numbers fit together.
        wrong.extend(said.into_iter().flatten().next().map(|span| (span, error.to_string())));
    }
    if wrong.is_empty() {
        Ok(Numbers { profile, parents: parents.into_iter().collect() })
    } else {
        Err(wrong)
    }
}

/// The name of each, in the same order: none twice.
fn names(all: &[Placed]) -> Vec<String> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for placed in all {
        *count.entry(placed.name.as_str()).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let named = all.iter().map(|placed| {
        let Placed { name, label, spec, intent, .. } = placed;
        let alone = count.get(name.as_str()) == Some(&1);
        let base = match (alone, intent) {
            (true, _) => name.clone(),
            (false, true) => format!("{name}/{label} {}", spec.target),
            (false, false) => format!("{name}/{label}"),
        };
        let mut own = base.clone();
        let mut number = 1;
        while !taken.insert(own.clone()) {
            number += 1;
            own = format!("{base} #{number}");
        }
        own
    });
    named.collect()
}

#[cfg(test)]
mod tests;
