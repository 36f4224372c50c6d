//! Faults of a game day: how soon a cut is in the kernel, of one pair and of two thousand, when the last packet got through, and how soon a cut
//! is declared, over a thousand of them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a benchmark tells what it measured and stops where it cannot go on"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use netwright_dataplane::plan::plan as lab_plan;
use netwright_gameday::cut::{elements, healed, rules};
use netwright_gameday::detect::{State, Track, evidence};
use netwright_gameday::load;
use netwright_gameday::plan::{Does, Plan, plan};
use netwright_lab::faults::{Act, Breaking, Holds};
use netwright_lab::monitor::{Hello, Monitor, Pair, Watch};
use netwright_model::random::Random;
use netwright_model::source::Sources;

const LAB: &str = "bench-gameday";
/// Clients of the one database that are cut off, each by itself.
const CLIENTS: usize = 40;
/// Cuts that are measured, and cuts whose detection is.
const CUTS: usize = 1_000;

fn network() -> String {
    let mut text = "vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/22 }, d: { cidr: 10.0.4.0/24 } } } }\ninstances:\n".to_owned();
    for number in 0..100 {
        writeln!(
            text,
            "  c{number}: {{ subnet: s, address: 10.0.{}.{} }}",
            number / 50,
            number % 50 + 10
        )
        .unwrap();
    }
    text.push_str("databases: { db: { engine: redis, subnet: d, private_address: 10.0.4.10 } }\n");
    text
}

fn planned(faults: &str) -> Plan {
    let mut sources = Sources::default();
    let network = netwright_model::load("network", &network(), &mut sources).unwrap();
    let text = format!(
        "{{ title: t, safety: {{ most_pairs: 100% }}, faults: {{ {faults} }}, method: [ {{ wait: 1s }} ] }}"
    );
    let experiment = load::parse(Path::new("e.yaml"), &text, &mut sources, &|_| None).unwrap();
    plan(experiment, &network, &lab_plan(&network)).unwrap()
}

fn quantiles(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "{what}: {} times, median {:.1} ms, 99th {:.1} ms, slowest {:.1} ms",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}

fn micros(from: u64, to: u64) -> f64 {
    f64::from(u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX)) / 1000.0
}

/// The maps that a fault holds while it is on.
fn maps(plan: &Plan, fault: usize) -> Vec<Holds> {
    let Does::Cut(cut) = &plan.faults[fault].does else { return Vec::new() };
    elements(fault, cut, &plan.parties)
}

fn main() {
    let folder =
        std::env::temp_dir().join(format!("netwright-bench-gameday-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("network.yaml");
    std::fs::write(&file, network()).unwrap();
    let lab = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command.arg("lab").args(words).args(["--name", LAB]).output().unwrap()
    };
    let up = lab(&["up", file.to_str().unwrap()]);
    if up.status.success() {
        one_pair();
        many_pairs();
        detection();
        lab(&["down"]);
    } else {
        println!("left out: {}", String::from_utf8_lossy(&up.stderr).trim());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn open() -> Breaking {
    Breaking::open(LAB, "bench", "bench", Duration::from_secs(10)).unwrap()
}

fn lay(breaking: &mut Breaking, plan: &Plan) {
    let rules = rules(&plan.cuts(), &plan.parties, &[]);
    breaking.act(&Act::Lay { rules }).unwrap();
}

fn one_pair() {
    let plan = planned("f: { between: c0, and: db }");
    let mut breaking = open();
    lay(&mut breaking, &plan);
    let mut times = Vec::new();
    for _ in 0..CUTS {
        let maps = maps(&plan, 0);
        let done = breaking.act(&Act::Hold { maps: maps.clone() }).unwrap();
        times.push(micros(done.heard, done.done));
        breaking.act(&Act::Hold { maps: healed(&maps) }).unwrap();
    }
    quantiles("a cut of one pair is in the kernel", times);
    breaking.act(&Act::End).unwrap();
}

fn many_pairs() {
    let side = |from: usize, to: usize| {
        (from..to).map(|number| format!("c{number}")).collect::<Vec<_>>().join(", ")
    };
    let plan = planned(&format!("f: {{ between: [{}], and: [{}] }}", side(0, 40), side(40, 90)));
    let pairs = plan.faults[0].pairs.len();
    let mut breaking = open();
    lay(&mut breaking, &plan);
    let mut times = Vec::new();
    for _ in 0..20 {
        let maps = maps(&plan, 0);
        let done = breaking.act(&Act::Hold { maps: maps.clone() }).unwrap();
        times.push(micros(done.heard, done.done));
        breaking.act(&Act::Hold { maps: healed(&maps) }).unwrap();
    }
    quantiles(&format!("a cut of {pairs} pairs is in the kernel"), times);
    breaking.act(&Act::End).unwrap();
}

/// A client that is cut off: when that was asked for, when it was so, and when a round first missed it.
struct Cut {
    asked: u64,
    effective: u64,
    missed: Option<u64>,
}

/// How long each part of a detection took, over all cuts.
#[derive(Default)]
struct Split([Vec<f64>; 4]);

impl Split {
    /// Adds when a cut was asked for, in the kernel, first missed, declared, and told.
    fn add(&mut self, [asked, effective, missed, declared, told]: [u64; 5]) {
        let parts =
            [(asked, effective), (effective, missed), (missed, declared), (effective, told)];
        for (times, (from, to)) in self.0.iter_mut().zip(parts) {
            times.push(micros(from, to));
        }
    }

    fn tell(self) {
        let names = [
            "a watched connection is cut: asked for to in the kernel",
            "in the kernel to the first round that missed it",
            "that round to the one that declared it",
            "in the kernel to declared and told",
        ];
        names.into_iter().zip(self.0).for_each(|(name, times)| quantiles(name, times));
    }
}

/// Each client is cut off by itself, at moments that have nothing to do with rounds.
fn detection() {
    let mut faults = String::new();
    for client in 0..CLIENTS {
        write!(faults, "f{client}: {{ between: c{client}, and: db }}, ").unwrap();
    }
    let plan = planned(&faults);
    let mut breaking = open();
    lay(&mut breaking, &plan);
    let pair = |client: usize| Pair {
        from: format!("instance/c{client}"),
        to: "database/db".to_owned(),
        source: plan.parties.named(&format!("c{client}")).unwrap().source.unwrap(),
        target: "10.0.4.10:6379".parse().unwrap(),
        hello: Hello::Redis,
    };
    let watch = Watch {
        pairs: (0..CLIENTS).map(pair).collect(),
        names: Vec::new(),
        interval: 500,
        timeout: 400,
    };
    let mut monitor = Monitor::begin(LAB, &watch).unwrap();
    let mut tracks = vec![Track::default(); CLIENTS];
    let (told, rounds) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Ok(Some(round)) = monitor.round() {
            if told.send(round).is_err() {
                return;
            }
        }
    });
    let mut random = Random::new(1);
    let mut cut: BTreeMap<usize, Cut> = BTreeMap::new();
    let mut split = Split::default();
    let mut renewed = Instant::now();
    let begun = Instant::now();
    while split.0[0].len() < CUTS {
        while let Ok(round) = rounds.try_recv() {
            // What heals one takes time that is not the next one's.
            let told = netwright_gameday::run::now();
            for (client, (track, row)) in tracks.iter_mut().zip(&round.rows).enumerate() {
                let change = track.round(row, round.over);
                let Some(own) = cut.get_mut(&client) else { continue };
                if own.missed.is_none() && evidence(row, None) != State::Up {
                    own.missed = Some(round.over);
                }
                if change.is_some_and(|change| change.to == State::Down) {
                    let missed = own.missed.unwrap_or(round.over);
                    split.add([own.asked, own.effective, missed, round.over, told]);
                    let maps = healed(&maps(&plan, client));
                    breaking.act(&Act::Hold { maps }).unwrap();
                    cut.remove(&client);
                }
            }
        }
        let client = usize::try_from(random.below(u32::try_from(CLIENTS).unwrap())).unwrap();
        if begun.elapsed() > Duration::from_secs(3)
            && tracks[client].now() == State::Up
            && !cut.contains_key(&client)
        {
            let done = breaking.act(&Act::Hold { maps: maps(&plan, client) }).unwrap();
            let own = Cut { asked: done.heard, effective: done.done, missed: None };
            cut.insert(client, own);
        }
        if renewed.elapsed() > Duration::from_secs(3) {
            breaking.act(&Act::Renew).unwrap();
            renewed = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(u64::from(random.below(20))));
    }
    split.tell();
    breaking.act(&Act::End).unwrap();
}
