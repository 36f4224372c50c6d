//! The report as data. Its JSON is a contract (`docs/json.md`): a later version adds fields, and [`VERSION`] rises when one changes its
//! meaning or goes.

mod criteria;
mod detection;
mod fault;
mod integrity;
mod recovery;
mod run;
mod workload;

use serde::{Deserialize, Serialize};

pub use criteria::{Criterion, Expectation, Expected, ExpectedCell, Measure, Wanted};
pub use detection::{Change, Detection, LinkStates, Sighting, Status};
pub use fault::{Direction, Fault, Safety, Touched};
pub use integrity::{Check, DataImpact, Duplicate, Execution, Loser, Witness, WitnessOperation};
pub use recovery::{Action, Lessons, Recovery, Response, Steady, Step};
pub use run::{
    End, Event, EventKind, Lane, Leadership, Level, NetworkIdentity, Phase, PhaseKind, Run,
    Scenario, StateChange, Version,
};
pub use workload::{Bucket, Gauge, Outcome, Outcomes, Point, Quantiles, Sample, Series, Workload};

/// The version of the data.
pub const VERSION: u32 = 1;

/// What one game day found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// What the run was, in a few words.
    pub title: String,
    /// Whether this was written by hand to show what a report looks like; every form says so.
    #[serde(default)]
    pub example: bool,
    /// What was tried, and why.
    #[serde(default)]
    pub scenario: Scenario,
    /// The network it was tried on.
    #[serde(default)]
    pub network: Option<NetworkIdentity>,
    /// When, for how long, with which seed and versions, and how it ended.
    pub run: Run,
    /// What the run went through, in order.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// What was broken.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How the breaking was bounded, and whether all of it was undone.
    #[serde(default)]
    pub safety: Safety,
    /// For each direction of each link: what was broken and what was seen of it.
    #[serde(default)]
    pub detections: Vec<Detection>,
    /// What clients tried and what became of it.
    #[serde(default)]
    pub workload: Workload,
    /// What the probes said of each direction of each link over time.
    #[serde(default)]
    pub connectivity: Vec<LinkStates>,
    /// Depths of queues and journals, and whatever else rises and falls.
    #[serde(default)]
    pub gauges: Vec<Gauge>,
    /// What each component said of itself over time.
    #[serde(default)]
    pub states: Vec<Lane>,
    /// Who led, under which epoch.
    #[serde(default)]
    pub leaderships: Vec<Leadership>,
    /// What was checked of the history.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// What became of the data.
    #[serde(default)]
    pub data: DataImpact,
    /// What the system did by itself: circuit breakers, degraded mode, failover.
    #[serde(default)]
    pub responses: Vec<Response>,
    /// How service was restored.
    #[serde(default)]
    pub recovery: Recovery,
    /// The steady state, asked before and after.
    #[serde(default)]
    pub steady: Vec<Steady>,
    /// What had to hold for the run to be a success.
    #[serde(default)]
    pub criteria: Vec<Criterion>,
    /// What the runbook foretold, beside what was measured.
    #[serde(default)]
    pub expected: Vec<Expected>,
    /// What happened, in order.
    #[serde(default)]
    pub events: Vec<Event>,
    /// What people learnt; empty until they write it.
    #[serde(default)]
    pub lessons: Lessons,
}

impl Report {
    /// A report that knows nothing but what ran, and when.
    #[must_use]
    pub fn new(title: impl Into<String>, run: Run) -> Self {
        Self {
            version: VERSION,
            title: title.into(),
            example: false,
            scenario: Scenario::default(),
            network: None,
            run,
            phases: Vec::new(),
            faults: Vec::new(),
            safety: Safety::default(),
            detections: Vec::new(),
            workload: Workload::default(),
            connectivity: Vec::new(),
            gauges: Vec::new(),
            states: Vec::new(),
            leaderships: Vec::new(),
            checks: Vec::new(),
            data: DataImpact::default(),
            responses: Vec::new(),
            recovery: Recovery::default(),
            steady: Vec::new(),
            criteria: Vec::new(),
            expected: Vec::new(),
            events: Vec::new(),
            lessons: Lessons::default(),
        }
    }
}
