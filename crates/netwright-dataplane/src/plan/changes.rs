//! What differs between two plans, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conditions, HostPlan, Link, Namespace, Task};

/// What a plan changes of another: one line for each namespace and task concerned, in the order of their names.
#[must_use]
pub fn changes(old: &HostPlan, new: &HostPlan) -> Vec<String> {
    let mut lines = namespaces(old, new);
    lines.extend(tasks(old, new));
    lines
}

fn by_name(plan: &HostPlan) -> BTreeMap<&str, &Namespace> {
    plan.namespaces.iter().map(|one| (one.name.as_str(), one)).collect()
}

fn by_key(plan: &HostPlan) -> BTreeMap<(&str, &str), &Task> {
    plan.tasks.iter().map(|task| (task.key(), task)).collect()
}

fn namespaces(old: &HostPlan, new: &HostPlan) -> Vec<String> {
    let (was, is) = (by_name(old), by_name(new));
    let mut links: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, what) in link_changes(old, new) {
        links.entry(name).or_default().push(what);
    }
    let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
    let mut lines = Vec::new();
    for name in names {
        match (was.get(name), is.get(name)) {
            (None, _) => lines.push(format!("{name} is new")),
            (_, None) => lines.push(format!("{name} is removed")),
            (Some(was), Some(is)) => {
                let mut parts = links.remove(name).unwrap_or_default();
                if was != is {
                    parts.extend(inside(was, is));
                }
                if !parts.is_empty() {
                    lines.push(format!("{name}: {}", parts.join(", ")));
                }
            }
        }
    }
    lines
}

/// Links of namespaces that stay.
fn link_changes<'a>(old: &'a HostPlan, new: &'a HostPlan) -> Vec<(&'a str, String)> {
    let by_ends = |plan: &'a HostPlan| -> BTreeMap<_, &'a Link> {
        plan.links.iter().map(|link| ((&link.a, &link.b), link)).collect()
    };
    let (was, is) = (by_ends(old), by_ends(new));
    let mut found = Vec::new();
    for (ends, link) in &is {
        if let Some(before) = was.get(ends)
            && before.conditions != link.conditions
        {
            let Conditions { there, back, .. } = &link.conditions;
            let what = format!("link {} does there: {there}; back: {back}", link.name);
            found.push((ends.0.namespace.as_str(), what));
        }
        let ends = [ends.0, ends.1];
        match was.get(&(ends[0], ends[1])) {
            None => {
                found.extend(ends.map(|e| (e.namespace.as_str(), format!("link {} new", e.name))));
            }
            Some(before) if before.mtu != link.mtu => found.extend(ends.map(|e| {
                let what = format!("link {} {} → {} octets", e.name, before.mtu, link.mtu);
                (e.namespace.as_str(), what)
            })),
            Some(_) => {}
        }
    }
    for ends in was.keys().filter(|ends| !is.contains_key(*ends)) {
        let ends = [ends.0, ends.1];
        found.extend(ends.map(|e| (e.namespace.as_str(), format!("link {} removed", e.name))));
    }
    found
}

/// How many of each kind came and went.
fn inside(was: &Namespace, is: &Namespace) -> Vec<String> {
    let mut parts = Vec::new();
    let mut count = |what: (&str, &str), came: usize, went: usize| {
        let named = |count: usize| match count {
            1 => format!("1 {}", what.0),
            _ => format!("{count} {}", what.1),
        };
        match (came, went) {
            (0, 0) => {}
            (came, 0) => parts.push(format!("{} more", named(came))),
            (0, went) => parts.push(format!("{} less", named(went))),
            (came, went) => parts.push(format!("{} more and {went} less", named(came))),
        }
    };
    let (came, went) = differing(&was.addresses, &is.addresses);
    count(("address", "addresses"), came, went);
    let (came, went) = differing(&was.routes, &is.routes);
    count(("route", "routes"), came, went);
    let (came, went) = differing(&was.rules, &is.rules);
    count(("policy rule", "policy rules"), came, went);
    let (came, went) = differing(&was.resolvers, &is.resolvers);
    count(("name server", "name servers"), came, went);
    let lines = |namespace: &Namespace| -> Vec<String> {
        namespace.ruleset.lines().map(|line| line.trim().to_owned()).collect()
    };
    let (came, went) = differing(&lines(was), &lines(is));
    count(("line of its ruleset", "lines of its ruleset"), came, went);
    if parts.is_empty() && was.forwards != is.forwards {
        parts.push(if is.forwards { "forwards now" } else { "forwards no more" }.to_owned());
    }
    if parts.is_empty() && was.ruleset != is.ruleset {
        parts.push("its ruleset is in another order".to_owned());
    }
    parts
}

/// How many came and how many went.
fn differing<T: std::fmt::Debug>(was: &[T], is: &[T]) -> (usize, usize) {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for one in was {
        counts.entry(format!("{one:?}")).or_default().0 += 1;
    }
    for one in is {
        counts.entry(format!("{one:?}")).or_default().1 += 1;
    }
    let came = counts.values().map(|(was, is)| is.saturating_sub(*was)).sum();
    let went = counts.values().map(|(was, is)| was.saturating_sub(*is)).sum();
    (came, went)
}

fn tasks(old: &HostPlan, new: &HostPlan) -> Vec<String> {
    let (was, is) = (by_key(old), by_key(new));
    let keys: BTreeSet<(&str, &str)> = was.keys().chain(is.keys()).copied().collect();
    let mut lines = Vec::new();
    for key in keys {
        let (namespace, name) = key;
        match (was.get(&key), is.get(&key)) {
            (None, _) => lines.push(format!("task {namespace} {name} is new")),
            (_, None) => lines.push(format!("task {namespace} {name} is ended")),
            (Some(was), Some(is)) if was != is && was.followed_by(is).is_some() => {
                lines.push(format!("task {namespace} {name} has other settings"));
            }
            (Some(was), Some(is)) if was != is => {
                lines.push(format!("task {namespace} {name} is started anew"));
            }
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{End, Role, Task};
    use super::{HostPlan, Link, Namespace, changes};

    fn plan(ruleset: &str, tasks: &[&str]) -> HostPlan {
        let space = |name: &str| Namespace {
            ruleset: ruleset.to_owned(),
            ..Namespace::bare(name, Role::Machine)
        };
        let end =
            |name: &str| End { namespace: name.to_owned(), name: "eth0".to_owned(), mac: [0; 6] };
        let task = |name: &&str| Task::part("a", name, "part", String::new());
        HostPlan {
            namespaces: vec![space("a"), space("b")],
            links: vec![Link { a: end("a"), b: end("b"), mtu: 1500, ..Link::default() }],
            tasks: tasks.iter().map(task).collect(),
            ..HostPlan::default()
        }
    }

    #[test]
    fn each_namespace_and_task_concerned_is_one_line_and_the_others_none() {
        let old = plan("one\ntwo\n", &["x", "y"]);
        assert_eq!(changes(&old, &old), Vec::<String>::new());
        let mut new = plan("one\ntwo\n", &["y", "z"]);
        new.namespaces[1].ruleset = "one\nthree\nfour".to_owned();
        new.links[0].mtu = 1400;
        assert_eq!(
            changes(&old, &new),
            [
                "a: link eth0 1500 → 1400 octets",
                "b: link eth0 1500 → 1400 octets, 2 lines of its ruleset more and 1 less",
                "task a x is ended",
                "task a z is new",
            ]
        );
        new.links[0] = Link { name: "b".to_owned(), ..old.links[0].clone() };
        new.links[0].conditions.back.latency = 5_000;
        assert!(
            changes(&old, &new)
                .iter()
                .any(|line| line.contains("link b does there: -; back: latency 5ms"))
        );
        new.namespaces.pop();
        assert!(changes(&old, &new).contains(&"b is removed".to_owned()));
    }
}
