//! All pairs, all findings (10,000 instances: under 2 s each), loading: time, memory, groups and pairs on generated networks.
//!
//! Times are of the processor. `cargo bench -p netwright-verify --bench verify -- [instances...] [shapes...]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::cast_precision_loss,
    reason = "a benchmark stops where it cannot go on"
)]

use std::net::IpAddr;
use std::time::Duration;

use netwright_model::generate::{Plan, Shape, generate};
use netwright_model::language::{Attachment, Description, Peer, Provider, Rule};
use netwright_model::network::resolve::resolve;
use netwright_model::network::{FilterId, InterfaceId, Network};
use netwright_model::scalar::{PortRange, Prefix, ProtocolMatch};
use netwright_model::source::{Sources, Spanned};
use netwright_verify::check::check_with;
use netwright_verify::prover::Prover;
use netwright_verify::prover::change::Difference;
use netwright_verify::prover::path::Origin;
use netwright_verify::prover::policy::Layer4;
use netwright_verify::reach::{Member, Reach};
use netwright_verify::trace::Flow;

/// How often what is compared with a goal is measured; the median counts.
const TRIES: usize = 3;

/// Processor time of this thread: what else runs on the machine is not counted.
struct Clock(rustix::time::Timespec);

impl Clock {
    fn now() -> Self {
        Self(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime))
    }

    fn elapsed(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(now - self.0).unwrap()
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// One trace in a loaded network: the mean over many pairs of interfaces.
fn one_trace(prover: &mut Prover<'_>) -> Duration {
    const TRACES: usize = 10_000;
    let network = prover.network;
    let count = network.interfaces.len();
    let start = Clock::now();
    for number in 0..TRACES {
        let (from, to) = (number * 7919 % count, number * 104_729 % count);
        let (a, b) = (&network.interfaces[from], &network.interfaces[to]);
        let packet = Some(Layer4 { protocol: 6, src_port: 50_000, dst_port: 443 });
        let origin = Origin::Interface(InterfaceId::at(from));
        let flow = Flow { origin, src: a.addresses[0], dst: b.addresses[0], packet, meant: None };
        std::hint::black_box(prover.trace(flow));
    }
    start.elapsed() / u32::try_from(TRACES).unwrap()
}

/// What changes, one at a time.
const EDITS: [(&str, Edit); 6] = [
    ("port", |description, nth, _| {
        let rule = nth_rule(description, nth)?;
        rule.ports = vec![Spanned::bare(PortRange::one(4242))];
        Some(())
    }),
    ("range inside", |description, nth, address| {
        let peer = Peer::Prefix(Prefix::of(address, if address.is_ipv4() { 30 } else { 126 }));
        nth_rule(description, nth)?.from.push(Spanned::bare(peer));
        Some(())
    }),
    ("range outside", |description, nth, _| {
        let host = u8::try_from(nth * 16 % 256).unwrap_or(0);
        let peer = Peer::Prefix(Prefix::of([203, 0, 113, host].into(), 28));
        nth_rule(description, nth)?.from.push(Spanned::bare(peer));
        Some(())
    }),
    ("instance named", |description, nth, _| {
        let place = nth * description.instances.len() / PLACES;
        let name = description.instances[place].0.value.clone();
        let peer = Peer::Instance(name);
        nth_rule(description, nth)?.from.push(Spanned::bare(peer));
        Some(())
    }),
    ("new rule", |description, nth, address| {
        let place = nth_filter(description, nth)?;
        let rule = Rule {
            name: Some(Spanned::bare("new".to_owned())),
            protocol: Some(Spanned::bare(ProtocolMatch::Number(6))),
            ports: vec![Spanned::bare(PortRange::one(8443))],
            from: vec![Spanned::bare(Peer::Prefix(Prefix::of(address, 31)))],
            ..Rule::default()
        };
        description.filters[place].1.rules.push(rule);
        Some(())
    }),
    ("new member", |description, nth, _| {
        let place = nth_filter(description, nth)?;
        let filter = description.filters[place].0.value.clone();
        let count = description.instances.len();
        let instance = &mut description.instances[nth * count / PLACES].1;
        if instance.filters.iter().any(|own| own.value == filter) {
            instance.filters.clear();
        } else {
            instance.filters.push(Spanned::bare(filter));
        }
        Some(())
    }),
];

type Edit = fn(&mut Description, usize, IpAddr) -> Option<()>;

/// In how many places each change is made, one after the other.
const PLACES: usize = 8;

/// One of the filters of interfaces that have a rule with ports, spread over all.
fn nth_filter(description: &Description, nth: usize) -> Option<usize> {
    let all: Vec<usize> = (0..description.filters.len())
        .filter(|at| {
            let filter = &description.filters[*at].1;
            let attach = filter.attach.as_ref().map(|attach| attach.value).unwrap_or_default();
            attach == Attachment::Interface
                && filter.rules.iter().any(|rule| !rule.ports.is_empty() && !rule.from.is_empty())
        })
        .collect();
    all.get((2 * nth + 1) * all.len() / (2 * PLACES)).copied()
}

fn nth_rule(description: &mut Description, nth: usize) -> Option<&mut Rule> {
    let place = nth_filter(description, nth)?;
    let rules = &mut description.filters[place].1.rules;
    rules.iter_mut().find(|rule| !rule.ports.is_empty() && !rule.from.is_empty())
}

/// The share of all blocks that lead to whom the nth filter protects: so much is to be computed again after its rules changed.
fn protected(network: &Network, reach: &Reach, nth: usize) -> Option<f64> {
    let filter = FilterId::at(nth_filter(&network.description, nth)?);
    let own = |member: &Member| match member {
        Member::Interface(id, _) => network[*id].filters.contains(&filter),
        Member::Serverless(_) | Member::Outside(..) => false,
    };
    let touched: Vec<bool> =
        reach.groups.iter().map(|group| group.members.iter().any(own)).collect();
    let count = reach.blocks().filter(|block| touched[block.dst]).count();
    Some(count as f64 / reach.blocks().count() as f64)
}

/// All pairs after one thing changed, beside all pairs from scratch: comparing and going on, loading left out of both.
fn changed(network: &Network, prover: Prover<'_>, reach: Reach, scratch: Duration) -> String {
    let mut shares: Vec<f64> =
        (0..PLACES).filter_map(|nth| protected(network, &reach, nth)).collect();
    shares.sort_by(f64::total_cmp);
    let (Some(median), Some(most)) = (shares.get(shares.len() / 2), shares.last()) else {
        return String::new();
    };
    let mut told = format!(
        "  blocks that lead to whom the changed filter protects: 1/{:.0} of all, at most 1/{:.0}\n",
        1.0 / median,
        1.0 / most
    );
    let (mut prover, mut reach) = (prover, reach);
    for (name, edit) in EDITS {
        let (mut times, mut compared, mut used) = (Vec::new(), Vec::new(), 0);
        let edited = (0..PLACES).filter_map(|nth| {
            let mut description = network.description.clone();
            let interface = &network.interfaces[nth * network.interfaces.len() / PLACES];
            edit(&mut description, nth, *interface.addresses.first()?)?;
            Some(resolve(description).unwrap())
        });
        let edited: Vec<Network> = edited.collect();
        for new in &edited {
            let start = Clock::now();
            let difference = Difference::between(network, new);
            compared.push(start.elapsed());
            let (next, change) = prover.go_on_by(new, &difference);
            let mut next = next;
            let after = next.reach_after(&change, &reach).unwrap();
            times.push(start.elapsed());
            used += usize::from(change.goes_on());
            // And back, so that each change is one from the same network.
            let (back, change) = next.go_on(network);
            prover = back;
            reach = prover.reach_after(&change, &after).unwrap();
        }
        times.sort_unstable();
        compared.sort_unstable();
        let (Some(worst), Some(median)) = (times.last(), times.get(times.len() / 2)) else {
            continue;
        };
        let share = |took: &Duration| scratch.as_secs_f64() / took.as_secs_f64();
        told += &format!(
            "  {name}: {median:?} (comparing {:?}), 1/{:.0} of from scratch, at worst 1/{:.0}; {used} of {} went on\n",
            compared[compared.len() / 2],
            share(median),
            share(worst),
            times.len(),
        );
    }
    told
}

fn main() {
    let sizes: Vec<u32> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1000, 10_000] } else { sizes };
    let shapes: Vec<Shape> = std::env::args().skip(1).filter_map(|arg| Shape::of(&arg)).collect();
    let shapes = if shapes.is_empty() { Shape::ALL.to_vec() } else { shapes };
    for instances in sizes {
        for shape in &shapes {
            let description =
                generate(&Plan { shape: *shape, provider: Provider::Aws, instances, seed: 7 });
            let yaml = netwright_model::to_yaml(&description, "");
            let start = Clock::now();
            let mut sources = Sources::default();
            let parsed = netwright_model::parse_description("bench.yaml", &yaml, &mut sources);
            let parse = start.elapsed();
            let Ok(parsed) = parsed else { panic!("generated description does not parse") };
            let start = Clock::now();
            let network = match resolve(parsed) {
                Ok(network) => network,
                Err(errors) => panic!("{:?}", errors.first()),
            };
            let resolved = start.elapsed();
            let (mut loading, mut reaching) = (Vec::new(), Vec::new());
            let mut kept = None;
            for _ in 0..TRIES {
                drop(kept.take());
                let start = Clock::now();
                let mut prover = Prover::new(&network);
                loading.push(start.elapsed());
                let start = Clock::now();
                let reach = prover.reach().expect("within the memory limit");
                reaching.push(start.elapsed());
                kept = Some((prover, reach));
            }
            let Some((mut prover, reach)) = kept else { continue };
            let (loaded, reached) = (median(&mut loading), median(&mut reaching));
            let mut fresh = Prover::new(&network);
            let start = Clock::now();
            let findings = check_with(&mut fresh, None).len();
            let checked = start.elapsed();
            drop(fresh);
            let members = |group: usize| reach.groups[group].members.len() as u128;
            let pairs: u128 = reach
                .blocks()
                .map(|block| {
                    let sources: u128 = block.sources.iter().map(|s| members(*s as usize)).sum();
                    sources * members(block.dst)
                })
                .sum();
            let peak = peak_memory_mib();
            let traced = one_trace(&mut prover);
            let line = format!(
                "{shape} {instances}: yaml {:.1} MB parse {:?} resolve {:?} load {:?} check {:?} findings {} reach {:?} (10,000 under 1 s and 1 GiB, 100,000 under 15 s and 4 GiB) trace {:?} (under 20 µs) groups {} entries {} blocks {} pairs {} peak {} MiB sets {:?}\n",
                yaml.len() as f64 / 1e6,
                parse,
                resolved,
                loaded,
                checked,
                findings,
                reached,
                traced,
                reach.groups.len(),
                reach.count(),
                reach.blocks().count(),
                pairs,
                peak,
                prover.space.stats()
            );
            let line = line + &changed(&network, prover, reach, loaded + reached);
            std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).ok();
        }
    }
}
