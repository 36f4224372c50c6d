//! Changes, from the wish to the revision that every server reads.

mod past;

use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netwright_model::network::Network;
use netwright_store::{Compare, Entry, Error, Keys, Op, Range, Revision, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admit::{decide, no_way_back};
use super::again;
use super::commit::{self, Basis, Failed, commit, stage};
use super::judge::Judge;
use super::propose::{Mistake, Proposal, Wanted, Wrong};
use super::record::{Body, Record, Stored, id};
use super::report::{Report, Summary};
use super::taken::{self, Looked};
use crate::alloc::Gate;
use crate::beside::Beside;
use crate::guard::Guard;
use crate::network::{Edit, Keeper, Live, read};

/// How often a change is written again because something was allocated meanwhile.
const TRIES: u64 = 20;

/// Objects that stay, of which the names are told.
const MOST_KEPT: usize = 1000;

/// Says what a new network uses that was allocated for something else and the old one does not, of the entries of allocations.
pub type Clashes = fn(&[Entry], &Network, &Network) -> Vec<String>;

/// A wish, with all that decides about it.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is wanted.
    pub wanted: Wanted,
    /// By whom.
    pub who: String,
    /// Why.
    pub why: Option<String>,
    /// The reason to land it although it is refused.
    pub force: Option<String>,
    /// Nothing is written.
    pub dry_run: bool,
    /// The revision that the network must be at.
    pub revision: Option<Revision>,
    /// The request by which it can be known again: who asks with which key, and what is asked.
    pub again: Option<(String, String)>,
    /// Now, in milliseconds since 1970.
    pub now: u64,
    /// A number that no other change has.
    pub unique: u64,
    /// What is written together with the change.
    pub beside: Option<Beside>,
}

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// `accepted`, `unchanged`, `would_be_accepted` or `would_be_refused`.
    pub outcome: String,
    /// The revision of the network that it was made of.
    pub base: u64,
    /// The revision of the network now; none for a dry run.
    pub revision: Option<u64>,
    /// The change's identifier.
    pub change: Option<String>,
    /// It landed although it was refused.
    pub forced: bool,
    /// How many objects it edits.
    pub edits: usize,
    /// What it does.
    pub report: Report,
}

/// An answer with the network that it speaks of.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The answer.
    pub answer: Answer,
    /// The network as it is now.
    pub live: Arc<Live>,
}

/// Why a wish was not granted. Nothing was written, except where the store's answer was lost.
#[derive(Debug)]
pub enum Refusal {
    /// What was sent is wrong.
    Invalid(Vec<Mistake>),
    /// There is no such object.
    NoObject(String),
    /// The network is at another revision than the one that was named.
    Stale(Revision),
    /// It breaks what the network promises.
    Refused(Box<Answer>),
    /// Something else changed the network meanwhile.
    Conflict(String),
    /// The request was sent before with something else in it.
    Reused,
    /// This server leads no longer.
    NotLeading,
    /// The store failed.
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Overtaken | Failed::Taken => {
                let why = "another change was accepted while this one was judged: send it again";
                Self::Conflict(why.to_owned())
            }
            Failed::NotLeading => Self::NotLeading,
            Failed::Store(error) => Self::Store(error),
        }
    }
}

/// Changes of one network. What is read may come from a copy of the store: what is written holds only where it was true.
#[derive(Clone)]
pub struct Changes<R> {
    keeper: Keeper<R>,
    judge: Arc<Mutex<Judge>>,
    clashes: Clashes,
    gate: Gate,
    /// One change at a time, and what was written since the last snapshot.
    writing: Arc<tokio::sync::Mutex<Since>>,
}

/// What was written since the last snapshot.
#[derive(Debug, Default)]
struct Since {
    changes: u32,
    octets: usize,
    /// Whether it was looked for what was written before this server led.
    begun: bool,
}

impl<R: Store> Changes<R> {
    /// Changes of the network that somebody keeps.
    #[must_use]
    pub fn new(keeper: Keeper<R>, clashes: Clashes) -> Self {
        let (judge, gate, writing) = Default::default();
        Self { keeper, judge, clashes, gate, writing }
    }

    /// Where allocators of this server let its changes pass.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Who keeps the network.
    pub const fn keeper(&self) -> &Keeper<R> {
        &self.keeper
    }

    /// Judges a wish, and writes it where it may land.
    ///
    /// # Errors
    ///
    /// Why it was not granted.
    pub async fn propose<S: Store>(
        &self,
        store: &S,
        guard: &Guard,
        request: Request,
    ) -> Result<Accepted, Refusal> {
        let mut since = self.writing.lock().await;
        if let Some((key, asked)) = &request.again
            && let Some(known) = self.known(store, key, asked).await?
        {
            return Ok(known);
        }
        let live = self.keeper.newest().await?;
        if request.revision.is_some_and(|given| given != live.revision) {
            return Err(Refusal::Stale(live.revision));
        }
        let (proposal, report) = self.judged(&live, &request).await?;
        let mut answer = Answer {
            outcome: "unchanged".to_owned(),
            base: live.revision.0,
            revision: Some(live.revision.0),
            change: None,
            forced: false,
            edits: proposal.edits.len(),
            report,
        };
        if proposal.edits.is_empty() {
            return self.unchanged((store, guard), request, Accepted { answer, live }).await;
        }
        let mut looked = self.looked(&live, &proposal).await?;
        let told = answer.report.refused.len();
        answer.report.refused.extend(looked.iter().flat_map(|looked| looked.clashes.clone()));
        if request.dry_run || stands_against(&answer, &request) {
            return not_landed(answer, live, &request);
        }
        let mut record = self.staged((store, guard), &live, &request, &proposal, &answer).await?;
        for wait in 0..TRIES {
            // Who allocates lets it pass: else what is allocated all the time would never let it.
            let closed = self.gate.close().await;
            if let Some(looked) = &mut looked
                && self.looks_again(store, &live, &proposal, looked).await?
            {
                answer.report.refused.truncate(told);
                answer.report.refused.extend(looked.clashes.clone());
                if stands_against(&answer, &request) {
                    return not_landed(answer, live, &request);
                }
                record = self.staged((store, guard), &live, &request, &proposal, &answer).await?;
            }
            let taken = looked.as_ref().map(|looked| looked.taken);
            let basis = Basis { network: live.revision, taken };
            let beside = self.beside(&request, live.revision);
            match commit(store, self.keeper.layout(), guard, basis, &record, &beside).await {
                Ok(revision) => {
                    if let Some(beside) = &request.beside {
                        beside.is_written();
                    }
                    landed(&mut answer, revision, record.id);
                    since.changes += 1;
                    since.octets += octets(&proposal.edits);
                    let live = Arc::new(proposal.after.at_revision(revision));
                    self.keeper.adopt(&live).await;
                    drop(closed);
                    return Ok(Accepted { answer, live });
                }
                // Another server allocates: it is about to be deposed, or this one is.
                Err(Failed::Taken) => {
                    drop(closed);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                Err(failed) => return self.overtaken(store, &request, failed).await,
            }
        }
        let why = "values were allocated all the time while it was written: send it again";
        Err(Refusal::Conflict(why.to_owned()))
    }

    /// What is proposed, and what is proved of it.
    async fn judged(
        &self,
        live: &Arc<Live>,
        request: &Request,
    ) -> Result<(Proposal, Report), Refusal> {
        let (live, judge) = (Arc::clone(live), Arc::clone(&self.judge));
        let wanted = request.wanted.clone();
        let today = i64::try_from(request.now / 86_400_000).ok();
        let done = read::blocking(move || {
            let proposal = Proposal::of(&live, &wanted)?;
            let mut judge = judge.lock().unwrap_or_else(PoisonError::into_inner);
            let report = judged(&mut judge, &live, &wanted, &proposal, today);
            Ok((proposal, report))
        });
        done.await?.map_err(|wrong| match wrong {
            Wrong::NoObject(what) => Refusal::NoObject(what),
            Wrong::Input(mistakes) => Refusal::Invalid(mistakes),
            Wrong::Misfit(why) => Refusal::Conflict(why),
        })
    }

    /// What is allocated and the change uses, as far as is known here; none for a change that uses no addresses.
    async fn looked(&self, live: &Live, proposal: &Proposal) -> Result<Option<Looked>, Error> {
        if !taken::uses(&proposal.edits) {
            return Ok(None);
        }
        let (from, mut looked) =
            ((self.keeper.store(), self.keeper.layout()), Looked::at_nothing());
        looked.further(from, (live, proposal), self.clashes).await?;
        Ok(Some(looked))
    }

    /// Looks at what was allocated meanwhile. Whether something new clashes.
    async fn looks_again<S: Store>(
        &self,
        store: &S,
        live: &Live,
        proposal: &Proposal,
        looked: &mut Looked,
    ) -> Result<bool, Error> {
        let (copy, layout) = (self.keeper.store(), self.keeper.layout());
        taken::caught_up(copy, store, layout).await?;
        looked.further((copy, layout), (live, proposal), self.clashes).await
    }

    /// The record of a change, with what it did in the store, where nobody reads it yet.
    async fn staged<S: Store>(
        &self,
        (store, guard): (&S, &Guard),
        live: &Live,
        request: &Request,
        proposal: &Proposal,
        answer: &Answer,
    ) -> Result<Record, Failed> {
        let report = &answer.report;
        let mut record = Record {
            id: id(live.revision, request.unique),
            base: live.revision.0,
            who: request.who.clone(),
            why: request.why.clone(),
            at: request.now,
            what: proposal.what.clone(),
            forced: request.force.clone().filter(|_| !report.refused.is_empty()),
            summary: report.summary.clone(),
            body: Stored::Parts(0),
        };
        let body = Body { edits: proposal.edits.clone(), report: report.clone() };
        stage(store, self.keeper.layout(), guard, &mut record, &body).await?;
        Ok(record)
    }

    /// What is written with a change: by what its request is known when it comes again.
    fn beside(&self, request: &Request, base: Revision) -> Vec<Op> {
        let again = again::op(self.keeper.layout(), request, base.0, None);
        again.into_iter().chain(request.beside.iter().map(Beside::op)).collect()
    }

    /// The answer to a wish that needs no change. One that may come again is remembered with it, while the network is the one that was looked at.
    async fn unchanged<S: Store>(
        &self,
        (store, guard): (&S, &Guard),
        request: Request,
        found: Accepted,
    ) -> Result<Accepted, Refusal> {
        let (layout, revision) = (self.keeper.layout(), found.live.revision);
        let again = again::op(layout, &request, revision.0, Some(&found.answer));
        let Some(again) = again.filter(|_| !request.dry_run) else { return Ok(found) };
        let then = iter::once(again).chain(request.beside.iter().map(Beside::op)).collect();
        let compare = vec![guard.compare(), Compare::unchanged(layout.head(), revision)];
        // Written twice it says the same.
        let txn = Txn { compare, then, otherwise: Vec::new() };
        if commit::again(|| store.txn(txn.clone())).await?.succeeded {
            if let Some(beside) = &request.beside {
                beside.is_written();
            }
            return Ok(found);
        }
        let head = store.range(Range::of(Keys::One(layout.head()))).await?.entries;
        let now = head.first().map_or(Revision(0), |head| head.modified);
        let failed = if now == revision { Failed::NotLeading } else { Failed::Overtaken };
        self.overtaken(store, &request, failed).await
    }

    /// A change could not be written. It may be that the same request, which another server was sent before, was what came first.
    async fn overtaken<S: Store>(
        &self,
        store: &S,
        request: &Request,
        failed: Failed,
    ) -> Result<Accepted, Refusal> {
        if let (Some((key, asked)), Failed::Overtaken | Failed::NotLeading) =
            (&request.again, &failed)
            && let Some(known) = self.known(store, key, asked).await?
        {
            return Ok(known);
        }
        Err(failed.into())
    }

    /// What was answered to a request that comes again.
    async fn known<S: Store>(
        &self,
        store: &S,
        key: &str,
        asked: &str,
    ) -> Result<Option<Accepted>, Refusal> {
        let layout = self.keeper.layout();
        let Some(remembered) = again::remembered(store, layout, (key, asked)).await? else {
            return Ok(None);
        };
        if let Some(answer) = remembered.unchanged {
            return Ok(Some(Accepted { answer: *answer, live: self.keeper.newest().await? }));
        }
        let change = self.change_of(store, Revision(remembered.base)).await?;
        let Some((change, body)) = change else { return Ok(None) };
        let record = &change.record;
        let answer = Answer {
            outcome: "accepted".to_owned(),
            base: record.base,
            revision: Some(change.revision.0),
            change: Some(record.id.clone()),
            forced: record.forced.is_some(),
            edits: body.edits.len(),
            report: body.report,
        };
        Ok(Some(Accepted { answer, live: self.keeper.newest().await? }))
    }

    /// The change that followed a revision.
    async fn change_of<S: Store>(
        &self,
        store: &S,
        base: Revision,
    ) -> Result<Option<(read::Change, Body)>, Error> {
        let layout = self.keeper.layout();
        let found = store.range(Range::of(Keys::One(layout.change_after(base)))).await?;
        let Some(entry) = found.entries.first() else { return Ok(None) };
        let change = read::record(entry)?;
        let body = read::body(store, layout, &change.record).await?;
        Ok(Some((change, body)))
    }
}

/// Whether what was found keeps a change from landing.
fn stands_against(answer: &Answer, request: &Request) -> bool {
    !answer.report.refused.is_empty() && request.force.is_none()
}

/// An answer is told that its change is in the store.
fn landed(answer: &mut Answer, revision: Revision, change: String) {
    answer.outcome = "accepted".to_owned();
    answer.revision = Some(revision.0);
    answer.change = Some(change);
    answer.forced = !answer.report.refused.is_empty();
}

/// The answer to a wish that is not written.
fn not_landed(answer: Answer, live: Arc<Live>, request: &Request) -> Result<Accepted, Refusal> {
    let refused = !answer.report.refused.is_empty();
    let word = if refused { "would_be_refused" } else { "would_be_accepted" };
    let answer = Answer { outcome: word.to_owned(), revision: None, ..answer };
    if request.dry_run {
        return Ok(Accepted { answer, live });
    }
    Err(Refusal::Refused(Box::new(answer)))
}

fn octets(edits: &[Edit]) -> usize {
    let texts = edits.iter().flat_map(|edit| [&edit.old, &edit.new]);
    texts.flatten().map(|text| text.len()).sum()
}

/// What is proved of a proposal.
fn judged(
    judge: &mut Judge,
    live: &Live,
    wanted: &Wanted,
    proposal: &Proposal,
    today: Option<i64>,
) -> Report {
    let mut summary = Summary { kept: proposal.kept.len(), ..Summary::default() };
    for edit in &proposal.edits {
        match (&edit.old, &edit.new) {
            (None, _) => summary.created += 1,
            (Some(_), Some(_)) => summary.changed += 1,
            (Some(_), None) => summary.destroyed += 1,
        }
    }
    let kept = proposal.kept.iter().take(MOST_KEPT).cloned().collect();
    if proposal.edits.is_empty() {
        return Report { kept, summary, ..Report::default() };
    }
    match judge.judge(live, &proposal.after, today) {
        Ok(judged) => {
            let mut report = Report::of(live, &proposal.after, &judged.diff);
            decide(&mut report, &judged, &proposal.edits, &proposal.after);
            if matches!(wanted, Wanted::Rollback { .. }) {
                no_way_back(&mut report, &judged);
            }
            let Summary { created, changed, destroyed, kept: count, .. } = summary;
            report.summary = Summary { created, changed, destroyed, kept: count, ..report.summary };
            report.kept = kept;
            report
        }
        Err(overflow) => {
            let refused = vec![format!("it cannot be told what it breaks: {overflow}")];
            Report { refused, kept, summary, ..Report::default() }
        }
    }
}
