//! Changes, from the wish to the revision that every server reads.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netwright_model::network::Network;
use netwright_store::{Entry, Error, Keys, Op, Range, Revision, Store, Txn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admit::{decide, no_way_back};
use super::commit::{Basis, Failed, commit};
use super::judge::Judge;
use super::propose::{Mistake, Proposal, Wanted, Wrong};
use super::record::{Body, Listed, Record, Stored, id};
use super::report::{Report, Summary};
use crate::guard::Guard;
use crate::keys::Layout;
use crate::network::{Edit, Keeper, Live, read, snapshot};

/// How often a change is written again because something was allocated meanwhile.
const TRIES: u64 = 20;

/// Changes after which the whole network is written again.
const CHANGES: u32 = 64;

/// Octets of edits after which it is.
const OCTETS: usize = 4 << 20;

/// How long a request is known again, in milliseconds.
const REMEMBERED: u64 = 24 * 3_600_000;

/// Changes that are read at a time.
const PAGE: usize = 50;

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
        Self { keeper, judge: Arc::default(), clashes, writing: Arc::default() }
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
            && let Some(known) = self.known(key, asked).await?
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
            return Ok(Accepted { answer, live });
        }
        let told = answer.report.refused.len();
        for wait in 0..TRIES {
            let (taken, clashes) = self.clashes(&live, &proposal).await?;
            answer.report.refused.truncate(told);
            answer.report.refused.extend(clashes);
            let refused = !answer.report.refused.is_empty();
            if request.dry_run || (refused && request.force.is_none()) {
                let word = if refused { "would_be_refused" } else { "would_be_accepted" };
                answer = Answer { outcome: word.to_owned(), revision: None, ..answer };
                return match request.dry_run {
                    true => Ok(Accepted { answer, live }),
                    false => Err(Refusal::Refused(Box::new(answer))),
                };
            }
            let basis = Basis { network: live.revision, taken };
            match self.write((store, guard), basis, &request, &proposal, &answer.report).await {
                Ok((revision, change)) => {
                    answer.outcome = "accepted".to_owned();
                    answer.revision = Some(revision.0);
                    answer.change = Some(change);
                    answer.forced = refused;
                    let live = Arc::new(proposal.after.at_revision(revision));
                    self.keeper.adopt(&live).await;
                    since.changes += 1;
                    since.octets += octets(&proposal.edits);
                    return Ok(Accepted { answer, live });
                }
                // A copy of the store is told a little later of what was allocated.
                Err(Failed::Taken) => tokio::time::sleep(Duration::from_millis(wait)).await,
                Err(failed) => return Err(failed.into()),
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

    /// When something was last allocated or released, and what the change uses that is somebody's.
    async fn clashes(
        &self,
        live: &Live,
        proposal: &Proposal,
    ) -> Result<(Revision, Vec<String>), Error> {
        let (store, layout) = (self.keeper.store(), self.keeper.layout());
        let found = store.range(Range::of(Keys::One(layout.taken()))).await?;
        let Some(taken) = found.entries.first() else { return Ok((Revision(0), Vec::new())) };
        let entries = read::all(store, layout.allocations()).await?;
        let clashes = (self.clashes)(&entries, &live.network, &proposal.after.network);
        Ok((taken.modified, clashes))
    }

    async fn write<S: Store>(
        &self,
        (store, guard): (&S, &Guard),
        basis: Basis,
        request: &Request,
        proposal: &Proposal,
        report: &Report,
    ) -> Result<(Revision, String), Failed> {
        let record = Record {
            id: id(basis.network, request.unique),
            base: basis.network.0,
            who: request.who.clone(),
            why: request.why.clone(),
            at: request.now,
            what: proposal.what.clone(),
            forced: request.force.clone().filter(|_| !report.refused.is_empty()),
            summary: report.summary.clone(),
            body: Stored::Parts(0),
        };
        let change = record.id.clone();
        let body = Body { edits: proposal.edits.clone(), report: report.clone() };
        let layout = self.keeper.layout();
        let beside = request.again.as_ref().map(|(key, asked)| {
            let again = Again { request: asked.clone(), base: basis.network.0, at: request.now };
            let value = serde_json::to_vec(&again).unwrap_or_default();
            Op::put(again_key(layout, key), value)
        });
        let beside = beside.into_iter().collect();
        let revision = commit(store, layout, guard, basis, record, body, beside).await?;
        Ok((revision, change))
    }

    /// What was answered to a request that comes again.
    async fn known(&self, key: &str, asked: &str) -> Result<Option<Accepted>, Refusal> {
        let (store, layout) = (self.keeper.store(), self.keeper.layout());
        let range = Range::of(Keys::One(again_key(layout, key)));
        let found = store.range(range).await?.entries;
        let Some(entry) = found.first() else { return Ok(None) };
        let damaged = |error: serde_json::Error| Error::Damaged(error.to_string());
        let remembered: Again = serde_json::from_slice(&entry.value).map_err(damaged)?;
        if remembered.request != asked {
            return Err(Refusal::Reused);
        }
        let Some((change, body)) = self.change_of(Revision(remembered.base)).await? else {
            return Ok(None);
        };
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
    async fn change_of(&self, base: Revision) -> Result<Option<(read::Change, Body)>, Error> {
        let (store, layout) = (self.keeper.store(), self.keeper.layout());
        let found = store.range(Range::of(Keys::One(layout.change_after(base)))).await?;
        let Some(entry) = found.entries.first() else { return Ok(None) };
        let change = read::record(entry)?;
        let body = read::body(store, layout, &change.record).await?;
        Ok(Some((change, body)))
    }

    /// Changes that were made of a revision of the network or a later one, the oldest first, at most so many. Whether there are more.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn history(&self, from: Revision, most: usize) -> Result<(Vec<Listed>, bool), Error> {
        let (store, layout) = (self.keeper.store(), self.keeper.layout());
        let keys = read::from(layout, from);
        let found = store.range(Range::of(keys).limit(most)).await?;
        let changes: Result<Vec<read::Change>, Error> =
            found.entries.iter().map(read::record).collect();
        let listed = changes?.iter().map(|change| change.record.listed(change.revision)).collect();
        Ok((listed, found.more))
    }

    /// The change that made a revision of the network; none where none did.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn change(&self, revision: Revision) -> Result<Option<(Listed, Body)>, Error> {
        // Its record has the revision that it was made of in its key: that one is the newest of those before.
        let mut from = Revision(0);
        loop {
            let (listed, more) = self.history(from, PAGE).await?;
            let found = listed.iter().find(|change| change.revision == revision.0);
            if let Some(found) = found {
                let change = self.change_of(Revision(found.base)).await?;
                return Ok(
                    change.map(|(change, body)| (change.record.listed(change.revision), body))
                );
            }
            match listed.last() {
                Some(last) if more && last.revision < revision.0 => from = Revision(last.revision),
                _ => return Ok(None),
            }
        }
    }

    /// What is to be done at times by the server that leads: the whole network is written again after many changes, and what nobody needs goes.
    ///
    /// # Errors
    ///
    /// When the store fails; it is done the next time.
    pub async fn tidy<S: Store>(&self, store: &S, guard: &Guard, now: u64) -> Result<(), Error> {
        let layout = self.keeper.layout();
        let mut since = self.writing.lock().await;
        let live = self.keeper.newest().await?;
        let begins = !std::mem::replace(&mut since.begun, true);
        let due = since.changes >= CHANGES || since.octets >= OCTETS;
        if live.revision == Revision(0) || !(begins || due) {
            return Ok(());
        }
        let held = snapshot::newest_revision(store, layout).await?;
        let behind = self.history(held.unwrap_or(Revision(0)), CHANGES as usize).await?;
        if due || behind.1 || held.is_none() && live.objects.octets() >= OCTETS {
            snapshot::write(store, layout, guard, &live).await?;
        }
        *since = Since { begun: true, ..Since::default() };
        drop(since);
        snapshot::sweep(store, layout, guard, live.revision).await?;
        self.forget(store, guard, now).await
    }

    /// Requests that come no more.
    async fn forget<S: Store>(&self, store: &S, guard: &Guard, now: u64) -> Result<(), Error> {
        let layout = self.keeper.layout();
        let keys = Keys::Prefix(again_key(layout, ""));
        let old = |entry: &Entry| {
            let read: Result<Again, _> = serde_json::from_slice(&entry.value);
            read.map_or(true, |again| again.at.saturating_add(REMEMBERED) < now)
        };
        let entries = read::all(store, keys).await?;
        let gone: Vec<Op> =
            entries.into_iter().filter(old).map(|entry| Op::Delete(Keys::One(entry.key))).collect();
        for then in gone.chunks(64) {
            let (compare, then) = (vec![guard.compare()], then.to_vec());
            store.txn(Txn { compare, then, otherwise: Vec::new() }).await?;
        }
        Ok(())
    }
}

/// A request that may come again, as the store remembers it.
#[derive(Debug, Serialize, Deserialize)]
struct Again {
    /// What was asked.
    request: String,
    /// The revision that its change was made of.
    base: u64,
    /// When, in milliseconds since 1970.
    at: u64,
}

fn again_key(layout: &Layout, key: &str) -> bytes::Bytes {
    layout.idempotency(&format!("change-{key}"))
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
