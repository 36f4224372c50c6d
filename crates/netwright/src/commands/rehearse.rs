//! `netwright rehearse`: a change as it would go live, in a lab.
//!
//! The network before is built and its services start; the change is applied, and a window stays open until each dependency was used by a fresh
//! start. What breaks is told as an alert with the change beside it and what to do; the change is taken back as far as it goes, and the services start
//! once more. What happened is told with its times.

mod report;
mod start;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::plan;
use netwright_lab::control;
use netwright_lab::interrupt::Interrupt;
use netwright_verify::steps::steps;
use netwright_watch::change::{
    Before, Broken, Decision, Dependency, Exercise, Options, Part, Window,
};
use netwright_watch::health::Result as Ended;

use super::lab;
use crate::arguments::{Format, Rehearse};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::{Input, open_both};
use report::{Lost, Report};
use start::{Started, Starter, Used};

/// Rounds of fresh starts until a window is to be decided.
const ROUNDS: usize = 4;

/// How long the kernel may take to agree with a change.
const SETTLES: Duration = Duration::from_secs(20);

pub(super) fn run(arguments: &Rehearse, console: &mut Console) -> Result<Code, Failure> {
    let (before, after) = open_both(&arguments.before, &arguments.after)?;
    let interrupt = Interrupt::watch(&arguments.name).map_err(lab::told)?;
    let mut quiet = Console::quiet();
    let told = if arguments.format == Format::Text { &mut *console } else { &mut quiet };
    let stays = (true, Some(&interrupt));
    let place = (arguments.name.as_str(), arguments.hosts, false);
    let (_, held) = lab::start(&arguments.before, place, stays, told)?;
    let mut rehearsal = Rehearsal {
        arguments,
        before: &before,
        after: &after,
        began: Instant::now(),
        reasons: BTreeMap::new(),
        report: Report::default(),
    };
    let code = rehearsal.run(told);
    // Whatever came of it, the lab ends; whoever wanted that is not told that it did.
    let ended = control::down(&arguments.name).map_err(lab::told);
    let ended = ended.and_then(|()| held.map_or(Ok(()), |held| held.wait().map_err(lab::told)));
    let code = match code {
        Err(_) if interrupt.asked() => return Ok(Code::Unknown),
        code => code?,
    };
    ended?;
    match arguments.format {
        Format::Text => rehearsal.report.text(console),
        Format::Json => console.json(&rehearsal.report.json()),
    }
    Ok(code)
}

/// A change that is rehearsed.
struct Rehearsal<'a> {
    arguments: &'a Rehearse,
    before: &'a Input,
    after: &'a Input,
    /// The moment that times count from.
    began: Instant,
    /// Of each dependency that cannot work as the network after is described: why.
    reasons: BTreeMap<String, String>,
    report: Report,
}

impl Rehearsal<'_> {
    fn run(&mut self, console: &mut Console) -> Result<Code, Failure> {
        console.line("\nbefore the change");
        let first = self.start(self.before, false)?;
        report::starts(&first, console);
        self.report.notes(self.now(), "every service started anew", &first);
        let mut window = self.open(&first);
        console.line(&format!("\n{} is applied", self.arguments.after.display()));
        self.apply(self.after)?;
        let settled = self.now();
        let mut decision = window.settled(settled);
        report::waits(&window, console);
        for _ in 0..ROUNDS {
            if decision.is_some() {
                break;
            }
            console.line("\na fresh start");
            let started = self.start(self.after, false)?;
            report::starts(&started, console);
            decision = self.tell(&started, &mut window);
            self.reasons = started
                .into_iter()
                .flat_map(|started| started.used)
                .filter_map(|used| Some((used.exercise.dependency, used.on_paper?)))
                .collect();
        }
        let code = self.decided(decision, &mut window, console)?;
        self.report.takes(window.moments());
        Ok(code)
    }

    /// Does what was decided.
    fn decided(
        &mut self,
        decision: Option<Decision>,
        window: &mut Window,
        console: &mut Console,
    ) -> Result<Code, Failure> {
        match decision {
            None => {
                console
                    .line("\nunknown: not every dependency could be used; the window stays open");
                Ok(Code::Unknown)
            }
            Some(Decision::Keep { not_cured }) => {
                report::kept(&not_cured, console);
                self.report.verdict = "kept";
                Ok(Code::Pass)
            }
            Some(Decision::RollBack { broken, back, stays }) => {
                self.alert(&broken, (&back, &stays), console);
                self.emergency(console)?;
                if self.arguments.keep {
                    self.report.verdict = "broken";
                    return Ok(Code::Fail);
                }
                self.return_to(window, &stays, console)
            }
            Some(Decision::Cannot { broken, stays }) => {
                self.alert(&broken, (&[], &stays), console);
                self.emergency(console)?;
                self.report.verdict = "cannot be taken back";
                Ok(Code::Fail)
            }
            Some(Decision::Restored { .. } | Decision::NotRestored { .. }) => {
                Err(Failure::unknown("a change was taken back that was not"))
            }
        }
    }

    /// The window, with how each dependency was before.
    fn open(&self, first: &[Started]) -> Window {
        let depends =
            first.iter().flat_map(|started| &started.used).map(|Used { exercise, .. }| {
                Dependency {
                    name: exercise.dependency.clone(),
                    before: match (exercise.result, &exercise.fault) {
                        (Ended::Passed, _) => Before::Worked,
                        (Ended::Failed, Some((_, why))) => Before::Failed(why.clone()),
                        _ => Before::Unknown,
                    },
                }
            });
        let all = steps(&self.before.network.description, &self.after.network.description);
        let parts: Vec<Part> = all.iter().map(Part::of).collect();
        let change = format!("{} was applied", self.arguments.after.display());
        Window::open(&change, parts, depends.collect(), Options::default(), self.now())
    }

    fn start(&self, network: &Input, emergency: bool) -> Result<Vec<Started>, Failure> {
        let starter = Starter {
            network: &network.network,
            lab: &self.arguments.name,
            wait: Duration::from_millis(self.arguments.wait),
            bypass: self.arguments.emergency.as_deref().map(|what| (what, emergency)),
            began: self.began,
        };
        starter.all()
    }

    /// Hands what services used to the window.
    fn tell(&self, started: &[Started], window: &mut Window) -> Option<Decision> {
        let used: Vec<Exercise> = started
            .iter()
            .flat_map(|started| &started.used)
            .map(|used| used.exercise.clone())
            .collect();
        window.round(&used, self.now())
    }

    /// Brings the lab to a network, and waits until the kernel agrees.
    fn apply(&self, input: &Input) -> Result<(), Failure> {
        let lab = &self.arguments.name;
        control::apply(lab, &plan(&input.network)).map_err(lab::told)?;
        let until = Instant::now() + SETTLES;
        loop {
            let left = control::check(lab).map_err(lab::told)?;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Failure::unknown(format!(
                    "the change is not everywhere: {}",
                    left.join("; ")
                )));
            }
            pause(Duration::from_millis(100));
        }
    }

    fn alert(
        &mut self,
        broken: &[Broken],
        (back, stays): (&[Part], &[Part]),
        console: &mut Console,
    ) {
        let now = self.now();
        let change = format!("{} was applied", self.arguments.after.display());
        let lost = Lost { broken, reasons: &self.reasons, back, stays };
        let lines = report::alert(&lost, (&change, self.arguments), now);
        console.line("");
        for line in &lines {
            console.line(line);
        }
        self.report.alerted(now, lines);
    }

    /// Shows what services do with the bypass on while what they need is away.
    fn emergency(&mut self, console: &mut Console) -> Result<(), Failure> {
        let Some(what) = self.arguments.emergency.as_deref() else { return Ok(()) };
        console.line(&format!("\na fresh start with {} on", start::flag(what)));
        let started = self.start(self.after, true)?;
        report::starts(&started, console);
        self.report.notes(self.now(), "every service started anew with the bypass on", &started);
        Ok(())
    }

    /// Takes the change back, and has everything start once more.
    fn return_to(
        &mut self,
        window: &mut Window,
        stays: &[Part],
        console: &mut Console,
    ) -> Result<Code, Failure> {
        console.line(&format!("\n{} is applied again", self.arguments.before.display()));
        for part in stays {
            console.line(&format!("  stays: {} ({})", part.what, part.why));
        }
        self.apply(self.before)?;
        window.went_back(self.now());
        for _ in 0..ROUNDS {
            console.line("\na fresh start");
            let started = self.start(self.before, false)?;
            report::starts(&started, console);
            match self.tell(&started, window) {
                None => {}
                Some(Decision::Restored { .. }) => {
                    console.line("\neverything that worked before works again");
                    self.report.verdict = "taken back";
                    return Ok(Code::Fail);
                }
                Some(_) => break,
            }
        }
        self.report.verdict = "taken back, and not restored";
        Ok(Code::Fail)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}
