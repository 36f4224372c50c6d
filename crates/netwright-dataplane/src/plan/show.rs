//! A plan as text, for people and for snapshots.

use std::fmt;

use super::{Conditions, HostPlan, MAIN, Namespace, Via};

impl fmt::Display for HostPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for link in &self.links {
            let (a, b) = (&link.a, &link.b);
            let alone = if link.unaggregated { ", each packet by itself" } else { "" };
            writeln!(
                f,
                "link {} {} — {} {}  mtu {}{alone}",
                a.namespace, a.name, b.namespace, b.name, link.mtu
            )?;
            if let Some(over) = &link.over {
                let [a, b] = &over.hosts;
                writeln!(f, "  over VXLAN {} between {} and {}", over.vni, a.host, b.host)?;
            }
            if !link.conditions.is_none() {
                let Conditions { there, back, .. } = &link.conditions;
                writeln!(f, "  {} there: {there}; back: {back}", link.name)?;
            }
        }
        for namespace in &self.namespaces {
            write!(f, "\n{namespace}")?;
        }
        if !self.tasks.is_empty() {
            writeln!(f)?;
        }
        for task in &self.tasks {
            writeln!(f, "task {} {}: {}", task.namespace, task.name, task.what)?;
        }
        for what in &self.left_out {
            writeln!(f, "\nnot built: {what}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forwards = if self.forwards { ", forwards" } else { "" };
        writeln!(f, "namespace {}  {:?}{forwards}", self.name, self.role)?;
        for (link, address) in &self.addresses {
            writeln!(f, "  address {address} on {link}")?;
        }
        for resolver in &self.resolvers {
            writeln!(f, "  asks {resolver} for names")?;
        }
        for rule in &self.rules {
            let mark = rule.mark.map_or_else(String::new, |mark| format!(" mark {mark}"));
            let family = if rule.v6 { "IPv6" } else { "IPv4" };
            writeln!(f, "  rule {} {family}{mark}: table {}", rule.priority, rule.table)?;
        }
        for route in &self.routes {
            let table =
                if route.table == MAIN { "main".to_owned() } else { route.table.to_string() };
            write!(f, "  route {} in {table}: ", route.to)?;
            match &route.via {
                Via::Link { link, .. } => writeln!(f, "over {link}")?,
                Via::Blackhole => writeln!(f, "dropped")?,
                Via::Throw => writeln!(f, "the next rule decides")?,
                Via::Local => writeln!(f, "its own")?,
            }
        }
        for line in self.ruleset.lines() {
            writeln!(f, "  | {line}")?;
        }
        Ok(())
    }
}
