//! Game days in a lab: each kind of fault bites and is gone after, a run tells what came out, and nothing is left whoever dies when.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test says what it skips and stops where it cannot go on"
)]

mod harness;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::{Stays, Way, text, ways};
use netwright_dataplane::plan::plan as lab_plan;
use netwright_gameday::cut::{elements, healed, rules};
use netwright_gameday::detect::{State, evidence};
use netwright_gameday::load;
use netwright_gameday::plan::{Does, Plan, plan};
use netwright_lab::faults::{Act, Breaking, Strike, status};
use netwright_lab::monitor::{Hello, Monitor, NamePair, Pair, Round, Watch, connect};
use netwright_model::source::Sources;

/// Two machines behind two routers with a peering between them, of which one holds the databases' stand-ins; one of these may not begin connections.
const NETWORK: &str = "
vpcs:
  one:
    cidr: 10.1.0.0/16
    subnets: { app: { cidr: 10.1.1.0/24 } }
    route_tables: { main: { routes: [ { to: 10.2.0.0/16, via: 'peering:p' } ] } }
    main_route_table: main
  two:
    cidr: 10.2.0.0/16
    subnets: { data: { cidr: 10.2.1.0/24 } }
    route_tables: { main: { routes: [ { to: 10.1.0.0/16, via: 'peering:p' } ] } }
    main_route_table: main
peerings: { p: { vpcs: [one, two], state: active } }
filters: { kept: { vpc: one, rules: [ { direction: ingress, protocol: tcp, port: 6379, from: 10.0.0.0/8 } ] } }
instances:
  gateway: { subnet: one/app, address: 10.1.1.10 }
  other: { subnet: one/app, address: 10.1.1.20 }
databases:
  database: { engine: postgres, subnet: two/data, private_address: 10.2.1.10 }
  redis: { engine: redis, subnet: one/app, private_address: 10.1.1.30 }
  kept: { engine: redis, subnet: one/app, private_address: 10.1.1.40, filters: kept }
dns_zones:
  internal:
    domain: test.internal
    vpcs: [one]
    records: [ { name: db, type: A, values: 10.2.1.10 } ]
";

fn planned(fault: &str) -> Plan {
    planned_of(&format!("f: {{ {fault} }}"))
}

fn planned_of(faults: &str) -> Plan {
    let mut sources = Sources::default();
    let network = netwright_model::load("network", NETWORK, &mut sources).unwrap();
    let text = format!(
        "{{ title: t, safety: {{ most_pairs: 100% }}, faults: {{ {faults} }}, method: [ {{ fault: f, for: 5s }} ] }}"
    );
    let experiment = load::parse(Path::new("e.yaml"), &text, &mut sources, &|_| None);
    plan(experiment.unwrap(), &network, &lab_plan(&network))
        .unwrap_or_else(|wrong| panic!("{wrong:#?}"))
}

/// A lab with its faults and its monitor in a test's hands.
struct Hands {
    breaking: Breaking,
    monitor: Monitor,
}

fn pair(from: &str, source: &str, to: &str, target: &str, hello: Hello) -> Pair {
    let target: SocketAddr = target.parse().unwrap();
    Pair { from: from.into(), to: to.into(), source: source.parse().unwrap(), target, hello }
}

impl Hands {
    fn new(way: &Way) -> Self {
        let breaking = Breaking::open(&way.lab, "test", "a test", Duration::from_secs(5)).unwrap();
        let watch = Watch {
            pairs: vec![
                pair(
                    "instance/gateway",
                    "10.1.1.10",
                    "database/database",
                    "10.2.1.10:5432",
                    Hello::Postgres,
                ),
                pair(
                    "instance/other",
                    "10.1.1.20",
                    "database/database",
                    "10.2.1.10:5432",
                    Hello::Postgres,
                ),
                pair(
                    "database/database",
                    "10.2.1.10",
                    "database/redis",
                    "10.1.1.30:6379",
                    Hello::Redis,
                ),
                pair(
                    "instance/other",
                    "10.1.1.20",
                    "database/kept",
                    "10.1.1.40:6379",
                    Hello::Redis,
                ),
            ],
            names: vec![NamePair {
                from: "instance/gateway".into(),
                server: "169.254.169.253".parse().unwrap(),
                name: "db.test.internal".into(),
            }],
            interval: 200,
            timeout: 150,
        };
        let mut hands = Self { breaking, monitor: Monitor::begin(&way.lab, &watch).unwrap() };
        hands.until("before", |round| (0..4).all(|at| seen(round, at) == State::Up));
        hands
    }

    /// Rounds until one is as it must be.
    #[track_caller]
    fn until(&mut self, what: &str, fits: impl Fn(&Round) -> bool) -> Round {
        let begun = Instant::now();
        loop {
            let _held = self.breaking.act(&Act::Renew).unwrap();
            let round = self.monitor.round().unwrap().unwrap();
            if fits(&round) {
                return round;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {round:#?}");
        }
    }

    fn put_on(&mut self, plan: &Plan) {
        self.breaking.act(&Act::Renew).unwrap();
        match &plan.faults[0].does {
            Does::Cut(cut) => {
                let rules = rules(&plan.cuts(), &plan.parties, &plan.protected);
                self.breaking.act(&Act::Lay { rules }).unwrap();
                self.breaking.act(&Act::Hold { maps: elements(0, cut, &plan.parties) }).unwrap();
            }
            Does::Links(changes) => {
                drop(self.breaking.act(&Act::Links { changes: changes.clone() }).unwrap());
            }
            Does::Names(troubles) => {
                drop(self.breaking.act(&Act::Names { troubles: troubles.clone() }).unwrap());
            }
            Does::Strike(spaces, how, holds) => {
                for namespace in spaces.clone() {
                    let struck = self
                        .breaking
                        .act(&Act::Strike { namespace, how: *how, holds: holds.clone() })
                        .unwrap();
                    assert!(!struck.struck.is_empty());
                }
            }
            Does::Clocks(..) => panic!("there is no reference system here"),
        }
    }

    fn take_off(&mut self, plan: &Plan) {
        match &plan.faults[0].does {
            Does::Cut(cut) => {
                let maps = healed(&elements(0, cut, &plan.parties));
                self.breaking.act(&Act::Hold { maps }).unwrap();
            }
            Does::Links(changes) => {
                let links = changes.iter().map(|(link, _)| link.clone()).collect();
                self.breaking.act(&Act::Unlink { links }).unwrap();
            }
            Does::Names(_) => drop(self.breaking.act(&Act::Names { troubles: [].into() }).unwrap()),
            Does::Strike(spaces, Strike::Pause, holds) => {
                for namespace in spaces.clone() {
                    let act = Act::Strike { namespace, how: Strike::Resume, holds: holds.clone() };
                    self.breaking.act(&act).unwrap();
                }
            }
            Does::Strike(..) | Does::Clocks(..) => {}
        }
    }

    /// Packets that were met.
    fn met(&mut self) -> u64 {
        self.breaking.act(&Act::Read).unwrap().counted.iter().map(|(.., count)| count).sum()
    }
}

fn seen(round: &Round, at: usize) -> State {
    evidence(&round.rows[at], Some(2_000))
}

/// Each fault between the gateway and the database, and what is seen of the ways from the gateway, from another machine, and from the database.
const FAULTS: [(&str, State, State); 11] = [
    ("between: gateway, and: database", State::Down, State::Up),
    ("between: gateway, and: database, direction: there", State::OneWayThere, State::Up),
    ("between: gateway, and: database, direction: back", State::OneWayBack, State::Up),
    (
        "between: gateway, and: database, direction: there, initiation: true",
        State::InitiationOnly,
        State::Up,
    ),
    ("between: gateway, and: database, services: tcp/5432", State::Down, State::Up),
    ("between: [gateway, other], and: database, kind: reject", State::Down, State::Down),
    ("between: gateway, and: database, kind: reset", State::Down, State::Up),
    ("between: gateway, and: database, kind: hold", State::Stalled, State::Up),
    ("between: gateway, and: database, kind: loss, share: 100%", State::Down, State::Up),
    (
        "between: [gateway, other], and: database, kind: slow, latency: 15ms",
        State::Slow,
        State::Slow,
    ),
    ("between: database, kind: pause", State::Stalled, State::Stalled),
];

#[test]
fn each_fault_bites_where_it_should_and_is_gone_after() {
    for way in ways("bites").into_iter().take(1) {
        let file = way.file(NETWORK);
        let up = way.lab(&["up", &file]);
        assert!(up.status.success(), "{up:?}");
        let mut hands = Hands::new(&way);
        for (fault, gateway, other) in FAULTS {
            let plan = planned(fault);
            hands.put_on(&plan);
            hands.until(fault, |round| (seen(round, 0), seen(round, 1)) == (gateway, other));
            if matches!(plan.faults[0].does, Does::Cut(_)) {
                assert!(hands.met() > 0, "{fault}");
            }
            hands.take_off(&plan);
            hands.until(&format!("after {fault}"), |round| {
                (0..3).all(|at| seen(round, at) == State::Up)
            });
        }
        kept(&mut hands);
        killed(&way, &mut hands);
        limited(&way, &mut hands);
        named(&mut hands);
        stopped(&mut hands);
        many(&mut hands);
        let done = hands.breaking.act(&Act::End).unwrap();
        assert_eq!(done.left, Vec::<String>::new());
        let check = way.lab(&["check"]);
        assert!(check.status.success(), "{}", text(&check.stdout));
    }
}

/// Rounds for which it is looked at.
const ROUNDS: u64 = 10;

/// Which way is open is told of a machine too that may only answer, for as long as it lasts.
fn kept(hands: &mut Hands) {
    let faults = [
        ("direction: there", State::OneWayThere),
        ("direction: back", State::OneWayBack),
        ("direction: both", State::Down),
    ];
    for (fault, seen_as) in faults {
        let plan = planned(&format!("between: other, and: kept, {fault}"));
        hands.put_on(&plan);
        let fits = |round: &Round| seen(round, 3) == seen_as;
        let first = hands.until(fault, fits).number;
        while hands.until(fault, fits).number < first + ROUNDS {}
        hands.take_off(&plan);
        hands.until(&format!("after {fault}"), |round| seen(round, 3) == State::Up);
    }
}

fn dial(way: &Way) -> std::net::TcpStream {
    let target = "10.2.1.10:5432".parse().unwrap();
    let stream = connect(&way.lab, "gateway", target, Duration::from_secs(2)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream
}

/// Connections that are there are reset, new ones live.
fn killed(way: &Way, hands: &mut Hands) {
    let plan = planned("between: gateway, and: database, kind: kill");
    let mut before = dial(way);
    hands.put_on(&plan);
    // SSLRequest: the server says one letter.
    let asks = [0, 0, 0, 8, 4, 210, 22, 47];
    before.write_all(&asks).unwrap();
    let ended = before.read(&mut [0; 8]).unwrap_err();
    assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
    let mut after = dial(way);
    after.write_all(&asks).unwrap();
    assert_eq!(after.read(&mut [0; 8]).unwrap(), 1);
    assert!(hands.met() > 0);
    hands.take_off(&plan);
}

/// What is more than a rate is lost: a second of conversations at a few octets passes no more than that.
fn limited(way: &Way, hands: &mut Hands) {
    let plan = planned("between: gateway, and: database, kind: rate, rate: 8kbit/s");
    hands.put_on(&plan);
    let begun = Instant::now();
    let target = "10.2.1.10:5432".parse().unwrap();
    while hands.met() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        let _may_be_lost = connect(&way.lab, "gateway", target, Duration::from_millis(100));
    }
    hands.take_off(&plan);
    hands.until("after the rate", |round| seen(round, 0) == State::Up);
}

/// Whether a round shows a fault.
type Shows = fn(&Round) -> bool;

/// Name servers do wrong to those whom it concerns.
fn named(hands: &mut Hands) {
    let fine =
        hands.until("names before", |round| round.names[0].code.as_deref() == Some("NOERROR"));
    assert_eq!(fine.names[0].addresses, ["10.2.1.10".parse::<std::net::IpAddr>().unwrap()]);
    let cases: [(&str, Shows); 5] = [
        ("no-answer", |round| round.names[0].code.is_none()),
        ("error", |round| round.names[0].code.as_deref() == Some("SERVFAIL")),
        ("no-name", |round| round.names[0].code.as_deref() == Some("NXDOMAIN")),
        ("wrong, addresses: 192.0.2.1", |round| {
            round.names[0].addresses == ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]
        }),
        ("slow, delay: 50ms", |round| round.names[0].took.is_some_and(|took| took > 50_000)),
    ];
    for (answer, fits) in cases {
        let plan = planned(&format!(
            "kind: dns, between: gateway, names: test.internal, answer: {answer}"
        ));
        hands.put_on(&plan);
        hands.until(answer, fits);
        hands.take_off(&plan);
        hands.until("names after", |round| round.names[0].addresses == fine.names[0].addresses);
    }
}

/// What runs is ended; the lab starts it again, as it would anywhere.
fn stopped(hands: &mut Hands) {
    let plan = planned("kind: stop, between: database");
    hands.put_on(&plan);
    hands.until("the stand-in comes back", |round| seen(round, 0) == State::Up);
}

/// Hundreds of faults are laid, held and renewed together, though the kernel takes little in one transaction.
fn many(hands: &mut Hands) {
    let more: String = (1..300)
        .map(|number| format!(", f{number}: {{ between: gateway, and: database }}"))
        .collect();
    let plan = planned_of(&format!("f: {{ between: other, and: database }}{more}"));
    let maps: Vec<_> =
        plan.cuts().iter().flat_map(|(fault, cut)| elements(*fault, cut, &plan.parties)).collect();
    hands.breaking.act(&Act::Renew).unwrap();
    let rules = rules(&plan.cuts(), &plan.parties, &plan.protected);
    hands.breaking.act(&Act::Lay { rules }).unwrap();
    hands.breaking.act(&Act::Hold { maps: maps.clone() }).unwrap();
    let cut = |round: &Round| (0..2).all(|at| seen(round, at) == State::Down);
    hands.until("all are cut", cut);
    hands.breaking.act(&Act::Hold { maps: healed(&maps) }).unwrap();
    hands.until("all are healed", |round| (0..3).all(|at| seen(round, at) == State::Up));
}

const BARE: &str = "
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
instances: { a: { subnet: s, address: 10.0.0.5 }, b: { subnet: s, address: 10.0.0.6 }, c: { subnet: s, address: 10.0.0.7 } }
";

const LONG: &str = "
title: long
safety: { lease: 1s, most_pairs: 100% }
phases: { steady: 0, recover: 1s, after: 0 }
faults: { cut: { between: a, and: b }, slow: { kind: slow, latency: 5ms, between: a, and: c } }
method: [ { fault: cut, for: 60s, background: true }, { fault: slow, for: 60s } ]
";

/// The words of a run that breaks a lab for a minute.
fn long_run(way: &Way) -> Vec<String> {
    let file = way.file(BARE);
    let experiment = way.folder.join("long.yaml");
    std::fs::write(&experiment, LONG).unwrap();
    assert!(way.lab(&["up", &file]).status.success());
    let experiment = experiment.to_str().unwrap();
    ["gameday", "run", experiment, "--network", &file, "--name", &way.lab].map(str::to_owned).into()
}

/// How a run is started, or the same once more.
fn command(way: &Way, words: &[String]) -> std::process::Command {
    way.command(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Waits until nothing is left in a lab: how long that took.
#[track_caller]
fn mended(way: &Way) -> Duration {
    let begun = Instant::now();
    loop {
        let check = way.lab(&["check"]);
        let links = text(&way.lab(&["link"]).stdout);
        if check.status.success() && status(&way.lab).unwrap().is_none() && !links.contains("5ms") {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{} {links}", text(&check.stdout));
    }
}

#[test]
fn a_controller_that_is_killed_at_any_moment_leaves_nothing() {
    let tries =
        std::env::var("NETWRIGHT_KILLS").ok().and_then(|tries| tries.parse().ok()).unwrap_or(20);
    for way in ways("killed").into_iter().take(1) {
        let words = long_run(&way);
        let mut random = netwright_model::random::Random::new(20);
        let mut slowest = Duration::ZERO;
        let mut broken = 0;
        for number in 0..tries {
            let folder = way.folder.join(format!("run-{number}"));
            let mut run = command(&way, &words);
            run.arg("--output").arg(&folder);
            let mut run = Stays::start(run);
            std::thread::sleep(Duration::from_millis(u64::from(random.below(600))));
            broken += u32::from(status(&way.lab).unwrap().is_some());
            run.child.kill().unwrap();
            run.child.wait().unwrap();
            slowest = slowest.max(mended(&way));
            unfinished(&way, &folder);
        }
        eprintln!(
            "{tries} times killed, {broken} times in the middle; mended at the latest after {slowest:?}"
        );
        assert!(broken > 0);
    }
}

/// The report of a run that was killed tells what its journal knows, and never that it passed.
#[track_caller]
fn unfinished(way: &Way, folder: &Path) {
    let journal = folder.join("journal.jsonl");
    let written = std::fs::read_to_string(&journal).unwrap_or_default();
    if !written.contains('\n') {
        return;
    }
    for file in [folder, &journal] {
        let report = way.command(&["gameday", "report", file.to_str().unwrap()]).output().unwrap();
        let said = text(&report.stdout);
        assert_eq!(report.status.code(), Some(3), "{said}\n{}", text(&report.stderr));
        assert!(said.starts_with("UNKNOWN  long"), "{said}");
        assert!(said.contains("the run did not come to its end"), "{said}");
    }
}

#[test]
fn a_controller_that_hangs_loses_its_hold_after_the_lease() {
    for way in ways("hangs").into_iter().take(1) {
        let words = long_run(&way);
        let run = Stays::start(command(&way, &words));
        run.until("slow is on");
        assert!(harness_signal("STOP", run.child.id()));
        let begun = Instant::now();
        mended(&way);
        assert!(begun.elapsed() > Duration::from_millis(500), "the lease is a second");
        assert!(harness_signal("CONT", run.child.id()));
        run.until("nothing was heard for 1000 ms");
        run.until("verdict: unknown");
    }
}

fn harness_signal(name: &str, number: u32) -> bool {
    let text = format!("kill -{name} {number}");
    std::process::Command::new("sh").args(["-c", &text]).status().unwrap().success()
}

#[test]
fn an_interrupted_run_and_one_that_somebody_stops_take_everything_back_and_say_unknown() {
    for way in ways("stops").into_iter().take(1) {
        let words = long_run(&way);
        let run = Stays::start(command(&way, &words));
        run.until("slow is on");
        let again = command(&way, &words).output().unwrap();
        assert_eq!(again.status.code(), Some(2), "one at a time");
        assert!(text(&again.stderr).contains("a game day is under way: long"), "{again:?}");
        let (code, told) = run.interrupt();
        assert_eq!(code, Some(3), "{told:#?}");
        assert!(
            told.iter().any(|line| line.contains("broken off: it was interrupted")),
            "{told:#?}"
        );
        assert!(told.iter().any(|line| line.contains("nothing is left of faults")), "{told:#?}");
        mended(&way);

        let run = Stays::start(command(&way, &words));
        run.until("slow is on");
        let status = way.command(&["gameday", "status", "--name", &way.lab]).output().unwrap();
        assert!(text(&status.stdout).contains("long ("), "{status:?}");
        let stop = way.command(&["gameday", "stop", "--name", &way.lab]).output().unwrap();
        assert_eq!(stop.status.code(), Some(0), "{stop:?}");
        assert!(text(&stop.stdout).contains("nothing is left of faults"), "{stop:?}");
        run.until("broken off: the faults have ended: somebody stopped it");
        run.until("verdict: unknown");
        mended(&way);
    }
}

#[test]
fn a_run_tells_what_was_injected_and_found_out_and_passes() {
    for way in ways("passes") {
        let file = way.file(NETWORK);
        let experiment = way.folder.join("e.yaml");
        let told = "title: cut off
faults: { cut: { between: gateway, and: database } }
method: [ { fault: cut, for: 3s } ]
phases: { steady: 500ms, after: 500ms }
steady-state-hypothesis:
  probes: [ { type: probe, name: connects, tolerance: true, provider: { type: tcp, target: 'database:5432', from: gateway } } ]
expect: { detected: 3s, recovered: 10s }
";
        std::fs::write(&experiment, told).unwrap();
        // No lab runs: it is started, and ends with the run.
        let words = [
            "gameday",
            "run",
            experiment.to_str().unwrap(),
            "--network",
            &file,
            "--name",
            &way.lab,
            "--output",
            "run",
        ];
        let ran = way.command(&words).output().unwrap();
        let out = text(&ran.stdout);
        assert_eq!(ran.status.code(), Some(0), "{out}\n{}", text(&ran.stderr));
        assert!(out.contains("gateway → database:5432 is down"), "{out}");
        assert!(out.contains("nothing is left of faults"), "{out}");
        assert!(out.contains("verdict: pass\nrecovery time: "), "{out}");
        let files = "\njournal: run/journal.jsonl\nreport: run/report.html\n";
        assert!(out.ends_with(files), "{out}");
        let report = std::fs::read_to_string(way.folder.join("run/report.json")).unwrap();
        assert!(report.contains("\"verdict\": \"passed\""), "{report}");
        let journal = std::fs::read_to_string(way.folder.join("run/journal.jsonl")).unwrap();
        let (lines, notices) = netwright_gameday::journal::read(&journal).unwrap();
        assert_eq!(notices, Vec::<String>::new());
        assert!(lines.len() > 20, "{}", lines.len());
        assert!(!way.lab(&["ps"]).status.success(), "the lab has ended with it");
        let again = way.command(&words).output().unwrap();
        assert_eq!(again.status.code(), Some(2), "a journal is never written over");
    }
}

#[test]
fn experiments_with_mistakes_are_told_with_their_places_and_nothing_is_done() {
    let way_folder =
        std::env::temp_dir().join(format!("netwright-gameday-bad-{}", std::process::id()));
    std::fs::create_dir_all(&way_folder).unwrap();
    let network = way_folder.join("network.yaml");
    std::fs::write(&network, BARE).unwrap();
    let run = |experiment: &str| {
        let file = way_folder.join("e.yaml");
        std::fs::write(&file, experiment).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_netwright"));
        let ran = command
            .args([
                "gameday",
                "run",
                file.to_str().unwrap(),
                "--network",
                network.to_str().unwrap(),
            ])
            .output();
        let ran = ran.unwrap();
        assert_eq!(ran.status.code(), Some(2), "{ran:?}");
        text(&ran.stderr)
    };
    let two =
        run("title: t\nfaults:\n  cut: { between: d }\nmethod:\n  - { fault: cat, for: 5s }\n");
    assert!(
        two.contains("e.yaml:3:19") && two.contains("e.yaml:5:14") && two.contains("2 errors"),
        "{two}"
    );
    let all = run(
        "title: t\nfaults: { cut: { between: everything, and: everything } }\nmethod: [ { fault: cut, for: 5s } ]\n",
    );
    assert!(all.contains("3 of 3 pairs"), "{all}");
    let ends =
        run("title: t\nfaults: { cut: { between: a, and: b } }\nmethod: [ { fault: cut } ]\n");
    assert!(ends.contains("never ends") && ends.contains("for: 30s"), "{ends}");
    std::fs::remove_dir_all(&way_folder).unwrap();
    let nothing = std::process::Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(["gameday", "plan", "backend-databas"])
        .output()
        .unwrap();
    assert!(text(&nothing.stderr).contains("did you mean backend-database?"), "{nothing:?}");
}
