//! A plan made true in the kernel: namespaces as descriptors of this process, links and routes by netlink, rulesets by `nft`.
//!
//! Nothing here needs root: it needs rights over the user namespace that it runs in. [`Kernel::apply`] changes only what differs from
//! what it did before, and adds before it removes. Everything lives in namespaces that this process holds: when it ends, however it
//! ends, the kernel removes all of it; unless they are kept ([`Kernel::kept_in`]), so that a later process takes over what is there.

mod capture;
mod facts;
mod failure;
mod follow;
mod keep;
mod links;
mod messages;
mod offload;
mod pause;
mod queue;
mod ruleset;
mod settings;
mod socket;
mod space;
mod stats;
mod survey;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

pub use capture::{ASIDE, apart, capture};
use facts::Fact;
pub use failure::Failure;
pub use follow::{Fate, Passage, Selection};
use keep::Keep;
pub use keep::kept;
pub use pause::pause;
pub use queue::ability;
pub use ruleset::{FAULTS, ask, script, transactions};
use socket::{Netlink, Request};
pub use space::{enter, within};
pub use stats::{Counted, Counter, Sent};

use crate::plan::{End, HostPlan, Namespace, Via};

/// The table in which daemons that make tunnels put their routes.
const TUNNEL_TABLE: u32 = 220;

/// What this process holds in the kernel.
#[derive(Debug, Default)]
pub struct Kernel {
    spaces: BTreeMap<String, Space>,
    /// What was applied, of what is still there and known to be right.
    applied: HostPlan,
    /// Where namespaces are kept longer than this process lives.
    keep: Option<Keep>,
}

/// A namespace that is held.
#[derive(Debug)]
struct Space {
    descriptor: OwnedFd,
    /// The index of each link.
    links: BTreeMap<String, u32>,
    next: u32,
}

impl Space {
    fn index(&self, link: &str) -> Option<u32> {
        if link == "lo" { Some(messages::LOOPBACK) } else { self.links.get(link).copied() }
    }

    fn number(&mut self, link: &str) -> u32 {
        self.next += 1;
        self.links.insert(link.to_owned(), self.next);
        self.next
    }
}

/// What has to be done in one namespace.
#[derive(Debug)]
struct Job<'a> {
    name: &'a str,
    space: &'a Space,
    requests: Vec<Request>,
    /// The ruleset that is there and the one that must be, where they differ.
    ruleset: Option<(&'a str, &'a str)>,
    /// Links whose frames are to leave whole, or no more.
    plain: Vec<(&'a str, bool)>,
}

impl Kernel {
    /// Brings the kernel to a plan.
    ///
    /// # Errors
    ///
    /// Every object that could not be made. The next call makes everything anew; where namespaces are kept, [`Self::survey`] before it finds
    /// what is right already.
    pub fn apply(&mut self, plan: &HostPlan) -> Result<(), Vec<Failure>> {
        check(plan)?;
        let old = std::mem::take(&mut self.applied);
        let done = self.bring(&old, plan);
        self.applied = match (&done, &self.keep) {
            (Ok(()), _) => plan.clone(),
            (Err(_), Some(_)) => survey::either(plan, &old),
            (Err(_), None) => HostPlan::default(),
        };
        done
    }

    fn bring(&mut self, old: &HostPlan, plan: &HostPlan) -> Result<(), Vec<Failure>> {
        let wanted: BTreeMap<&str, _> =
            plan.namespaces.iter().map(|now| (now.name.as_str(), base(now))).collect();
        let kept: BTreeMap<&str, &Namespace> = old
            .namespaces
            .iter()
            .filter(|was| wanted.get(was.name.as_str()) == Some(&base(was)))
            .map(|namespace| (namespace.name.as_str(), namespace))
            .collect();
        let kept_links = self.unlink(old, plan, &kept)?;
        let goes: Vec<String> =
            self.spaces.keys().filter(|name| !kept.contains_key(name.as_str())).cloned().collect();
        for name in goes {
            self.spaces.remove(&name);
            self.keep.iter().for_each(|keep| keep.release(&name));
        }
        self.make(plan)?;
        self.link(plan, &kept_links)?;
        self.fill(plan, &kept, &kept_links, old)
    }

    /// The descriptor of a namespace.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<BorrowedFd<'_>> {
        Some(self.spaces.get(name)?.descriptor.as_fd())
    }

    /// The names of all namespaces, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.spaces.keys().map(String::as_str)
    }

    /// What was applied.
    #[must_use]
    pub fn applied(&self) -> &HostPlan {
        &self.applied
    }

    /// Removes everything. Processes in a namespace keep it alive without its links.
    ///
    /// # Errors
    ///
    /// A link that the kernel does not remove.
    pub fn teardown(&mut self) -> Result<(), Vec<Failure>> {
        self.apply(&HostPlan::default())
    }

    /// Reads back what the kernel holds and says, in words, each deviation from what was applied.
    ///
    /// # Errors
    ///
    /// What could not be read.
    pub fn read_back(&self) -> Result<Vec<String>, Failure> {
        self.read_back_of(|_| true)
    }

    /// As [`Self::read_back`], of some namespaces by their names.
    ///
    /// # Errors
    ///
    /// What could not be read.
    pub fn read_back_of(
        &self,
        wanted: impl Fn(&str) -> bool + Sync,
    ) -> Result<Vec<String>, Failure> {
        let found = self.gathered_of(wanted, |namespace, space| {
            let seen = survey::observe(namespace, space)?;
            Ok(self.deviations(namespace, space, &seen))
        })?;
        Ok(found
            .into_iter()
            .flat_map(|(name, wrong)| wrong.into_iter().map(move |what| format!("{name}: {what}")))
            .collect())
    }

    /// What is found in each namespace that was applied. The thread that looks moves into it.
    fn gathered<T: Send>(
        &self,
        look: impl Fn(&Namespace, &Space) -> Result<T, Failure> + Sync,
    ) -> Result<BTreeMap<String, T>, Failure> {
        self.gathered_of(|_| true, look)
    }

    fn gathered_of<T: Send>(
        &self,
        wanted: impl Fn(&str) -> bool,
        look: impl Fn(&Namespace, &Space) -> Result<T, Failure> + Sync,
    ) -> Result<BTreeMap<String, T>, Failure> {
        let found = Mutex::new(BTreeMap::new());
        let all = self.applied.namespaces.iter();
        let names: Vec<&Namespace> = all.filter(|one| wanted(&one.name)).collect();
        let failures = parallel(&names, |namespace| {
            let Some(space) = self.spaces.get(&namespace.name) else { return Vec::new() };
            match look(namespace, space) {
                Ok(there) => {
                    if let Ok(mut found) = found.lock() {
                        found.insert(namespace.name.clone(), there);
                    }
                    Vec::new()
                }
                Err(failure) => vec![failure],
            }
        });
        match failures.into_iter().next() {
            Some(failure) => Err(failure),
            None => Ok(found.into_inner().unwrap_or_default()),
        }
    }

    /// Makes the namespaces that are not there.
    fn make(&mut self, plan: &HostPlan) -> Result<(), Vec<Failure>> {
        let missing: Vec<&Namespace> = plan
            .namespaces
            .iter()
            .filter(|namespace| !self.spaces.contains_key(&namespace.name))
            .collect();
        let made = Mutex::new(Vec::with_capacity(missing.len()));
        let keep = self.keep.as_ref();
        let failures = parallel(&missing, |namespace| match make(namespace, keep) {
            Ok(space) => {
                if let Ok(mut made) = made.lock() {
                    made.push((namespace.name.clone(), space));
                }
                Vec::new()
            }
            Err(failures) => failures,
        });
        self.spaces.extend(made.into_inner().unwrap_or_default());
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Rulesets first, then addresses, neighbours, routes and policy rules; removals last.
    fn fill(
        &self,
        plan: &HostPlan,
        kept: &BTreeMap<&str, &Namespace>,
        kept_links: &BTreeSet<(String, String)>,
        old: &HostPlan,
    ) -> Result<(), Vec<Failure>> {
        let mut sizes = sizes(old, plan, kept_links);
        let mut ways = ways::ways(old, plan, kept_links);
        let mut far: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for End { namespace, name, .. } in plan.links.iter().map(|link| &link.b) {
            if !kept_links.contains(&(namespace.clone(), name.clone())) {
                far.entry(namespace).or_default().push(name);
            }
        }
        let mut jobs = Vec::new();
        for namespace in &plan.namespaces {
            let Some(space) = self.spaces.get(&namespace.name) else { continue };
            let was = kept.get(namespace.name.as_str()).copied();
            let stays = |fact: &Fact| {
                fact.link().is_none_or(|link| {
                    link == "lo" || kept_links.contains(&(namespace.name.clone(), link.to_owned()))
                })
            };
            let there: BTreeSet<Fact> =
                was.map(facts::planned).unwrap_or_default().into_iter().filter(stays).collect();
            // In the plan's order: the first address of a link is the one that packets are sent from.
            let ordered = facts::planned(namespace);
            let wanted: BTreeSet<&Fact> = ordered.iter().collect();
            let mut requests: Vec<Request> = sizes
                .remove(namespace.name.as_str())
                .unwrap_or_default()
                .into_iter()
                .filter_map(|(link, mtu)| Some(messages::mtu(space.index(link)?, mtu)))
                .collect();
            let far = far.remove(namespace.name.as_str()).unwrap_or_default();
            requests.extend(far.into_iter().filter_map(|l| Some(messages::up(space.index(l)?))));
            let index = |link: &str| space.index(link);
            let ways = ways.remove(namespace.name.as_str()).unwrap_or_default();
            requests.extend(
                ways.queues
                    .iter()
                    .filter_map(|(link, queue)| Some(queue::set(index(link)?, queue.as_ref()))),
            );
            let new = ordered.iter().filter(|fact| !there.contains(fact));
            requests.extend(new.filter_map(|fact| messages::add(fact, index)));
            requests.extend(
                there
                    .iter()
                    .filter(|fact| !wanted.contains(fact))
                    .filter(|fact| !wanted.iter().any(|now| fact.replaced_by(now)))
                    .filter_map(|fact| messages::remove(fact, index)),
            );
            if was.is_none() {
                requests.extend(messages::local_asked_later(namespace));
            }
            let before = was.map_or("", |was| was.ruleset.as_str());
            let ruleset =
                (before != namespace.ruleset).then_some((before, namespace.ruleset.as_str()));
            let plain = ways.plain;
            if !requests.is_empty() || ruleset.is_some() || !plain.is_empty() {
                let name = namespace.name.as_str();
                jobs.push(Mutex::new(Some(Job { name, space, requests, ruleset, plain })));
            }
        }
        let failures = parallel(&jobs, run);
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}

/// What cannot change while a namespace stays: its settings are written before its links are made.
fn base(namespace: &Namespace) -> (bool, bool) {
    (namespace.forwards, speaks_v6(namespace))
}

/// A namespace without IPv6 has it turned off: with it on, links come up several times slower.
fn speaks_v6(namespace: &Namespace) -> bool {
    namespace.addresses.iter().any(|(_, address)| address.is_ipv6())
        || namespace.routes.iter().any(|route| !route.to.is_v4())
        || namespace.neighbours.iter().any(|neighbour| neighbour.address.is_ipv6())
        || namespace.rules.iter().any(|rule| rule.v6)
}

/// Refuses a plan that contradicts itself, before anything is changed.
fn check(plan: &HostPlan) -> Result<(), Vec<Failure>> {
    let mut failures = Vec::new();
    let mut links: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for namespace in &plan.namespaces {
        if links.insert(&namespace.name, BTreeSet::from(["lo"])).is_some() {
            failures.push(Failure::refused(&namespace.name, "namespace", "it is planned twice"));
        }
    }
    for link in &plan.links {
        for end in [&link.a, &link.b] {
            let said = match links.get_mut(end.namespace.as_str()) {
                // On another host, which plans it.
                None if link.over.is_some() => continue,
                None => "its namespace is not planned",
                Some(_) if end.name.is_empty() || end.name.len() > 15 => {
                    "a link's name has 1 to 15 octets"
                }
                Some(names) if names.contains(end.name.as_str()) => "it is planned twice",
                Some(names) => {
                    names.insert(&end.name);
                    continue;
                }
            };
            failures.push(Failure::refused(&end.namespace, format!("link {}", end.name), said));
        }
    }
    let unknown = |namespace: &str, link: &str| {
        links.get(namespace).is_none_or(|names| !names.contains(link))
    };
    for namespace in &plan.namespaces {
        let addresses = namespace.addresses.iter().map(|(link, _)| link);
        let neighbours = namespace.neighbours.iter().map(|neighbour| &neighbour.link);
        let routes = namespace.routes.iter().filter_map(|route| match &route.via {
            Via::Link { link, .. } => Some(link),
            _ => None,
        });
        for link in addresses.chain(neighbours).chain(routes) {
            if unknown(&namespace.name, link) {
                let object = format!("link {link}");
                failures.push(Failure::refused(&namespace.name, object, "it is not planned"));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Links that stay and whose largest packet changes, by namespace.
fn sizes<'a>(
    old: &HostPlan,
    plan: &'a HostPlan,
    kept: &BTreeSet<(String, String)>,
) -> BTreeMap<&'a str, Vec<(&'a str, u32)>> {
    let before: BTreeMap<_, u32> =
        old.links.iter().map(|link| ((&link.a, &link.b), link.mtu)).collect();
    let mut sizes: BTreeMap<&str, Vec<(&str, u32)>> = BTreeMap::new();
    for link in &plan.links {
        let stays = kept.contains(&(link.a.namespace.clone(), link.a.name.clone()));
        if stays && before.get(&(&link.a, &link.b)) != Some(&link.mtu) {
            for end in [&link.a, &link.b] {
                sizes.entry(&end.namespace).or_default().push((&end.name, link.mtu));
            }
        }
    }
    sizes
}

/// Makes one namespace; the calling thread moves into it.
fn make(namespace: &Namespace, keep: Option<&Keep>) -> Result<Space, Vec<Failure>> {
    let descriptor = space::make().map_err(|error| vec![Failure::no_namespace(&error)])?;
    let name = &namespace.name;
    let wrong = settings::write(&settings::of(namespace.forwards, speaks_v6(namespace)));
    if !wrong.is_empty() {
        let refused = |what: String| Failure::refused(name, "setting", what);
        return Err(wrong.into_iter().map(refused).collect());
    }
    let refusals = Netlink::here()
        .and_then(|mut netlink| netlink.all(vec![messages::up(messages::LOOPBACK)]))
        .map_err(|error| vec![Failure::refused(name, "netlink", error)])?;
    if let Some(refusal) = refusals.into_iter().next() {
        return Err(vec![Failure::refused(name, refusal.object, refusal.said)]);
    }
    if let Some(keep) = keep {
        let kept = keep.hold(name);
        kept.map_err(|error| vec![Failure::refused(name, "keeping its namespace", error)])?;
    }
    Ok(Space { descriptor, links: BTreeMap::new(), next: messages::LOOPBACK })
}

/// Does what has to be done in one namespace; the calling thread moves into it.
fn run(job: &Mutex<Option<Job<'_>>>) -> Vec<Failure> {
    let Some(job) = job.lock().ok().and_then(|mut job| job.take()) else { return Vec::new() };
    if let Err(error) = enter(job.space.descriptor.as_fd()) {
        return vec![Failure::refused(job.name, "namespace", error)];
    }
    let mut failures = Vec::new();
    // Where it is refused, what is emulated meets bundles of segments: that is not what was asked.
    failures.extend(
        offload::set(&job.plain).err().map(|error| Failure::refused(job.name, "offloads", error)),
    );
    if let Some((old, new)) = job.ruleset {
        failures.extend(ruleset::replace(job.name, old, new).err());
    }
    if !job.requests.is_empty() {
        match Netlink::here().and_then(|mut netlink| netlink.all(job.requests)) {
            Ok(refusals) => failures.extend(
                refusals
                    .into_iter()
                    .map(|refusal| Failure::refused(job.name, refusal.object, refusal.said)),
            ),
            Err(error) => failures.push(Failure::refused(job.name, "netlink", error)),
        }
    }
    failures
}

/// Does pieces of work on as many threads as there are processors, which end with the work and so leave the caller in its namespace.
fn parallel<T: Sync>(work: &[T], each: impl Fn(&T) -> Vec<Failure> + Sync) -> Vec<Failure> {
    // Asked once: it reads several files each time.
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = work.len().min(*PROCESSORS.get_or_init(processors));
    let next = AtomicUsize::new(0);
    let mut failures = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut failures = Vec::new();
                    while let Some(piece) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                        failures.extend(each(piece));
                    }
                    failures
                })
            })
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(found) => failures.extend(found),
                Err(_) => failures.push(Failure::Broken("a thread that changes namespaces")),
            }
        }
    });
    failures
}

/// The addresses of a namespace in a plan, for people.
#[must_use]
pub fn addresses(namespace: &Namespace) -> Vec<IpAddr> {
    namespace.addresses.iter().filter(|(link, _)| link != "lo").map(|(_, a)| *a).collect()
}
