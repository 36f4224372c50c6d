//! What a game day found out, as data ([`Report`]), and its forms: one page that opens from disk, text for a terminal, JSON; and the
//! trend over several runs.
//!
//! Start at `report.rs`: everything else reads it. [`Gather`] turns any number of operations into the bounded part of a report that plots
//! are drawn from. [`Summary`] is what the first screen of each form says; it is computed from the report and never read from a file, so
//! that no file can claim a verdict that its contents do not bear.
//!
//! Architecture invariant: nothing here touches a clock, a file or a socket, or knows how a fault is made or a history checked. The size of a
//! form is bounded, whatever the report holds. What is not known is `None` or [`Verdict::Unknown`], and no form shows it as a zero or as passed.

mod date;
mod gather;
mod histogram;
mod html;
mod json;
mod markup;
mod plot;
mod read;
mod report;
mod summary;
mod tables;
mod text;
mod time;
mod trend;
mod verdict;
mod words;

pub use date::{BadDate, Date};
pub use gather::{Gather, Operation};
pub use histogram::Histogram;
pub use html::html;
pub use json::{json, trend_json};
pub use read::{ReadError, read};
pub use report::{
    Action, Bucket, Change, Check, Criterion, DataImpact, Detection, Direction, Duplicate, End,
    Event, EventKind, Execution, Expectation, Expected, ExpectedCell, Fault, Gauge, Lane,
    Leadership, Lessons, Level, LinkStates, Loser, Measure, NetworkIdentity, Outcome, Outcomes,
    Phase, PhaseKind, Point, Quantiles, Recovery, Report, Response, Run, Safety, Sample, Scenario,
    Series, Sighting, StateChange, Status, Steady, Step, Touched, VERSION, Version, Wanted,
    Witness, WitnessOperation, Workload,
};
pub use summary::{DetectionSummary, Reason, Summary};
pub use text::{Look, brief, text};
pub use time::{Moment, Span};
pub use trend::{trend_html, trend_text};
pub use verdict::Verdict;
