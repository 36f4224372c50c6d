//! Runs on a network that is only said to be: what they do to it, and what they make of what it says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where it cannot go on")]

mod workload;

use std::path::Path;
use std::sync::atomic::AtomicUsize;

use netwright_dataplane::plan::plan as lab_plan;
use netwright_model::source::Sources;

use super::*;
use crate::journal::Verdict;
use crate::load;
use crate::plan::{Does, Plan, plan};

const NETWORK: &str = "
vpcs: { v: { subnets: { s: { cidr: 10.0.0.0/24 } } } }
instances:
  a: { subnet: s, address: 10.0.0.5, listens: tcp/80 }
  b: { subnet: s, address: 10.0.0.6, listens: tcp/80 }
  c: { subnet: s, address: 10.0.0.7, listens: tcp/80 }
  d: { subnet: s, address: 10.0.0.8 }
";

fn planned(text: &str) -> (Plan, netwright_dataplane::plan::HostPlan) {
    let mut sources = Sources::default();
    let network = netwright_model::load("network", NETWORK, &mut sources).unwrap();
    let host = lab_plan(&network);
    let experiment = load::parse(Path::new("e.yaml"), text, &mut sources, &|_| None).unwrap();
    (plan(experiment, &network, &host).unwrap(), host)
}

/// A network that does what it is asked to, but for what it is told to do wrong.
#[derive(Default)]
struct Fake {
    /// Pairs that are cut, by the fault's name.
    on: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    met: Mutex<BTreeMap<String, u64>>,
    /// What was asked from machines.
    asked: Mutex<Vec<Away>>,
    names: Vec<String>,
    injected: AtomicUsize,
    renewed: AtomicUsize,
    refuses: bool,
    /// A flow that no fault concerns fails while one is on.
    harms: bool,
    /// What is cut is answered all the same.
    passes: bool,
    /// How often what is asked from a machine is not answered before it is.
    answers_after: usize,
}

impl Live for Fake {
    fn inject(&self, fault: &Planned) -> Result<String, String> {
        if self.refuses {
            return Err("it concerns 1 of 6 pairs, more than the 0 that were allowed".to_owned());
        }
        let Does::Cut(cut) = &fault.does else { panic!("no cut: {fault:?}") };
        let id = format!("f{}", self.injected.fetch_add(1, Ordering::SeqCst));
        let name = |place: usize| self.names[place].clone();
        let pairs = cut.there.iter().chain(&cut.back).map(|(a, b)| (name(*a), name(*b))).collect();
        lock(&self.on).insert(id.clone(), pairs);
        Ok(id)
    }

    fn renew(&self, id: &str) -> Result<(), String> {
        self.renewed.fetch_add(1, Ordering::SeqCst);
        lock(&self.on).contains_key(id).then_some(()).ok_or_else(|| "it is over".to_owned())
    }

    fn end(&self, id: &str) -> Result<(), String> {
        lock(&self.on).remove(id);
        Ok(())
    }

    fn stands(&self, id: &str) -> Result<Stand, String> {
        let applied = lock(&self.on).contains_key(id);
        let met = lock(&self.met).get(id).copied().unwrap_or_default();
        Ok(Stand { applied, gone: !applied, met, ..Stand::default() })
    }

    fn observe(&self, flows: &[Flow]) -> Result<Vec<Option<bool>>, String> {
        let on = lock(&self.on).clone();
        let answered = |flow: &Flow| {
            let pair = (flow.from.clone(), flow.to.clone());
            let mut cut = false;
            for (id, pairs) in &on {
                if pairs.contains(&pair) {
                    cut = true;
                    *lock(&self.met).entry(id.clone()).or_default() += 1;
                }
            }
            let harmed = self.harms && !on.is_empty() && pair == ("c".to_owned(), "b".to_owned());
            Some((!cut || self.passes) && !harmed)
        };
        Ok(flows.iter().map(answered).collect())
    }

    fn ask(&self, away: &Away) -> Result<Said, String> {
        let mut asked = lock(&self.asked);
        asked.push(away.clone());
        let status = (!self.passes && asked.len() > self.answers_after).then_some(204);
        Ok(Said { answered: Some(status.is_some()), status, why: "refused".to_owned() })
    }
}

const CUT: &str = "{ title: t, faults: { cut: { between: a, and: b } }, method: [ { fault: cut, for: 400ms } ], safety: { lease: 500ms }, phases: { steady: 0s, after: 0s } }";

fn ran(name: &str, text: &str, said: Fake, stop: &dyn Fn() -> bool) -> (Outcome, Fake) {
    let (plan, host) = planned(text);
    let said =
        Fake { names: plan.parties.0.iter().map(|party| party.name.clone()).collect(), ..said };
    let folder =
        std::env::temp_dir().join(format!("netwright-hosts-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let setting = Setting {
        plan: &plan,
        host: &host,
        lab: "http://server",
        id: "run",
        experiment: "e.yaml",
        text,
        home: Path::new("."),
        network: Path::new("network.yaml"),
        folder: &folder,
        exec: &[],
        here: &["/usr/bin/env".to_owned()],
    };
    assert_eq!(refused(&plan), Vec::<String>::new());
    let outcome = run(&setting, &said, stop, &mut |_| {}).unwrap();
    let journal = std::fs::read_to_string(&outcome.journal).unwrap();
    let (lines, notices) = crate::journal::read(&journal).unwrap();
    assert!(lines.len() > 3 && notices.is_empty(), "{notices:?}");
    std::fs::remove_dir_all(&folder).unwrap();
    (outcome, said)
}

#[track_caller]
fn has(outcome: &Outcome, name: &str, verdict: Verdict) {
    let found = outcome.criteria.iter().find(|one| one.name == name);
    assert_eq!(found.map(|one| one.verdict), Some(verdict), "{name}: {:#?}", outcome.criteria);
}

#[test]
fn a_cut_that_bites_is_seen_and_gone_after_is_a_pass() {
    let (outcome, said) = ran("passes", CUT, Fake::default(), &|| false);
    assert_eq!(outcome.verdict, Verdict::Pass, "{:#?}", outcome.criteria);
    has(&outcome, "the fault cut bit", Verdict::Pass);
    has(&outcome, "hosts saw the fault cut", Verdict::Pass);
    has(&outcome, "nothing else was concerned", Verdict::Pass);
    has(&outcome, "everything was taken back", Verdict::Pass);
    assert!(lock(&said.on).is_empty());
    assert!(said.renewed.load(Ordering::SeqCst) > 0, "what is held is renewed");
}

#[test]
fn what_the_server_refuses_is_not_done_and_no_run_passes_with_it() {
    let said = Fake { refuses: true, ..Fake::default() };
    let (outcome, said) = ran("refused", CUT, said, &|| false);
    assert_eq!(outcome.verdict, Verdict::Unknown);
    assert_eq!(said.injected.load(Ordering::SeqCst), 0);
    let why = outcome.criteria.iter().find(|one| one.name == "all steps were done").unwrap();
    assert!(why.evidence.contains("more than the 0 that were allowed"), "{why:?}");
}

#[test]
fn harm_to_others_and_a_cut_that_lets_pass_are_failures() {
    let said = Fake { harms: true, ..Fake::default() };
    let (outcome, _) = ran("harms", CUT, said, &|| false);
    has(&outcome, "nothing else was concerned", Verdict::Fail);
    let said = Fake { passes: true, ..Fake::default() };
    let (outcome, _) = ran("lets-pass", CUT, said, &|| false);
    has(&outcome, "hosts saw the fault cut", Verdict::Fail);
}

#[test]
fn an_interruption_takes_everything_back_at_once() {
    let long = CUT.replace("400ms", "60s");
    let begun = Instant::now();
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::SeqCst) > 20;
    let (outcome, said) = ran("interrupted", &long, Fake::default(), &stop);
    assert_eq!(outcome.verdict, Verdict::Unknown);
    has(&outcome, "everything was taken back", Verdict::Pass);
    assert!(lock(&said.on).is_empty());
    assert!(begun.elapsed() < Duration::from_secs(40));
}

#[test]
fn an_activity_that_comes_from_an_endpoint_is_asked_from_its_machine_and_judged_by_its_status() {
    let with = |tolerance: &str| {
        let probe = format!(
            "{{ type: probe, name: page, tolerance: {tolerance}, provider: {{ type: http, url: 'http://b:80/x?y', from: a, headers: {{ X-Y: z }} }} }}"
        );
        CUT.replace(
            "method: [",
            &format!("steady-state-hypothesis: {{ title: s, probes: [ {probe} ] }}, method: ["),
        )
    };
    let (outcome, said) = ran("away", &with("[200, 204]"), Fake::default(), &|| false);
    has(&outcome, "the steady state holds after", Verdict::Pass);
    let asked = lock(&said.asked).clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].place, "instance/a");
    assert!(asked[0].probe.contains("http://10.0.0.6:80/x?y"), "{}", asked[0].probe);
    assert!(asked[0].probe.contains("X-Y: z"), "{}", asked[0].probe);
    let (outcome, _) = ran("away-not", &with("200"), Fake::default(), &|| false);
    has(&outcome, "the steady state holds before", Verdict::Fail);
}

#[test]
fn steps_mean_on_hosts_what_they_mean_in_a_lab() {
    let page = "type: http, url: 'http://b/', from: a";
    let text = format!(
        "{{ title: t, faults: {{ cut: {{ between: a, and: b }} }}, safety: {{ lease: 500ms }}, phases: {{ steady: 0s, after: 100ms }},
           steady-state-hypothesis: {{ title: s, probes: [ {{ type: probe, name: page, tolerance: 204, within: 5s, provider: {{ {page} }} }} ] }},
           method: [ {{ fault: cut, for: 400ms, background: true }}, {{ ref: page }} ],
           recovery: [ {{ type: action, name: drain, provider: {{ {page}, method: POST }} }} ] }}"
    );
    let said = Fake { answers_after: 1, ..Fake::default() };
    let (outcome, said) = ran("steps", &text, said, &|| false);
    assert_eq!(outcome.verdict, Verdict::Pass, "{:#?}", outcome.criteria);
    has(&outcome, "the steady state holds before", Verdict::Pass);
    has(&outcome, "recovered", Verdict::Pass);
    let asked = lock(&said.asked).clone();
    let posted: Vec<bool> = asked.iter().map(|away| away.probe.contains("POST")).collect();
    // Once more because nobody answered at first, by its name, in recovery, and after all.
    assert_eq!(posted, [false, false, false, true, false], "{asked:#?}");
}

#[test]
fn what_agents_do_not_do_is_refused_before_anything_is_begun() {
    let from = |provider: &str, more: &str| {
        let text = format!(
            "{{ title: t, faults: {{ slow: {{ kind: slow, between: a, latency: 10ms }} }}, method: [ {{ fault: slow, for: 1s }}, {{ type: probe, name: p, {more} provider: {{ {provider}, from: a }} }} ] }}"
        );
        refused(&planned(&text).0)
    };
    assert_eq!(from("type: tcp, target: 'b:80'", ""), Vec::<String>::new());
    let page = "type: http, url: 'http://b/'";
    assert_eq!(from(page, "tolerance: 200,"), Vec::<String>::new());
    for (provider, more, why) in [
        ("type: process, path: ls", "", "no program is run on hosts"),
        (page, "tolerance: { type: contains, text: x },", "only the status of an answer"),
        (&format!("{page}, headers: {{ Cookie: a }}"), "", "what hosts may not know"),
    ] {
        let said = from(provider, more);
        assert!(said.len() == 1 && said[0].contains(why), "{said:?}");
    }
}
