//! A run as it happens: a line for each thing that happens, and on a terminal a panel below that tells how it stands.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use netwright_gameday::detect::State;
use netwright_gameday::journal::{Detection, Event, Link, Phase, Verdict};
use netwright_gameday::plan::Plan;
use netwright_gameday::run::now;

use super::panel::Panel;
use crate::console::{Console, Style};
use crate::table::table;
use crate::wrap::wrapped;

/// The least columns of a line that is broken into several.
const LEAST: usize = 20;
/// The last phase.
const VERDICT: &str = "verdict";

/// What is shown of what came of an activity, in characters: the journal has more.
const SHOWN: usize = 60;

/// Tells a run.
pub(super) struct Live<'a> {
    console: &'a mut Console,
    told: bool,
    terminal: bool,
    begun: u64,
    links: Vec<Link>,
    names: Vec<(String, String)>,
    phase: &'static str,
    on: Vec<String>,
    panel: Panel,
    /// What was declared of the connections last.
    states: Vec<State>,
    /// What is usual was seen: what does not get through now is broken.
    seen: bool,
    /// By workload, what was done, not done and not known before, under and after faults.
    operations: BTreeMap<String, [[u64; 3]; 3]>,
    /// Lines of the panel that are there.
    below: usize,
}

#[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^52 µs")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => Style::Good,
        Verdict::Fail => Style::Bad,
        Verdict::Unknown => Style::Doubt,
    }
}

fn named(link: &Link) -> String {
    format!("{} → {}:{}", link.from, link.to, link.port)
}

impl<'a> Live<'a> {
    pub(super) fn new(_plan: &Plan, told: bool, console: &'a mut Console) -> Self {
        Self {
            console,
            told,
            terminal: std::io::stdout().is_terminal(),
            begun: now(),
            links: Vec::new(),
            names: Vec::new(),
            phase: "",
            on: Vec::new(),
            panel: Panel::default(),
            states: Vec::new(),
            seen: false,
            operations: BTreeMap::new(),
            below: 0,
        }
    }

    /// A line that stays, above the panel.
    fn line(&mut self, at: u64, style: Option<Style>, text: &str) {
        self.clear();
        let mut time = format!("{:7.2} s  ", seconds(at.saturating_sub(self.begun)));
        let columns = self.console.size().map(|(_, columns)| columns);
        let lines = match columns.and_then(|columns| columns.checked_sub(time.len() + LEAST)) {
            Some(more) => wrapped(text, more + LEAST),
            None => vec![text.to_owned()],
        };
        for text in lines {
            let text =
                style.map_or_else(|| text.clone(), |style| self.console.styled(style, &text));
            let line = format!("{}{text}", self.console.styled(Style::Dim, &time));
            self.console.line(&line);
            time = " ".repeat(time.len());
        }
        self.draw();
        self.console.flush();
    }

    fn clear(&mut self) {
        let lines = std::mem::take(&mut self.below);
        if lines > 0 {
            // To the first line of the panel, and everything from there on is cleared.
            self.console.write(&format!("\r\u{1b}[{lines}A\u{1b}[J"));
        }
    }

    /// Tells what happened.
    pub(super) fn tell(&mut self, event: &Event) {
        if !self.told {
            return;
        }
        match event {
            Event::Watched { links, names, .. } => {
                self.links.clone_from(links);
                self.names.clone_from(names);
                let text =
                    format!("watching {} connections and {} names", links.len(), names.len());
                self.line(now(), None, &text);
            }
            Event::Phase { phase } => {
                self.phase = match phase {
                    Phase::Steady => "steady state",
                    Phase::Faults => "faults",
                    Phase::Heal => "everything is taken back",
                    Phase::Recovery => "recovery",
                    Phase::After => "steady state again",
                    Phase::Verdict => VERDICT,
                };
                self.seen |= *phase == Phase::Faults;
                if *phase == Phase::Verdict {
                    self.states.clear();
                }
                self.line(now(), Some(Style::Strong), self.phase);
            }
            Event::On { fault, what, requested, effective, .. } => {
                self.on.push(fault.clone());
                let took = seconds(effective.saturating_sub(*requested)) * 1000.0;
                let text = format!("{fault} is on after {took:.1} ms: {what}");
                self.line(*effective, Some(Style::Bad), &text);
            }
            Event::Off { fault, met, effective, .. } => {
                self.on.retain(|own| own != fault);
                let met = met.map(|met| format!("; it met {met} packets")).unwrap_or_default();
                self.line(*effective, Some(Style::Good), &format!("{fault} is off{met}"));
            }
            Event::State { link, from, to, declared, .. } if *from != State::Unknown => {
                let name = self.links.get(*link).map(named).unwrap_or_default();
                self.state(*declared, &name, *to);
            }
            Event::Name { name, from, to, declared, .. } if *from != State::Unknown => {
                let name =
                    self.names.get(*name).map(|(from, name)| format!("{name}, asked by {from},"));
                self.state(*declared, &name.unwrap_or_default(), *to);
            }
            Event::Round { states, .. } => {
                // When all is judged, it stands as it is.
                if self.phase != VERDICT {
                    self.states.clone_from(states);
                    self.stands();
                }
            }
            Event::Rates { all } => {
                self.panel.rates(all, now());
                self.stands();
            }
            other => self.rest(other),
        }
    }

    fn state(&mut self, at: u64, name: &str, to: State) {
        let style = if to.is_bad() { Style::Doubt } else { Style::Good };
        self.line(at, Some(style), &format!("{name} is {to}"));
    }

    /// How it stands, on a terminal, in the place of what stood there: all of it is written at once, so that nothing flickers.
    fn stands(&mut self) {
        self.clear();
        self.draw();
        self.console.flush();
    }

    fn draw(&mut self) {
        let Some((rows, columns)) = self.console.size().filter(|_| self.terminal) else { return };
        if self.states.is_empty() {
            return;
        }
        let on = if self.on.is_empty() { "no fault is on".to_owned() } else { self.on.join(", ") };
        let time = seconds(now().saturating_sub(self.begun));
        let head = format!("{time:7.1} s  {} │ {on}", self.phase);
        // The last column is left free: some terminals go to the next line with it.
        let size = (self.seen, columns.saturating_sub(1));
        let mut lines = self.panel.lines(&head, (&self.links, &self.states), size);
        // Of what is taller than the screen, the upper part could not be taken away again.
        lines.truncate(rows.saturating_sub(2));
        for line in &lines {
            let line = self.console.styled(Style::Dim, line);
            self.console.line(&line);
        }
        self.below = lines.len();
    }

    fn rest(&mut self, event: &Event) {
        match event {
            Event::Bit { fault, seen } => {
                self.line(*seen, Some(Style::Dim), &format!("{fault} met its first packet"));
            }
            Event::Activity { name, fine, output, .. } => {
                let (word, style) = match fine {
                    Some(true) => ("fine", Style::Good),
                    Some(false) => ("not fine", Style::Bad),
                    None => ("not known", Style::Doubt),
                };
                let first = output.lines().next().unwrap_or_default();
                let first: String = first.chars().take(SHOWN).collect();
                self.line(now(), Some(style), &format!("{name}: {word}: {first}"));
            }
            Event::Healed { left, effective, .. } => {
                let (text, style) = if left.is_empty() {
                    ("nothing is left of faults".to_owned(), Style::Good)
                } else {
                    (format!("is left: {}", left.join("; ")), Style::Bad)
                };
                self.line(*effective, Some(style), &text);
            }
            Event::Recovered { after } => {
                let text = format!(
                    "everything works again, {:.2} s after the last fault",
                    seconds(*after)
                );
                self.line(now(), Some(Style::Good), &text);
            }
            Event::Aborted { why } => {
                self.line(now(), Some(Style::Bad), &format!("broken off: {why}"));
            }
            Event::Note { text } => self.line(now(), Some(Style::Doubt), text),
            Event::Component { component, state } => {
                let style = if state == "healthy" { Style::Good } else { Style::Doubt };
                self.line(now(), Some(style), &format!("{component} is {state}"));
            }
            Event::Checked { name, model, verdict, why, operations, .. } => {
                let text =
                    format!("{name}: {model}: {}: {why}; {operations} operations", verdict.word());
                self.line(now(), Some(style(*verdict)), &text);
            }
            Event::Operations { name, ok, fail, info, phase } => {
                self.count(name, *phase, [*ok, *fail, *info]);
            }
            Event::Detections { all, false_alarms } => self.detections(all, false_alarms),
            Event::Verdict { verdict, criteria } => {
                self.clear();
                self.console.line("");
                let rows: Vec<[String; 3]> = criteria
                    .iter()
                    .map(|one| {
                        [one.verdict.word().to_owned(), one.name.clone(), one.evidence.clone()]
                    })
                    .collect();
                let styles: Vec<Style> = criteria.iter().map(|one| style(one.verdict)).collect();
                table(["VERDICT", "WHAT", "EVIDENCE"], &rows, self.console, |at| Some(styles[at]));
                let line = self.console.styled(style(*verdict), verdict.word());
                self.console.line(&format!("verdict: {line}"));
                self.console.flush();
            }
            _ => {}
        }
    }

    fn count(&mut self, workload: &str, phase: Phase, counts: [u64; 3]) {
        let place = match phase {
            Phase::Steady => 0,
            Phase::Faults => 1,
            _ => 2,
        };
        let own = &mut self.operations.entry(workload.to_owned()).or_default()[place];
        for (sum, more) in own.iter_mut().zip(counts) {
            *sum += more;
        }
    }

    /// What became of what clients tried.
    fn tried(&mut self) {
        let all = std::mem::take(&mut self.operations);
        if all.is_empty() {
            return;
        }
        self.console.line("");
        let cell = |[done, not, unknown]: [u64; 3]| format!("{done}/{not}/{unknown}");
        let rows: Vec<[String; 4]> = all
            .into_iter()
            .map(|(name, [steady, faults, after])| [name, cell(steady), cell(faults), cell(after)])
            .collect();
        let head = ["DONE/NOT/UNKNOWN", "STEADY", "FAULTS", "RECOVERY"];
        table(head, &rows, self.console, |_| None);
    }

    /// What was injected against what was found out.
    fn detections(&mut self, all: &[Detection], false_alarms: &[Link]) {
        self.clear();
        self.tried();
        if all.is_empty() {
            return;
        }
        self.console.line("");
        let after = |at: Option<u64>, from: u64| {
            at.map_or_else(
                || "-".to_owned(),
                |at| format!("{:.2} s", seconds(at.saturating_sub(from))),
            )
        };
        let mut rows: Vec<[String; 7]> = Vec::new();
        let mut styles: Vec<Option<Style>> = Vec::new();
        let mut fault = None;
        for one in all {
            // Each fault is a heading of its connections.
            if fault.replace(&one.fault) != Some(&one.fault) {
                let mut heading = [const { String::new() }; 7];
                heading[0].clone_from(&one.fault);
                rows.push(heading);
                styles.push(Some(Style::Strong));
            }
            rows.push([
                named(&one.link),
                one.injected.to_string(),
                one.detected.to_string(),
                after(one.first_drop, one.requested),
                after(one.first_miss, one.requested),
                after(one.declared, one.requested),
                after(one.visible, one.requested),
            ]);
            let good = one.injected == one.detected;
            styles.push(Some(if good { Style::Good } else { Style::Doubt }));
        }
        let head = [
            "CONNECTION",
            "INJECTED",
            "FOUND OUT",
            "FIRST DROP",
            "FIRST MISS",
            "DECLARED",
            "VISIBLE",
        ];
        table(head, &rows, self.console, |at| styles[at]);
        for link in false_alarms {
            let line = format!("{} was declared, and no fault concerned it", named(link));
            self.console.line(&line);
        }
        self.console.flush();
    }
}
