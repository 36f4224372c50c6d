//! `netwright up`: check, build, prove, and stay with the edits.

mod health;
mod seen;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use netwright_dataplane::plan::plan;
use netwright_lab::interrupt::Interrupt;
use netwright_lab::keeper::Held;
use netwright_lab::place::is_freed;

use super::check::Checked;
use super::lab::call::{self, Made};
use super::lab::follow::{Follow, LOOK};
use super::notify::{self, Sinks};
use super::prove::Measured;
use super::{check, diff, lab, prove};
use crate::arguments::{FailOn, Up};
use crate::console::{Code, Console, Style};
use crate::failure::Failure;
use crate::network::{Input, open};
use health::Health;
use seen::Facts;

/// A lab that is ended from outside so often within [`WINDOW`] is not built again.
const REBUILDS: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &Up, console: &mut Console) -> Result<Code, Failure> {
    notify::check(&arguments.notify)?;
    let follow = Follow::new(&arguments.file);
    let input = open(&arguments.file)?;
    for note in &input.notes {
        console.error(&format!("note: {note}\n"));
    }
    let checked = Checked::of(&input);
    check::text::write(console, &input, &checked, false);
    console.line("");
    console.flush();
    let interrupt = Interrupt::watch(&arguments.lab.name).map_err(lab::told)?;
    let code = checked.code(FailOn::Error);
    let mut session = Session {
        arguments,
        interrupt,
        follow,
        input,
        checked: code,
        proved: Code::Unknown,
        tasks: Code::Pass,
        facts: Facts::default(),
        calls: Vec::new(),
        health: None,
    };
    let ended = session.run(console);
    // Whatever became of the lab, whoever wanted it to end is not told that it did.
    match ended {
        Err(_) if session.interrupt.asked() => {}
        other => other?,
    }
    if session.interrupt.asked() {
        console.line("the lab is down");
    }
    Ok(session.code())
}

/// A lab with the network that it was brought to last.
struct Session<'a> {
    arguments: &'a Up,
    interrupt: Interrupt,
    follow: Follow,
    input: Input,
    /// What the check of the network said, what packets said, and whether the tasks came up.
    checked: Code,
    proved: Code,
    tasks: Code,
    /// What was seen last, and what came of services' calls.
    facts: Facts,
    calls: Vec<Made>,
    /// Which backends are in service, where they are asked.
    health: Option<Health>,
}

impl Session<'_> {
    /// The worst of what is known.
    fn code(&self) -> Code {
        let wrong = |(call, called): &Made| call::agrees(call, called) == Some(false);
        let called = if self.calls.iter().any(wrong) { Code::Fail } else { Code::Pass };
        let all = [self.checked, self.proved, self.tasks, called];
        if all.contains(&Code::Fail) {
            Code::Fail
        } else if all.contains(&Code::Unknown) {
            Code::Unknown
        } else {
            Code::Pass
        }
    }

    /// Until the lab is to end.
    fn run(&mut self, console: &mut Console) -> Result<(), Failure> {
        let mut ends: VecDeque<Instant> = VecDeque::new();
        loop {
            let held = self.build(console)?;
            self.stay(&held, console);
            let Err(failure) = held.wait() else { return Ok(()) };
            if self.interrupt.asked() {
                return Ok(());
            }
            let now = Instant::now();
            ends.retain(|end| now.duration_since(*end) < WINDOW);
            ends.push_back(now);
            let freed = is_freed(&self.arguments.lab.name);
            if ends.len() >= REBUILDS || !freed {
                return Err(lab::told(failure.help("it ends so again and again, or does not end")));
            }
            let line = format!("{failure}: it is built again");
            console.line(&console.styled(Style::Bad, &line));
        }
    }

    /// Builds the lab and proves it.
    fn build(&mut self, console: &mut Console) -> Result<Held, Failure> {
        let Up { file, lab: name, hosts, .. } = self.arguments;
        let stays = (true, Some(&self.interrupt));
        let (tasks, held) = lab::start(file, (&name.name, *hosts, false), stays, console)?;
        self.tasks = tasks;
        let held = held.ok_or_else(|| Failure::usage("the lab did not stay", None))?;
        console.line("");
        console.flush();
        let measured = self.measure()?;
        prove::show::text(console, &self.input, &measured);
        self.note(&measured);
        let calls = self.call()?;
        if !calls.is_empty() {
            console.line("");
            call::text(&calls, console);
        }
        self.calls = calls;
        console.line("");
        self.health = None;
        if self.arguments.health {
            let sinks = Sinks::of(&self.arguments.notify)?;
            let health = self.health.insert(Health::new(&self.input.network, sinks));
            console.line(&format!("{} backends of load balancers are asked", health.len()));
        }
        self.told(console);
        Ok(held)
    }

    fn measure(&self) -> Result<Measured, Failure> {
        let Up { lab: name, effort, .. } = self.arguments;
        prove::measure(&self.input, &name.name, effort, Vec::new()).map_err(lab::told)
    }

    /// Has services call what they depend on.
    fn call(&self) -> Result<Vec<Made>, Failure> {
        let Up { lab: name, effort, .. } = self.arguments;
        call::make(&name.name, None, None, effort.wait.saturating_mul(2))
    }

    /// Keeps what was seen; gives what was seen before.
    fn note(&mut self, measured: &Measured) -> Facts {
        // Nothing to ask is nothing that is not known.
        let nothing = measured.compared().next().is_none();
        self.proved = if nothing { Code::Pass } else { measured.code() };
        std::mem::replace(&mut self.facts, Facts::of(measured))
    }

    fn told(&self, console: &mut Console) {
        let file = self.arguments.file.display();
        let line = format!("following edits of {file}; Ctrl-C ends the lab");
        console.line(&console.styled(Style::Dim, &line));
        console.flush();
    }

    /// Follows edits until the lab ends.
    fn stay(&mut self, held: &Held, console: &mut Console) {
        while !held.ended_within(LOOK) {
            if let Some(health) = &mut self.health {
                health.step(&self.arguments.lab.name, &mut self.input.network, console);
            }
            if !self.follow.changed(Instant::now()) {
                continue;
            }
            console.line("");
            console.flush();
            match open(&self.arguments.file) {
                Ok(input) => {
                    if let Err(failure) = self.edited(input, console)
                        && !self.interrupt.asked()
                    {
                        failure.report(console);
                    }
                }
                Err(failure) => {
                    failure.report(console);
                    console.error(lab::STAYS);
                }
            }
            console.flush();
        }
    }

    /// Says what an edit changes, makes it so, and proves it.
    fn edited(&mut self, mut input: Input, console: &mut Console) -> Result<(), Failure> {
        let file = self.arguments.file.display();
        console.line(&console.styled(Style::Strong, &format!("{file} has changed")));
        diff::tell(console, &self.input, &input);
        console.line("");
        console.flush();
        if let Some(health) = &mut self.health {
            health.edited(&mut input.network);
        }
        // What the kernel refuses is told; the next edit may be better.
        self.tasks = lab::apply(&self.arguments.lab.name, &plan(&input.network), console)?;
        self.checked = Checked::of(&input).code(FailOn::Error);
        self.input = input;
        console.line("");
        console.flush();
        let measured = self.measure()?;
        let before = self.note(&measured);
        self.facts.tell(&before, console);
        prove::show::short(console, &self.input, &measured);
        let calls = self.call()?;
        seen::calls(&self.calls, &calls, console);
        self.calls = calls;
        console.line("");
        self.told(console);
        Ok(())
    }
}
