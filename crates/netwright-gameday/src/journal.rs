//! The journal of a run: what happened, in the order in which it did, as JSON lines that survive whoever writes them.
//!
//! Each line is one event, written by one call: `v` is the version of the format, `at` the time on the wall, `mono` microseconds of the
//! machine's clock that does not go back, `kind` what it is, and the rest what belongs to it ([`Event`]). Lines that matter for what was done to
//! the network are on the disk before it is done. A last line without its end was torn by a crash, and is left out by readers.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::detect::State;

/// The version of the format.
pub const VERSION: u32 = 1;

/// A watched connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Who connects.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The port.
    pub port: u16,
}

/// How much is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blast {
    /// Pairs of endpoints that there are.
    pub pairs: u64,
    /// Pairs that are cut or slowed, at most at a time.
    pub cut: u64,
    /// Endpoints that there are.
    pub endpoints: u64,
    /// Names of those concerned.
    pub concerned: Vec<String>,
}

/// The parts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before anything is done.
    Steady,
    /// Faults, as the method says.
    Faults,
    /// Everything is taken back.
    Heal,
    /// Until everything that worked works again, and what is done then.
    Recovery,
    /// Whether all is as before.
    After,
    /// The end.
    Verdict,
}

/// How a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that was expected holds.
    Pass,
    /// Something does not.
    Fail,
    /// It could not be found out.
    Unknown,
}

impl Verdict {
    /// That of a run: everything that was expected holds, and something was.
    #[must_use]
    pub fn of(criteria: &[Criterion]) -> Self {
        let has = |wanted: Self| criteria.iter().any(|one| one.verdict == wanted);
        if has(Self::Fail) {
            Self::Fail
        } else if has(Self::Unknown) || criteria.is_empty() {
            Self::Unknown
        } else {
            Self::Pass
        }
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// A thing that must hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// What.
    pub name: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// What it follows from.
    pub evidence: String,
}

/// What a run is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// What it shows.
    pub description: String,
    /// What must hold before and after.
    pub hypothesis: Option<String>,
    /// What was drawn follows from this number.
    pub seed: u64,
    /// How long all of the service may be away, from the first fault on, in milliseconds.
    pub objective: u64,
    /// How many pairs may be cut at most.
    pub ceiling: u64,
    /// What no fault may concern.
    pub protected: Vec<String>,
    /// The reference system's variant, where there is one.
    pub variant: Option<String>,
}

/// What a fault is between, and which way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// What kind of fault it is, as `drop`.
    pub kind: String,
    /// One side.
    pub from: String,
    /// The other side, where there is one.
    pub to: Option<String>,
    /// `both`, `there` or `back`.
    pub direction: String,
}

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is called, as `lost`.
    pub name: String,
    /// `fails`, `warns` or `tells`.
    pub weight: String,
    /// What was seen, in a sentence.
    pub message: String,
    /// The operations that show it, by their place in the history.
    pub operations: Vec<usize>,
}

/// A write that lost a conflict and is kept in the system's audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// What was written.
    pub key: String,
    /// Which write stayed.
    pub kept: String,
    /// What the other one wrote.
    pub lost: String,
    /// Why it lost.
    pub why: String,
}

/// How a fault was found out on one connection; times in microseconds of the clock that does not go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// The fault.
    pub fault: String,
    /// The connection.
    pub link: Link,
    /// What was to be seen.
    pub injected: State,
    /// What was declared; `unknown` where nothing was.
    pub detected: State,
    /// When it was asked for.
    pub requested: u64,
    /// When the kernel had it.
    pub effective: u64,
    /// When the first packet was seen to be met.
    pub first_drop: Option<u64>,
    /// When the first round was over that missed something.
    pub first_miss: Option<u64>,
    /// When it was declared.
    pub declared: Option<u64>,
    /// When it was told to whoever watches the run.
    pub visible: Option<u64>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run begins: the first line.
    Run {
        /// Its identifier.
        id: String,
        /// The experiment's title.
        title: String,
        /// The experiment's file, or the name of a scenario.
        experiment: String,
        /// The text of the experiment.
        text: String,
        /// The network's file.
        network: String,
        /// The lab.
        lab: String,
        /// The version of the program.
        program: String,
        /// How much is concerned.
        blast: Blast,
        /// What holds without being renewed, in milliseconds.
        lease: u64,
        /// What is not done of the experiment, in words.
        left_out: Vec<String>,
        /// What it is about, and how all is that is well.
        #[serde(default)]
        about: About,
    },
    /// What takes part.
    Versions {
        /// Programs with their versions.
        all: Vec<(String, String)>,
    },
    /// The connections and names that are watched: later lines name them by their place here.
    Watched {
        /// Connections.
        links: Vec<Link>,
        /// Names: who asks, and for what.
        names: Vec<(String, String)>,
        /// Milliseconds between rounds.
        interval: u64,
    },
    /// A part begins.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// A fault was asked for, and is on.
    On {
        /// Its name.
        fault: String,
        /// What it is, in words.
        what: String,
        /// What is broken, and which way.
        #[serde(default)]
        place: Place,
        /// When it was asked for.
        requested: u64,
        /// When the kernel had it.
        effective: u64,
    },
    /// What shows that a fault bit, where it has no counters.
    Felt {
        /// The fault.
        fault: String,
        /// Watched connections, names or processes that felt it.
        by: u64,
        /// What they are, in words.
        proof: String,
    },
    /// What a component of the system says of itself is something else.
    Component {
        /// The component.
        component: String,
        /// Its own word; `no answer` where it gave none.
        state: String,
    },
    /// Something that rises and falls has another value.
    Gauge {
        /// What it is, as `journal depth`.
        name: String,
        /// What it is counted in.
        unit: String,
        /// The value; none where it cannot be read.
        value: Option<f64>,
    },
    /// Somebody else leads the system, or in another epoch.
    Leads {
        /// Who; none where nobody does, or where that is not known.
        holder: Option<String>,
        /// The epoch.
        epoch: u64,
    },
    /// The first packet that a fault met was counted.
    Bit {
        /// The fault.
        fault: String,
        /// When it was seen.
        seen: u64,
    },
    /// A fault is off.
    Off {
        /// Its name.
        fault: String,
        /// Packets that it met since it was on.
        met: Option<u64>,
        /// When it was asked for.
        requested: u64,
        /// When the kernel had it.
        effective: u64,
    },
    /// What is declared of a connection is something else.
    State {
        /// The connection's place.
        link: usize,
        /// Before.
        from: State,
        /// From now on.
        to: State,
        /// When the first round was over that said so.
        first: u64,
        /// When it was declared.
        declared: u64,
    },
    /// What is declared of a name is something else.
    Name {
        /// The name's place.
        name: usize,
        /// Before.
        from: State,
        /// From now on.
        to: State,
        /// When the first round was over that said so.
        first: u64,
        /// When it was declared.
        declared: u64,
    },
    /// What a round saw: of each connection what a conversation took, in microseconds; none where it was not answered.
    Round {
        /// When it began.
        began: u64,
        /// Of each connection.
        took: Vec<Option<u32>>,
        /// What is declared of each connection.
        states: Vec<State>,
    },
    /// An activity was done.
    Activity {
        /// Which list it is of: `steady-state-hypothesis`, `method`, `recovery`, `rollbacks`.
        of: String,
        /// Its name.
        name: String,
        /// Whether it did what it should, or found what it must; none where that cannot be known.
        fine: Option<bool>,
        /// What came of it.
        output: String,
        /// How long it took, in microseconds.
        took: u64,
    },
    /// A workload begins: where its history is.
    Workload {
        /// Its name.
        name: String,
        /// The history's file, seen from the journal's folder.
        history: String,
        /// The property that it must have.
        model: Option<String>,
    },
    /// Operations of a workload, counted over the phase that ended.
    Operations {
        /// The workload.
        name: String,
        /// The phase.
        phase: Phase,
        /// Those that happened.
        ok: u64,
        /// Those that did not.
        fail: u64,
        /// Those of which that is not known.
        info: u64,
    },
    /// Operations of workloads that have ended so far: told to whoever watches, and not written.
    Rates {
        /// Each workload with what was done, not done, and not known.
        all: Vec<(String, [u64; 3])>,
    },
    /// A history was checked.
    Checked {
        /// The workload.
        name: String,
        /// The history's file, seen from the journal's folder.
        history: String,
        /// The property that it must have.
        model: String,
        /// Whether it has it.
        verdict: Verdict,
        /// Why, in a sentence.
        why: String,
        /// Operations that were looked at.
        operations: u64,
        /// Figures, by name.
        figures: serde_json::Map<String, serde_json::Value>,
        /// What was found, the gravest first.
        findings: Vec<Found>,
    },
    /// What the system's audit says of conflicts since the run began.
    Audit {
        /// Things that were written on both sides of a fault.
        conflicts: u64,
        /// Writes that lost and are kept.
        losers: u64,
        /// Some of them.
        some: Vec<Lost>,
    },
    /// Everything was taken back: what is left of it in words, nothing where all is well.
    Healed {
        /// What is left.
        left: Vec<String>,
        /// When it was asked for.
        requested: u64,
        /// When the kernel had it, and it was read back.
        effective: u64,
    },
    /// Everything that worked before works again.
    Recovered {
        /// Microseconds after the last fault ended.
        after: u64,
    },
    /// The run was broken off.
    Aborted {
        /// Why.
        why: String,
    },
    /// How faults were found out.
    Detections {
        /// Each connection that some fault concerned.
        all: Vec<Detection>,
        /// Connections that no fault concerned and of which something was declared.
        false_alarms: Vec<Link>,
    },
    /// How it came out: the last line.
    Verdict {
        /// The verdict.
        verdict: Verdict,
        /// What it follows from.
        criteria: Vec<Criterion>,
    },
    /// Something to know.
    Note {
        /// What.
        text: String,
    },
}

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The version of the format.
    pub v: u32,
    /// The time on the wall, as RFC 3339 writes it.
    pub at: String,
    /// Microseconds of the machine's clock that does not go back.
    pub mono: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Begins one. A file that is there is not touched.
    ///
    /// # Errors
    ///
    /// The file cannot be made.
    pub fn begin(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().create_new(true).append(true).open(path)? })
    }

    /// Writes an event; what matters for what is done to the network is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&mut self, event: &Event, mono: u64) -> io::Result<Line> {
        let at = jiff::Timestamp::now().to_string();
        let line = Line { v: VERSION, at, mono, event: event.clone() };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        // What is only watched may be lost with the machine.
        if !matches!(event, Event::Round { .. } | Event::Note { .. } | Event::Gauge { .. }) {
            self.file.sync_data()?;
        }
        Ok(line)
    }
}

/// Reads a journal: its lines, and what was strange about it in words.
///
/// # Errors
///
/// A line that is whole and no event of this version: its number, and why.
pub fn read(text: &str) -> Result<(Vec<Line>, Vec<String>), (usize, String)> {
    let mut lines = Vec::new();
    let mut notices = Vec::new();
    for (place, line) in text.split_inclusive('\n').enumerate() {
        let number = place + 1;
        if !line.ends_with('\n') {
            notices.push(format!("line {number} was torn by a crash and is left out"));
            break;
        }
        let read: Line = serde_json::from_str(line).map_err(|error| (number, error.to_string()))?;
        if read.v != VERSION {
            return Err((number, format!("version {} of the format is not known", read.v)));
        }
        lines.push(read);
    }
    if !matches!(lines.last().map(|line| &line.event), Some(Event::Verdict { .. })) {
        notices.push("the run did not come to its end".to_owned());
    }
    Ok((lines, notices))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_torn_last_line_is_left_out() {
        let path = std::env::temp_dir().join(format!("netwright-journal-{}", std::process::id()));
        let mut journal = Journal::begin(&path).unwrap();
        let phase = Event::Phase { phase: Phase::Steady };
        let verdict = Event::Verdict { verdict: Verdict::Pass, criteria: Vec::new() };
        for (event, mono) in [(&phase, 5), (&verdict, 9)] {
            journal.write(event, mono).unwrap();
        }
        assert!(Journal::begin(&path).is_err(), "a journal is never written over");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (lines, notices) = read(&text).unwrap();
        assert_eq!(notices, Vec::<String>::new());
        let events: Vec<_> = lines.into_iter().map(|line| (line.event, line.mono)).collect();
        assert_eq!(events, [(phase, 5), (verdict, 9)]);
        for cut in 1..text.len() {
            let (lines, notices) = read(&text[..text.len() - cut]).unwrap();
            assert!(lines.len() < 2 && !notices.is_empty(), "{cut}");
        }
        assert_eq!(read("{\"v\":2}\n").unwrap_err().0, 1);
    }
}
