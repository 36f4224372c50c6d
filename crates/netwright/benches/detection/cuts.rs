//! Cuts of real links between a machine and databases in a lab, while they are watched as `up --health` watches backends: how soon each is told. The benchmark makes a thousand, the
//! suite a few.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "the benchmark and the suite take what they need, and stop where they cannot go on"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use netwright_dataplane::plan::plan as lab_plan;
use netwright_gameday::cut::{elements, healed, rules};
use netwright_gameday::load;
use netwright_gameday::plan::{Does, Plan, plan};
use netwright_lab::check::{Answered, Check};
use netwright_lab::control;
use netwright_lab::faults::{Act, Breaking, Holds};
use netwright_model::random::Random;
use netwright_model::source::Sources;
use netwright_watch::health::{Profile, State};
use netwright_watch::probe::outcome::{Kind, Outcome, Verdict};
use netwright_watch::watcher::{Ask, Event, Target, Watcher};

/// What came of the cuts.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// From the cut in the kernel until it is told, in milliseconds.
    pub(crate) times: Vec<f64>,
    /// Cuts that were not told.
    pub(crate) missed: usize,
    /// Links that were told to be away and were not cut.
    pub(crate) false_alarms: usize,
}

impl Found {
    /// The time within which such a share of the cuts was told.
    pub(crate) fn within(&self, share: f64) -> f64 {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a few thousand"
        )]
        let at = (times.len() as f64 * share).ceil() as usize;
        times.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// The network: one machine and so many databases, whose stand-ins answer.
pub(crate) fn network(links: usize) -> String {
    let mut text = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 }, d: { cidr: 10.0.4.0/22 } } } }\ninstances: { hub: { subnet: s, address: 10.0.0.10 } }\ndatabases:\n".to_owned();
    for link in 0..links {
        writeln!(
            text,
            "  d{link}: {{ engine: redis, subnet: d, private_address: {} }}",
            address(link)
        )
        .unwrap();
    }
    text
}

fn address(link: usize) -> String {
    format!("10.0.{}.{}", 4 + link / 200, link % 200 + 10)
}

/// Faults that cut each link by itself.
fn faults(text: &str, links: usize) -> Plan {
    let mut sources = Sources::default();
    let network = netwright_model::load("network", text, &mut sources).unwrap();
    let mut faults = String::new();
    for link in 0..links {
        write!(faults, "f{link}: {{ between: hub, and: d{link} }}, ").unwrap();
    }
    let text = format!(
        "{{ title: t, safety: {{ most_pairs: 100% }}, faults: {{ {faults} }}, method: [ {{ wait: 1s }} ] }}"
    );
    let experiment = load::parse(Path::new("e.yaml"), &text, &mut sources, &|_| None).unwrap();
    plan(experiment, &network, &lab_plan(&network)).unwrap()
}

fn maps(plan: &Plan, fault: usize) -> Vec<Holds> {
    let Does::Cut(cut) = &plan.faults[fault].does else { return Vec::new() };
    elements(fault, cut, &plan.parties)
}

/// Who watches: asks from inside the lab, and decides.
struct Eyes {
    lab: String,
    watcher: Watcher,
    began: Instant,
    told: Receiver<(Ask, Outcome)>,
    tell: Sender<(Ask, Outcome)>,
}

impl Eyes {
    fn new(lab: &str, links: usize, profile: Profile) -> Self {
        let (tell, told) = channel();
        let target = |link| Target { name: format!("l{link}"), profile, parents: Vec::new() };
        let targets: Vec<Target> = (0..links).map(target).collect();
        let mut watcher = Watcher::default();
        watcher.watch(&targets, Vec::new(), Duration::ZERO);
        Self { lab: lab.to_owned(), watcher, began: Instant::now(), told, tell }
    }

    /// Asks who is due, each by itself, and gives the links whose state changed.
    fn look(&mut self) -> Vec<(usize, State)> {
        for ask in self.watcher.due(self.began.elapsed()) {
            let (lab, tell) = (self.lab.clone(), self.tell.clone());
            std::thread::spawn(move || {
                let outcome = asked(&lab, &ask);
                // Who asked may have ended.
                let _ended = tell.send((ask, outcome));
            });
        }
        let mut events = Vec::new();
        while let Ok((ask, outcome)) = self.told.try_recv() {
            events.extend(self.watcher.told(&ask, &outcome, self.began.elapsed()));
        }
        events.extend(self.watcher.tick(self.began.elapsed()));
        let changed = |event| match event {
            Event::Changed { changed, .. } => Some((number(&changed.thing), changed.change.to)),
            Event::Notify(_) => None,
        };
        events.into_iter().filter_map(changed).collect()
    }
}

fn number(thing: &str) -> usize {
    thing.trim_start_matches('l').parse().unwrap()
}

fn asked(lab: &str, ask: &Ask) -> Outcome {
    let check = Check {
        from: "instance/hub".to_owned(),
        source: [10, 0, 0, 10].into(),
        target: format!("{}:6379", address(number(&ask.target))).parse().unwrap(),
        path: None,
        milliseconds: u64::try_from(ask.time_out.as_millis()).unwrap(),
    };
    let verdict = match control::health(lab, &[check]) {
        Ok(told) if told[0].answered == Answered::Connected => Verdict::Passed,
        Ok(told) => Verdict::failed(Kind::ConnectTimedOut, format!("{:?}", told[0].answered)),
        Err(failure) => Verdict::unknown(failure.to_string()),
    };
    Outcome::bare(verdict, jiff::Timestamp::UNIX_EPOCH, ask.attempt)
}

/// Cuts links until there were so many cuts, each healed when it was told; none is waited for longer than `patience`.
pub(crate) fn cut(
    (lab, profile): (&str, Profile),
    (links, cuts): (usize, usize),
    patience: Duration,
) -> Found {
    let plan = faults(&network(links), links);
    let mut breaking = Breaking::open(lab, "bench", "bench", Duration::from_secs(10)).unwrap();
    breaking.act(&Act::Lay { rules: rules(&plan.cuts(), &plan.parties, &[]) }).unwrap();
    let mut eyes = Eyes::new(lab, links, profile);
    let mut state = vec![State::Unknown; links];
    let mut open: BTreeMap<usize, (u64, Instant)> = BTreeMap::new();
    let (mut found, mut random) = (Found::default(), Random::new(1));
    let (mut made, mut renewed) = (0, Instant::now());
    while made < cuts || !open.is_empty() {
        let mut heal = Vec::new();
        for (link, to) in eyes.look() {
            state[link] = to;
            match (to, open.remove(&link)) {
                (State::Unhealthy, Some((cut, _))) => {
                    let micros = netwright_gameday::run::now().saturating_sub(cut);
                    found.times.push(f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1000.0);
                    heal.push(link);
                }
                (State::Unhealthy, None) => found.false_alarms += 1,
                (_, Some(cut)) => drop(open.insert(link, cut)),
                (_, None) => {}
            }
        }
        let late = open.iter().filter(|(_, (_, at))| at.elapsed() > patience);
        let late: Vec<usize> = late.map(|(link, _)| *link).collect();
        for link in late {
            open.remove(&link);
            found.missed += 1;
            heal.push(link);
        }
        for link in heal {
            breaking.act(&Act::Hold { maps: healed(&maps(&plan, link)) }).unwrap();
        }
        let link = usize::try_from(random.below(u32::try_from(links).unwrap())).unwrap();
        if made < cuts && state[link] == State::Healthy && !open.contains_key(&link) {
            let done = breaking.act(&Act::Hold { maps: maps(&plan, link) }).unwrap();
            open.insert(link, (done.done, Instant::now()));
            made += 1;
        }
        if renewed.elapsed() > Duration::from_secs(3) {
            breaking.act(&Act::Renew).unwrap();
            renewed = Instant::now();
        }
        // Moments that have nothing to do with rounds of probes.
        std::thread::sleep(Duration::from_micros(u64::from(random.below(20_000))));
    }
    breaking.act(&Act::End).unwrap();
    found
}
