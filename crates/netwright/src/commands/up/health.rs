//! Which backends are in service, found out by asking them: decided here once, and given to all nodes of all balancers.
//!
//! Each backend that runs something is asked as its health check says, from its balancer's node. What it answers goes through the state machine of
//! `netwright-watch`; when a state changes, the network is planned again with what is in service now, and the lab takes the difference: a
//! proxy other backends, a node that passes packets on other elements. What is open stays, or is closed where the group says so.
//!
//! The description's `alerts` about backends are asked of what was found out, and told here and to whoever is to be told.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use netwright_dataplane::plan::balancers::{Check, checks};
use netwright_dataplane::plan::plan;
use netwright_lab::check::{Answered, Check as Asked, Told};
use netwright_lab::control;
use netwright_model::language::HealthCheck;
use netwright_model::network::{LoadBalancerId, Network};
use netwright_watch::alert::{self, ChangeEvent, DeskOptions, Rule};
use netwright_watch::fleet::names;
use netwright_watch::health::{Profile, State};
use netwright_watch::probe::outcome::{Kind, Outcome, Phase, PhaseName, Verdict};
use netwright_watch::watcher::{Ask, Event, Target, Watcher};

use crate::commands::notify::Sinks;
use crate::console::{Console, Style};

/// Requests to the lab at a time.
const REQUESTS: usize = 16;

/// A backend and what is decided of it.
struct Backend {
    check: Check,
    profile: Profile,
    /// It is sent requests.
    serves: bool,
}

/// The backends of a lab's balancers that are asked.
pub(super) struct Health {
    watcher: Watcher,
    backends: BTreeMap<String, Backend>,
    began: Instant,
    under_way: usize,
    told: Receiver<Vec<(Ask, Outcome)>>,
    tell: Sender<Vec<(Ask, Outcome)>>,
    sinks: Sinks,
}

/// The numbers of a described check; what is not said is as usual.
fn profile(check: &HealthCheck) -> Profile {
    let usual = Profile::SERVICE;
    let time =
        |given: &Option<netwright_model::source::Spanned<netwright_model::scalar::Duration>>,
         usual| {
            given.as_ref().map_or(usual, |given| Duration::from_millis(given.value.as_millis()))
        };
    let count = |given: &Option<netwright_model::source::Spanned<u32>>, usual| {
        given.as_ref().map_or(usual, |given| given.value.max(1))
    };
    let interval = time(&check.interval, usual.interval).max(Duration::from_millis(100));
    let time_out = time(&check.timeout, usual.time_out.min(interval));
    Profile {
        interval,
        in_transition: usual.in_transition.min(interval),
        time_out: time_out.clamp(Duration::from_millis(10), interval),
        up: count(&check.healthy_threshold, usual.up),
        down: count(&check.unhealthy_threshold, usual.down),
        grace: time(&check.initial_delay, usual.grace),
        starts: count(&check.startup_failures, usual.starts),
        stale: interval * 6,
        ..usual
    }
}

impl Health {
    /// Of a network whose lab has just been built and proved: every backend is in service until it is found not to be.
    pub(super) fn new(network: &Network, sinks: Sinks) -> Self {
        let (tell, told) = channel();
        let watcher = Watcher::new(DeskOptions::default());
        let (backends, began) = (BTreeMap::new(), sinks.began());
        let mut health = Self { watcher, backends, began, under_way: 0, told, tell, sinks };
        health.follow(network, true);
        health
    }

    /// How many backends are asked.
    pub(super) fn len(&self) -> usize {
        self.backends.len()
    }

    /// Goes on with another network: what it has in common with the one before keeps its state, and a backend that is new is out of service until it
    /// is found to be well.
    pub(super) fn edited(&mut self, network: &mut Network) {
        let (at, what) = (self.began.elapsed(), "an edit was applied".to_owned());
        self.watcher.change(ChangeEvent { at, what, who: None });
        self.follow(network, false);
        self.give(network);
    }

    fn follow(&mut self, network: &Network, serves: bool) {
        let mut old = std::mem::take(&mut self.backends);
        for check in checks(network) {
            let profile = profile(&check.settings);
            let serves = old.remove(&check.name).map_or(serves, |old| old.serves);
            self.backends.insert(check.name.clone(), Backend { check, profile, serves });
        }
        let target = |(name, backend): (&String, &Backend)| Target {
            name: name.clone(),
            profile: backend.profile,
            parents: Vec::new(),
        };
        let targets: Vec<Target> = self.backends.iter().map(target).collect();
        // Of what is not asked here nothing is known, and nothing is said.
        let about = |rule: &Rule| targets.iter().any(|target| names(&rule.things, &target.name));
        let rules = alert::rules(&network.description).into_iter().filter(about).collect();
        self.watcher.watch(&targets, rules, self.began.elapsed());
    }

    /// Writes what is in service into a network.
    fn give(&self, network: &mut Network) {
        for Backend { check, serves, .. } in self.backends.values() {
            for (listener, position) in &check.places {
                let balancer = network.load_balancers.get_mut(check.balancer.index());
                let listener = balancer.and_then(|row| row.listeners.get_mut(*listener));
                if let Some(backend) = listener.and_then(|row| row.backends.get_mut(*position)) {
                    backend.healthy = (!serves).then_some(false);
                }
            }
        }
    }

    /// Asks who is to be asked, and takes what was answered; where that changes what is in service, the lab takes it too.
    pub(super) fn step(&mut self, lab: &str, network: &mut Network, console: &mut Console) {
        let mut events = Vec::new();
        while let Ok(answers) = self.told.try_recv() {
            self.under_way -= 1;
            for (ask, outcome) in answers {
                events.extend(self.watcher.told(&ask, &outcome, self.began.elapsed()));
            }
        }
        events.extend(self.watcher.tick(self.began.elapsed()));
        if self.under_way < REQUESTS {
            self.ask(lab);
        }
        let mut changed: Vec<LoadBalancerId> = Vec::new();
        for event in events {
            changed.extend(self.hear(&event, console));
        }
        console.flush();
        if changed.is_empty() {
            return;
        }
        self.give(network);
        changed.sort_unstable();
        changed.dedup();
        for balancer in changed {
            self.tell_all_down(network, balancer, console);
        }
        if let Err(failure) = control::apply(lab, &plan(network)) {
            console
                .error(&format!("the lab did not take which backends are in service: {failure}\n"));
        }
        console.flush();
    }

    /// A state that changed: the balancer, where that changes whether its backend serves.
    fn hear(&mut self, event: &Event, console: &mut Console) -> Option<LoadBalancerId> {
        let (changed, fault, why) = match event {
            Event::Changed { changed, fault, why } => (changed, fault, why),
            Event::Notify(notification) => {
                for line in alert::sink::lines(notification) {
                    console.line(&console.styled(Style::Strong, &line));
                }
                self.sinks.send(notification);
                return None;
            }
        };
        let backend = self.backends.get_mut(&changed.thing)?;
        let serves = match changed.change.to {
            State::Healthy => true,
            State::Unhealthy | State::Draining | State::Maintenance => false,
            // Nobody knows: what was decided stays.
            State::Unknown | State::Starting => backend.serves,
        };
        let style = match changed.change.to {
            State::Healthy => Style::Good,
            State::Unhealthy => Style::Bad,
            _ => Style::Doubt,
        };
        let mut line = format!("{} is {}", changed.thing, changed.change.to);
        if let (Some(fault), Some(why)) = (fault, why) {
            line += &format!(": {why} [{fault}]");
        }
        console.line(&console.styled(style, &line));
        if serves == backend.serves {
            return None;
        }
        backend.serves = serves;
        Some(backend.check.balancer)
    }

    /// How many of a balancer's backends serve, and what it does where none does.
    fn tell_all_down(&self, network: &Network, id: LoadBalancerId, console: &mut Console) {
        let own: Vec<&Backend> =
            self.backends.values().filter(|backend| backend.check.balancer == id).collect();
        let up = own.iter().filter(|backend| backend.serves).count();
        let name = &network[network[id].endpoint].name;
        let line = match (up, network[id].fails_open) {
            (0, true) => {
                format!("{name}: no backend is in service; it sends to all of them all the same")
            }
            (0, false) => format!("{name}: no backend is in service; it refuses connections"),
            _ => format!("{name}: {up} of {} backends that are asked are in service", own.len()),
        };
        console.line(&format!("  {line}"));
    }

    fn ask(&mut self, lab: &str) {
        let due = self.watcher.due(self.began.elapsed());
        let asked = |ask: &Ask| {
            let check = &self.backends.get(&ask.target)?.check;
            Some(Asked {
                from: check.node.clone(),
                source: check.source,
                target: check.target,
                path: check.settings.path.as_ref().map(|path| path.value.clone()),
                milliseconds: u64::try_from(ask.time_out.as_millis()).unwrap_or(u64::MAX),
            })
        };
        let (asks, checks): (Vec<Ask>, Vec<Asked>) =
            due.into_iter().filter_map(|ask| Some((ask.clone(), asked(&ask)?))).unzip();
        if asks.is_empty() {
            return;
        }
        self.under_way += 1;
        let (tell, lab) = (self.tell.clone(), lab.to_owned());
        std::thread::spawn(move || {
            let told = control::health(&lab, &checks).unwrap_or_else(|failure| {
                let answered = Answered::Untried(failure.to_string());
                vec![Told { answered, connect: None, seconds: 0.0 }; checks.len()]
            });
            let outcome = |(ask, told): (Ask, Told)| {
                let outcome = outcome(&ask, &told);
                (ask, outcome)
            };
            let all = asks.into_iter().zip(told).map(outcome).collect();
            // Who asked may have ended.
            let _ended = tell.send(all);
        });
    }
}

fn outcome(ask: &Ask, Told { answered, connect, seconds }: &Told) -> Outcome {
    let time = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let connect = connect.map(|seconds| Phase { name: PhaseName::Connect, took: time(seconds) });
    let late = |phase, text: &str| Verdict::failed(Kind::TimedOut { phase }, text);
    let verdict = match answered {
        Answered::Connected | Answered::Status(200..=399) => Verdict::Passed,
        Answered::Status(status) => {
            Verdict::failed(Kind::HttpStatus { status: *status }, format!("it answered {status}"))
        }
        Answered::Refused => Verdict::failed(Kind::ConnectionRefused, "nothing listens there"),
        Answered::Unreachable => Verdict::failed(Kind::Unreachable, "there is no way there"),
        Answered::Broken => Verdict::failed(Kind::ConnectionClosed, "the connection broke off"),
        Answered::NoConnection => Verdict::failed(Kind::ConnectTimedOut, "no connection in time"),
        Answered::NoAnswer => late(PhaseName::FirstOctet, "no answer in time"),
        Answered::Malformed => Verdict::failed(Kind::HttpMalformed, "the answer is no HTTP"),
        Answered::Untried(why) => Verdict::unknown(why.clone()),
    };
    Outcome {
        took: time(*seconds),
        phases: connect.into_iter().collect(),
        ..Outcome::bare(verdict, Timestamp::now(), ask.attempt)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netwright_model::language::HealthCheck;

    use super::profile;
    use netwright_watch::health::Profile;

    #[test]
    fn a_check_of_which_nothing_is_said_is_the_usual_one() {
        let usual = profile(&HealthCheck::default());
        assert_eq!(usual, Profile::SERVICE);
        assert_eq!(usual.checked(), Ok(usual));
    }

    #[test]
    fn whatever_is_said_makes_numbers_that_work() {
        let mut sources = netwright_model::source::Sources::default();
        let text = "load_balancers: { l: { backends: { b: { health_check: { interval: 1ms, timeout: 30s, unhealthy_threshold: 0 } } } } }";
        let read = netwright_model::parse_description("t", text, &mut sources).unwrap();
        let group = &read.load_balancers.iter().next().unwrap().1.backends;
        let check = group.iter().next().unwrap().1.health_check.clone().unwrap();
        let made = profile(&check);
        assert_eq!(made.checked(), Ok(made));
        assert_eq!((made.interval, made.down), (Duration::from_millis(100), 1));
    }
}
