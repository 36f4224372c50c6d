//! Links that come and go: pairs of ends straight across namespaces, and ends on two hosts with VXLAN between them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;
use std::sync::Mutex;

use super::failure::Failure;
use super::socket::{Netlink, Request};
use super::{Job, Kernel, messages, parallel, run};
use crate::plan::hosts::Overlay;
use crate::plan::{End, HostPlan, Link, Namespace};

impl Kernel {
    /// Removes links that the plan has no more; gives those that stay, by their place in the old plan.
    pub(super) fn unlink(
        &mut self,
        old: &HostPlan,
        plan: &HostPlan,
        kept: &BTreeMap<&str, &Namespace>,
    ) -> Result<BTreeSet<(String, String)>, Vec<Failure>> {
        fn kind(link: &Link) -> (&End, &End, bool, Option<&Overlay>) {
            (&link.a, &link.b, link.unaggregated, link.over.as_ref())
        }
        let wanted: BTreeSet<_> = plan.links.iter().map(kind).collect();
        // What is on another host, and that host, are not planned here.
        let planned: BTreeSet<&str> = old.namespaces.iter().map(|one| one.name.as_str()).collect();
        let is_kept = |name: &str| kept.contains_key(name) || !planned.contains(name);
        let mut stay = BTreeSet::new();
        let mut gone: BTreeMap<&str, Vec<Request>> = BTreeMap::new();
        for link in &old.links {
            let both = [&link.a, &link.b];
            let hosts = link.over.iter().flat_map(|over| &over.hosts).map(|place| &place.host);
            let needed = both.iter().map(|end| &end.namespace).chain(hosts);
            if needed.into_iter().all(|name| is_kept(name)) && wanted.contains(&kind(link)) {
                stay.extend(both.map(|end| (end.namespace.clone(), end.name.clone())));
                continue;
            }
            // The second end goes with the first, but not over VXLAN.
            for end in both.into_iter().take(if link.over.is_some() { 2 } else { 1 }) {
                let space = self.spaces.get(&end.namespace);
                if let Some(index) = space.and_then(|space| space.index(&end.name)) {
                    let request = messages::unlink(index, &end.name);
                    gone.entry(end.namespace.as_str()).or_default().push(request);
                }
            }
        }
        let failures = self.ask(gone);
        for (name, space) in &mut self.spaces {
            space.links.retain(|link, _| stay.contains(&(name.clone(), link.clone())));
        }
        if failures.is_empty() { Ok(stay) } else { Err(failures) }
    }

    /// Makes the links that are not there, straight across namespaces.
    pub(super) fn link(
        &mut self,
        plan: &HostPlan,
        kept: &BTreeSet<(String, String)>,
    ) -> Result<(), Vec<Failure>> {
        let new: Vec<&Link> = plan
            .links
            .iter()
            .filter(|link| !kept.contains(&(link.a.namespace.clone(), link.a.name.clone())))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let mut numbers = Vec::with_capacity(new.len());
        for link in &new {
            let mut number = |end: &End| {
                self.spaces.get_mut(&end.namespace).map_or(0, |space| space.number(&end.name))
            };
            numbers.push((number(&link.a), number(&link.b)));
        }
        let failures =
            self.between_hosts(new.iter().zip(&numbers).map(|(link, own)| (*link, *own)));
        if !failures.is_empty() {
            return Err(failures);
        }
        let here = new.iter().zip(numbers).filter(|(link, _)| link.over.is_none());
        let requests = here.filter_map(|(link, (a, b))| {
            let at = |name: &str| Some(self.spaces.get(name)?.descriptor.as_fd());
            Some(messages::link(link, (a, at(&link.a.namespace)?), (b, at(&link.b.namespace)?)))
        });
        let requests: Vec<Request> = requests.collect();
        let owner = |object: &str| {
            let link = new.iter().find(|link| {
                object == format!("link {} to {} in {}", link.a.name, link.b.name, link.b.namespace)
            });
            link.map_or_else(String::new, |link| link.a.namespace.clone())
        };
        let refusals = Netlink::here()
            .and_then(|mut netlink| netlink.all(requests))
            .map_err(|error| vec![Failure::refused("links", "netlink", error)])?;
        let failures: Vec<Failure> = refusals
            .into_iter()
            .map(|refusal| {
                if refusal.said.contains("not supported") || refusal.said.contains("Unknown device")
                {
                    Failure::Missing {
                        what: "links between namespaces",
                        said: refusal.said,
                        remedy: "the kernel needs veth: `modprobe veth`",
                    }
                } else {
                    Failure::refused(&owner(&refusal.object), refusal.object, refusal.said)
                }
            })
            .collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Makes the ends of links between hosts, each from its host's namespace.
    fn between_hosts<'a>(
        &'a self,
        new: impl Iterator<Item = (&'a Link, (u32, u32))>,
    ) -> Vec<Failure> {
        let mut asked: BTreeMap<&str, Vec<Request>> = BTreeMap::new();
        for (link, (a, b)) in new {
            let Some(over) = &link.over else { continue };
            for (here, end, index) in [(0, &link.a, a), (1, &link.b, b)] {
                let Some(space) = self.spaces.get(&end.namespace) else { continue };
                let at = space.descriptor.as_fd();
                let request = messages::overlay(link, over, here, index, at);
                asked.entry(over.hosts[here].host.as_str()).or_default().push(request);
            }
        }
        self.ask(asked)
    }

    /// Asks the kernel in each namespace that is there.
    pub(super) fn ask(&self, requests: BTreeMap<&str, Vec<Request>>) -> Vec<Failure> {
        let jobs: Vec<Mutex<Option<Job<'_>>>> = requests
            .into_iter()
            .filter_map(|(name, requests)| {
                let space = self.space(name)?;
                let plain = Vec::new();
                Some(Mutex::new(Some(Job { name, space, requests, ruleset: None, plain })))
            })
            .collect();
        parallel(&jobs, run)
    }
}
