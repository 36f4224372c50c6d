//! Changes of the network over the plain engine: what lands, what is refused, and what is left when somebody dies in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on"
)]

mod busy;
mod dies;
mod large;
mod remembered;

use std::sync::Arc;

use netwright_control::change::clashes::clashes;
use netwright_control::change::{Accepted, Changes, Refusal, Request, Wanted};
use netwright_control::guard::{Guard, value};
use netwright_control::keys::Layout;
use netwright_control::network::{Keeper, ObjectKey};
use netwright_store::memory::Memory;
use netwright_store::{Monotonic, Op, Revision, Store, Txn};

pub(crate) const NETWORK: &str = include_str!("../../../../examples/quickstart/network.yaml");
pub(crate) const MISTAKE: &str = include_str!("../../../../examples/quickstart/mistake.yaml");

/// A store with an elected leader.
pub(crate) async fn store() -> Memory {
    let store = Memory::new(Arc::new(Monotonic::default()));
    let op = Op::put(Layout::default().epoch(), value(1));
    store.txn(Txn::of(vec![op])).await.unwrap();
    store
}

pub(crate) fn guard() -> Guard {
    Guard::of(&Layout::default(), 1)
}

/// A server that reads and writes one store.
pub(crate) struct Server<S> {
    store: S,
    changes: Changes<S>,
}

impl<S: Store> Server<S> {
    pub(crate) async fn propose(
        &self,
        guard: &Guard,
        request: Request,
    ) -> Result<Accepted, Refusal> {
        self.changes.propose(&self.store, guard, request).await
    }

    pub(crate) async fn tidy(&self, guard: &Guard, now: u64) -> Result<(), netwright_store::Error> {
        self.changes.tidy(&self.store, guard, now).await
    }
}

impl<S> std::ops::Deref for Server<S> {
    type Target = Changes<S>;
    fn deref(&self) -> &Changes<S> {
        &self.changes
    }
}

pub(crate) fn changes<S: Store>(store: S) -> Server<S> {
    let keeper = Keeper::new(store.clone(), Layout::default());
    Server { store, changes: Changes::new(keeper, |_, _, _| Vec::new()) }
}

pub(crate) fn request(wanted: Wanted) -> Request {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    Request {
        wanted,
        who: "tester".to_owned(),
        why: None,
        force: None,
        dry_run: false,
        revision: None,
        again: None,
        now: 1_795_000_000_000,
        unique: NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst),
        beside: None,
    }
}

pub(crate) fn apply(text: &str) -> Request {
    let (name, text) = ("network.yaml".to_owned(), text.to_owned());
    request(Wanted::Apply { name, text, prune: false })
}

pub(crate) fn key(part: &str, name: &str) -> ObjectKey {
    ObjectKey::of(part, name).unwrap()
}

fn outcome(accepted: &Accepted) -> &str {
    &accepted.answer.outcome
}

#[tokio::test]
async fn a_network_is_applied_once() {
    let changes = changes(store().await);
    let first = changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    assert_eq!((outcome(&first), first.answer.base), ("accepted", 0));
    assert_eq!(first.answer.revision, Some(first.live.revision.0));
    let again = changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    assert_eq!((outcome(&again), again.answer.edits), ("unchanged", 0));
    assert_eq!(again.live.revision, first.live.revision);
    let mut sources = netwright_model::source::Sources::default();
    let description = netwright_model::parse_description("x", NETWORK, &mut sources).unwrap();
    assert_eq!(again.live.network.description, description);
}

#[tokio::test]
async fn what_breaks_an_intent_is_refused_with_the_trace_and_nothing_is_written() {
    let store = store().await;
    let changes = changes(store.clone());
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let before = store.status().await.unwrap().revision;
    let Err(Refusal::Refused(refused)) = changes.propose(&guard(), apply(MISTAKE)).await else {
        panic!("it is let in");
    };
    assert_eq!(store.status().await.unwrap().revision, before);
    let report = &refused.report;
    assert!(
        report.refused[0].starts_with("intent web-reaches-db held and is broken"),
        "{report:?}"
    );
    assert_eq!(report.broken[0].name, "web-reaches-db");
    let last = report.broken[0].forward.last().unwrap();
    assert_eq!((last.passed, last.name.as_str()), (Some(false), "db-1"));
    assert!(last.at.as_deref().unwrap().starts_with("filters/db:"), "{last:?}");
    assert_eq!(report.summary.flows_lost, 1);
}

#[tokio::test]
async fn a_reason_lands_what_is_refused_and_is_remembered() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let forced = Request { force: Some("drill".to_owned()), ..apply(MISTAKE) };
    let forced = changes.propose(&guard(), forced).await.unwrap();
    assert!(forced.answer.forced);
    let (listed, body) = changes.change(forced.live.revision).await.unwrap().unwrap();
    assert_eq!(listed.forced.as_deref(), Some("drill"));
    assert_eq!(listed.summary.broken, 1);
    assert!(body.report.refused[0].contains("web-reaches-db"));
    // What was broken before stands against no other change.
    let text = "from: db-1\nto: web-1\nservice: tcp/1\noutcome: blocked\n";
    let other = Wanted::Put { key: key("expect", "other"), text: text.to_owned() };
    let other = changes.propose(&guard(), request(other)).await;
    assert!(other.is_ok(), "{other:?}");
    // A reason that was not needed is not said to have been.
    let put = Wanted::Delete { key: key("expect", "other") };
    let put = Request { force: Some("again".to_owned()), ..request(put) };
    let put = changes.propose(&guard(), put).await.unwrap();
    assert!(!put.answer.forced);
    let (listed, _) = changes.change(put.live.revision).await.unwrap().unwrap();
    assert_eq!(listed.forced, None);
}

#[tokio::test]
async fn an_intent_that_a_change_brings_must_hold() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let text = "from: db-1\nto: web-1\nservice: tcp/22\n".to_owned();
    let wanted = Wanted::Put { key: key("expect", "impossible"), text };
    let Err(Refusal::Refused(refused)) = changes.propose(&guard(), request(wanted)).await else {
        panic!("it is let in");
    };
    assert!(refused.report.refused[0].contains("which this change brings, is broken"));
}

#[tokio::test]
async fn a_peering_of_networks_that_overlap_is_refused() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let text = NETWORK.replace(
        "vpcs:\n",
        "vpcs:\n  other: { cidr: 10.0.0.0/20, subnets: { a: { cidr: 10.0.1.0/24 } } }\n",
    );
    changes.propose(&guard(), apply(&text)).await.unwrap();
    let text = "vpcs: [prod, other]\n".to_owned();
    let peering = Wanted::Put { key: key("peerings", "both"), text };
    let answer = changes.propose(&guard(), request(peering)).await;
    let Err(Refusal::Refused(refused)) = answer else { panic!("{answer:?}") };
    assert!(refused.report.refused[0].starts_with("NW-ADDR-003"), "{:?}", refused.report.refused);
}

#[tokio::test]
async fn what_no_provider_accepts_is_refused_and_other_errors_are_told() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let subnet = "      back: { cidr: 10.0.2.0/24, route_table: private }\n";
    let over = format!("{subnet}      over: {{ cidr: 10.0.2.128/25, route_table: private }}\n");
    let over = NETWORK.replace(subnet, &over);
    let answer = changes.propose(&guard(), apply(&over)).await;
    let Err(Refusal::Refused(refused)) = answer else { panic!("{answer:?}") };
    assert!(refused.report.refused[0].starts_with("NW-ADDR-001: "), "{:?}", refused.report.refused);
    let forced = Request { force: Some("it moves tonight".to_owned()), ..apply(&over) };
    let landed = changes.propose(&guard(), forced).await.unwrap();
    assert!(landed.answer.forced);
    let listed = changes.history(landed.live.revision, 9).await.unwrap().0;
    assert!(listed.is_empty());
    let (change, _) = changes.change(landed.live.revision).await.unwrap().unwrap();
    assert_eq!(change.forced.as_deref(), Some("it moves tonight"));
    // What was there before stands against nothing else. Administration that is open to everybody is let in, and told.
    let open = over
        .replace(
            "protocol: tcp, port: 443, from: any",
            "protocol: tcp, ports: [22, 443], from: any",
        )
        .replace("listens: tcp/443", "listens: [tcp/22, tcp/443]");
    let landed = changes.propose(&guard(), apply(&open)).await.unwrap();
    let warnings = &landed.answer.report.warnings;
    assert!(warnings.iter().any(|word| word.starts_with("NW-FLT-005: ")), "{warnings:?}");
}

#[tokio::test]
async fn mistakes_are_all_told_with_their_places() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let text = "subnet: wbe\naddres: 10.0.1.9\nfilters: web\n".to_owned();
    let wanted = Wanted::Put { key: key("instances", "new"), text };
    let Err(Refusal::Invalid(mistakes)) = changes.propose(&guard(), request(wanted)).await else {
        panic!("it is let in");
    };
    let first = &mistakes[0];
    assert_eq!(first.file.as_deref(), Some("instances/new"));
    assert_eq!((first.line, first.column), (Some(2), Some(1)));
    assert!(first.help.as_deref().unwrap().contains("address"), "{first:?}");
    let text = NETWORK.replace("filters: db,", "filters: bd,");
    assert_ne!(text, NETWORK);
    let Err(Refusal::Invalid(mistakes)) = changes.propose(&guard(), apply(&text)).await else {
        panic!("it is let in");
    };
    assert_eq!(mistakes[0].file.as_deref(), Some("network.yaml"));
    assert!(mistakes[0].text.contains("did you mean"), "{}", mistakes[0].text);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_what_would_be() {
    let store = store().await;
    let changes = changes(store.clone());
    let before = store.status().await.unwrap().revision;
    let dry = |request| Request { dry_run: true, ..request };
    let would = changes.propose(&guard(), dry(apply(NETWORK))).await.unwrap();
    assert_eq!((outcome(&would), would.answer.revision), ("would_be_accepted", None));
    assert!(would.answer.report.steps.iter().all(|step| step.action == "create"));
    assert_eq!(store.status().await.unwrap().revision, before);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let would = changes.propose(&guard(), dry(apply(MISTAKE))).await.unwrap();
    assert_eq!(outcome(&would), "would_be_refused");
}

#[tokio::test]
async fn what_a_description_lacks_stays_unless_it_is_pruned() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let text = "cidr: 10.9.0.0/16\n".to_owned();
    let extra = Wanted::Put { key: key("vpcs", "extra"), text };
    changes.propose(&guard(), request(extra)).await.unwrap();
    let kept = changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    assert_eq!(
        (outcome(&kept), &kept.answer.report.kept[..]),
        ("unchanged", &["vpcs/extra".to_owned()][..])
    );
    let (name, text) = ("network.yaml".to_owned(), NETWORK.to_owned());
    let pruned = request(Wanted::Apply { name, text, prune: true });
    let pruned = changes.propose(&guard(), pruned).await.unwrap();
    assert_eq!(pruned.answer.report.summary.destroyed, 1);
    assert!(!pruned.live.network.description.has("vpcs", "extra"));
}

#[tokio::test]
async fn going_back_is_a_change_of_its_own() {
    let changes = changes(store().await);
    let first = changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let forced = Request { force: Some("drill".to_owned()), ..apply(MISTAKE) };
    let second = changes.propose(&guard(), forced).await.unwrap();
    let to = changes.keeper().at(first.live.revision).await.unwrap().unwrap();
    assert_eq!(to.objects, first.live.objects);
    assert_eq!(to.yaml(), first.live.yaml());
    let third = changes.propose(&guard(), request(Wanted::Rollback { to })).await.unwrap();
    assert!(third.live.revision > second.live.revision);
    assert_eq!(third.live.objects, first.live.objects);
    assert_eq!(third.answer.report.fixed, ["web-reaches-db"]);
    let (history, more) = changes.history(Revision(0), 10).await.unwrap();
    assert!(!more);
    let what: Vec<&str> = history.iter().map(|change| change.what.as_str()).collect();
    let back = format!("rollback to {}", first.live.revision);
    assert_eq!(what, ["apply network.yaml", "apply network.yaml", &back]);
    let bases: Vec<u64> = history.iter().map(|change| change.base).collect();
    assert_eq!(bases, [0, first.live.revision.0, second.live.revision.0]);
    // What happened between two revisions of the network was none.
    assert!(changes.keeper().at(Revision(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_lost_for_good_by_going_back_is_refused() {
    let changes = changes(store().await);
    let first = changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let text =
        "subnet: prod/front\nprivate_address: 10.0.1.11\naddresses: 198.51.100.9\n".to_owned();
    let nat = Wanted::Put { key: key("nat_gateways", "out"), text };
    let nat = changes.propose(&guard(), request(nat)).await;
    assert!(nat.is_ok(), "{nat:?}");
    let to = changes.keeper().at(first.live.revision).await.unwrap().unwrap();
    let back = request(Wanted::Rollback { to });
    let Err(Refusal::Refused(refused)) = changes.propose(&guard(), back.clone()).await else {
        panic!("it is let in");
    };
    assert!(refused.report.refused[0].contains("for good"), "{refused:?}");
    let forced = Request { force: Some("it was mine".to_owned()), ..back };
    assert!(changes.propose(&guard(), forced).await.is_ok());
}

#[tokio::test]
async fn a_stale_revision_is_told() {
    let changes = changes(store().await);
    let first = changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let stale = Request { revision: Some(Revision(1)), ..apply(NETWORK) };
    let Err(Refusal::Stale(now)) = changes.propose(&guard(), stale).await else { panic!("let in") };
    assert_eq!(now, first.live.revision);
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_as_at_first() {
    let changes = changes(store().await);
    let again = |asked: &str, text| Request {
        again: Some(("k1".to_owned(), asked.to_owned())),
        ..apply(text)
    };
    let first = changes.propose(&guard(), again("a", NETWORK)).await.unwrap();
    let text = "cidr: 10.9.0.0/16\n".to_owned();
    let extra = Wanted::Put { key: key("vpcs", "extra"), text };
    changes.propose(&guard(), request(extra)).await.unwrap();
    let second = changes.propose(&guard(), again("a", NETWORK)).await.unwrap();
    assert_eq!(second.answer, first.answer);
    let other = changes.propose(&guard(), again("b", NETWORK)).await;
    assert!(matches!(other, Err(Refusal::Reused)), "{other:?}");
}

#[tokio::test]
async fn a_request_that_changed_nothing_is_answered_as_at_first_when_it_comes_again() {
    let changes = changes(store().await);
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let again = |asked: &str| Request {
        again: Some(("k1".to_owned(), asked.to_owned())),
        ..apply(NETWORK)
    };
    let tried = Request { dry_run: true, ..again("tried") };
    assert_eq!(changes.propose(&guard(), tried).await.unwrap().answer.outcome, "unchanged");
    let first = changes.propose(&guard(), again("a")).await.unwrap();
    assert_eq!(first.answer.outcome, "unchanged");
    // Done again it would change something now.
    let text = "cidr: 10.9.0.0/16\n".to_owned();
    let extra = Wanted::Put { key: key("vpcs", "extra"), text };
    let between = changes.propose(&guard(), request(extra)).await.unwrap();
    let second = changes.propose(&guard(), again("a")).await.unwrap();
    assert_eq!(second.answer, first.answer);
    assert_eq!(second.live.revision, between.live.revision);
    let other = changes.propose(&guard(), again("b")).await;
    assert!(matches!(other, Err(Refusal::Reused)), "{other:?}");
}

#[tokio::test]
async fn of_two_writers_one_loses_and_nothing_is_mixed() {
    let store = store().await;
    let (a, b) = (changes(store.clone()), changes(store.clone()));
    let guard = guard();
    a.propose(&guard, apply(NETWORK)).await.unwrap();
    for round in 0..10 {
        let put = |name: &str, octet: u32| {
            let text = format!("cidr: 10.{octet}.0.0/16\n");
            request(Wanted::Put { key: key("vpcs", &format!("{name}{round}")), text })
        };
        let (one, other) =
            tokio::join!(a.propose(&guard, put("a", 20)), b.propose(&guard, put("b", 40)));
        let won = [&one, &other].iter().filter(|result| result.is_ok()).count();
        assert!(won >= 1);
        for result in [one, other] {
            assert!(matches!(result, Ok(_) | Err(Refusal::Conflict(_))), "{result:?}");
        }
    }
    let (live, same) = (a.keeper().newest().await.unwrap(), b.keeper().newest().await.unwrap());
    assert_eq!(live.objects, same.objects);
    let fresh = Keeper::new(store, Layout::default()).newest().await.unwrap();
    assert_eq!((fresh.revision, &fresh.objects), (live.revision, &live.objects));
}

#[tokio::test]
async fn a_server_that_lost_its_lead_changes_nothing() {
    let store = store().await;
    let changes = changes(store.clone());
    changes.propose(&guard(), apply(NETWORK)).await.unwrap();
    let op = Op::put(Layout::default().epoch(), value(2));
    store.txn(Txn::of(vec![op])).await.unwrap();
    let text = "cidr: 10.9.0.0/16\n".to_owned();
    let late = request(Wanted::Put { key: key("vpcs", "extra"), text });
    let late = changes.propose(&guard(), late).await;
    assert!(matches!(late, Err(Refusal::NotLeading)), "{late:?}");
}

#[tokio::test]
async fn what_was_allocated_for_something_else_is_refused() {
    let store = store().await;
    let keeper = Keeper::new(store.clone(), Layout::default());
    let changes = Changes::new(keeper, clashes);
    changes.propose(&store, &guard(), apply(NETWORK)).await.unwrap();
    let layout = Layout::default();
    let taken = r#"{"pool":"vpc:prod","value":"10.0.3.0/25","for":"subnet:prod/x","owner":"me","sequence":1,"at":"2026-11-21T12:00:00Z"}"#;
    let ops = vec![Op::put(layout.taken(), "1"), Op::put("netwright/allocations/p/v", taken)];
    store.txn(Txn::of(ops)).await.unwrap();
    let subnet = "      back: { cidr: 10.0.2.0/24, route_table: private }\n";
    let more = "      next: { cidr: 10.0.3.0/24, route_table: private }\n";
    let text = NETWORK.replace(subnet, &format!("{subnet}{more}"));
    let Err(Refusal::Refused(refused)) = changes.propose(&store, &guard(), apply(&text)).await
    else {
        panic!("it is let in");
    };
    let why =
        "subnet prod/next uses 10.0.3.0/24, and 10.0.3.0/25 is allocated for subnet:prod/x by me";
    assert_eq!(refused.report.refused, [why]);
}

#[tokio::test]
async fn what_something_was_allocated_of_since_is_not_taken_away_by_going_back() {
    let store = store().await;
    let keeper = Keeper::new(store.clone(), Layout::default());
    let changes = Changes::new(keeper, clashes);
    let first = changes.propose(&store, &guard(), apply(NETWORK)).await.unwrap();
    let subnet = "      back: { cidr: 10.0.2.0/24, route_table: private }\n";
    let more = "      next: { cidr: 10.0.3.0/24, route_table: private }\n";
    let text = NETWORK.replace(subnet, &format!("{subnet}{more}"));
    changes.propose(&store, &guard(), apply(&text)).await.unwrap();
    let layout = Layout::default();
    let taken = r#"{"pool":"subnet:prod/next","value":"10.0.3.9","for":"instance:x","owner":"me","sequence":1,"at":"2026-11-21T12:00:00Z"}"#;
    let ops = vec![Op::put(layout.taken(), "1"), Op::put("netwright/allocations/p/v", taken)];
    store.txn(Txn::of(ops)).await.unwrap();
    let back = request(Wanted::Rollback { to: Arc::clone(&first.live) });
    let Err(Refusal::Refused(refused)) = changes.propose(&store, &guard(), back.clone()).await
    else {
        panic!("it is let in");
    };
    let why = "subnet prod/next would no longer have 10.0.3.9, which is allocated for instance:x by me: release it first";
    assert_eq!(refused.report.refused, [why]);
    let forced = Request { force: Some("x was never started".to_owned()), ..back };
    let landed = changes.propose(&store, &guard(), forced).await.unwrap();
    assert!(landed.answer.forced);
}

#[tokio::test]
async fn others_follow() {
    let store = store().await;
    let (writer, reader) = (changes(store.clone()), Keeper::new(store, Layout::default()));
    let mut states = reader.states();
    let follower = reader.clone();
    let following = tokio::spawn(async move { follower.follow().await });
    states.wait_for(|state| state.live.is_some()).await.unwrap();
    for text in [NETWORK, MISTAKE, NETWORK] {
        let forced = Request { force: Some("drill".to_owned()), ..apply(text) };
        let written = writer.propose(&guard(), forced).await.unwrap();
        let now = states
            .wait_for(|state| {
                state.live.as_ref().is_some_and(|live| live.revision == written.live.revision)
            })
            .await
            .unwrap()
            .live
            .clone();
        assert_eq!(now.map(|live| live.objects.clone()), Some(written.live.objects.clone()));
    }
    following.abort();
}
