//! Everything that changes what is kept, as data: it arrives by HTTP, waits in the journal, and is done in a transaction.

pub(crate) mod documents;
pub(crate) mod jobs;
pub(crate) mod leading;
mod lists;
mod numbers;
pub(crate) mod records;
mod registers;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::broken::Broken;
use crate::clock::Stamp;
use crate::database::Session;
use crate::trouble::Trouble;

/// What kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A marker transaction of the runbook.
    Marker,
    /// A test write of the runbook.
    Write,
}

impl Kind {
    /// As the database writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Write => "write",
        }
    }
}

/// One step of a transaction over lists, as Jepsen writes it: `["append", "x", 1]` or `["r", "x", null]`.
pub(crate) type Step = (String, String, Value);

/// A change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Command {
    /// Store a record; the last by clock wins.
    PutRecord { kind: Kind, id: String, body: Value },
    /// Put a job into a queue.
    Enqueue { id: String, queue: String, payload: Value },
    /// Take the next job of a queue and do it at once: its effect says who took it.
    Take { queue: String, consumer: String },
    /// Set a register.
    WriteRegister { key: String, value: Value },
    /// Set a register where it has a value; `null` is one that was never set.
    CompareAndSet { key: String, expected: Value, new: Value },
    /// Read and append to lists, all at once.
    Transact { steps: Vec<Step> },
    /// Add an element to a set.
    AddToSet { name: String, element: i64 },
    /// Add to a counter.
    AddToCounter { name: String, amount: i64 },
    /// Give an id that nobody has.
    MintId,
    /// Store the next version of a document.
    WriteDocument { id: String, body: Value },
    /// Delete a document with its versions.
    DeleteDocument { id: String },
    /// Ask to lead, or to go on leading.
    Lead { election: String, node: String, milliseconds: u32 },
    /// Do something that only who leads in this epoch may do.
    Act { election: String, node: String, epoch: i64, what: String },
    /// Nobody leads; the next who asks does, in a new epoch.
    ForceElection { election: String },
}

/// What a change answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// Its HTTP status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Value,
    /// What it stored, for the search for lost writes.
    pub(crate) target: Option<String>,
}

impl Answer {
    /// An answer that stored nothing that is searched for.
    pub(crate) const fn new(status: u16, body: Value) -> Self {
        Self { status, body, target: None }
    }

    /// It stored this.
    pub(crate) fn of(mut self, target: String) -> Self {
        self.target = Some(target);
        self
    }
}

/// Under what a change is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// Its time and node.
    pub(crate) stamp: &'a Stamp,
    /// Where it came from: `direct` or `journal`.
    pub(crate) origin: &'a str,
    /// What is wrong on purpose.
    pub(crate) broken: Option<Broken>,
}

/// The longest name of anything, in octets.
const LONGEST: usize = 200;

/// The most steps of a transaction.
const STEPS: usize = 64;

impl Command {
    /// Whether it may wait in the journal while the database is away: whoever asks need not know what is there.
    pub(crate) const fn can_wait(&self) -> bool {
        matches!(self, Self::PutRecord { .. } | Self::Enqueue { .. })
    }

    /// How its transaction is isolated from others. Where it is `read committed`, rows are locked by the statements themselves.
    pub(crate) const fn begin(&self, broken: Option<Broken>) -> &'static str {
        match self {
            Self::Transact { .. } if !matches!(broken, Some(Broken::LostUpdate)) => {
                "begin isolation level serializable"
            }
            _ => "begin isolation level read committed",
        }
    }

    /// What it stores, where lost writes are searched for.
    pub(crate) fn target(&self) -> Option<String> {
        match self {
            Self::PutRecord { kind, id, .. } => Some(format!("record:{}:{id}", kind.word())),
            Self::Enqueue { id, .. } => Some(format!("job:{id}")),
            Self::AddToSet { name, element } => Some(format!("set:{element}:{name}")),
            _ => None,
        }
    }

    /// What is wrong with it before anything is asked.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        let names: Vec<&str> = match self {
            Self::PutRecord { id, .. }
            | Self::WriteDocument { id, .. }
            | Self::DeleteDocument { id } => vec![id],
            Self::Enqueue { id, queue, .. } => vec![id, queue],
            Self::Take { queue, consumer } => vec![queue, consumer],
            Self::WriteRegister { key, .. } | Self::CompareAndSet { key, .. } => vec![key],
            Self::Transact { steps } => {
                if steps.is_empty() || steps.len() > STEPS {
                    return Err(Trouble::wrong(format!("a transaction has 1 to {STEPS} steps")));
                }
                steps.iter().map(|step| step.1.as_str()).collect()
            }
            Self::AddToSet { name, .. } | Self::AddToCounter { name, .. } => vec![name],
            Self::MintId => Vec::new(),
            Self::Lead { election, node, .. } | Self::Act { election, node, .. } => {
                vec![election, node]
            }
            Self::ForceElection { election } => vec![election],
        };
        let odd = |name: &&str| name.is_empty() || name.len() > LONGEST || name.contains('\0');
        if names.iter().any(odd) {
            return Err(Trouble::wrong(format!(
                "a name has 1 to {LONGEST} octets, and none of them is zero"
            )));
        }
        Ok(())
    }

    /// Does it, in a transaction that began.
    pub(crate) async fn perform(
        &self,
        session: &mut Session,
        terms: Terms<'_>,
    ) -> Result<Answer, Trouble> {
        let answer = match self {
            Self::PutRecord { kind, id, body } => {
                records::put(session, *kind, id, body, terms).await?
            }
            Self::Enqueue { id, queue, payload } => {
                jobs::enqueue(session, id, queue, payload, terms).await?
            }
            Self::Take { queue, consumer } => jobs::take(session, queue, consumer, terms).await?,
            Self::WriteRegister { key, value } => registers::write(session, key, value).await?,
            Self::CompareAndSet { key, expected, new } => {
                registers::compare_and_set(session, key, expected, new, terms).await?
            }
            Self::Transact { steps } => lists::transact(session, steps, terms).await?,
            Self::AddToSet { name, element } => {
                numbers::add_to_set(session, name, *element).await?
            }
            Self::AddToCounter { name, amount } => {
                numbers::add(session, name, *amount, terms).await?
            }
            Self::MintId => numbers::mint(session, terms).await?,
            Self::WriteDocument { id, body } => documents::write(session, id, body, terms).await?,
            Self::DeleteDocument { id } => documents::delete(session, id, terms).await?,
            Self::Lead { election, node, milliseconds } => {
                leading::lead(session, election, node, *milliseconds, terms).await?
            }
            Self::Act { election, node, epoch, what } => {
                leading::act(session, election, node, *epoch, what, terms).await?
            }
            Self::ForceElection { election } => leading::force(session, election).await?,
        };
        Ok(match self.target() {
            Some(target) => answer.of(target),
            None => answer,
        })
    }
}

/// An answer that says what happened and to what.
fn done(status: u16, what: &str, rest: Value) -> Answer {
    let mut body = json!({ "outcome": what });
    if let (Some(body), Value::Object(rest)) = (body.as_object_mut(), rest) {
        body.extend(rest);
    }
    Answer::new(status, body)
}
