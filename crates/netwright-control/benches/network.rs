//! How long a server takes to begin with a large network, and to judge a small change of it.

#![allow(clippy::unwrap_used, reason = "a measurement stops where it cannot go on")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use netwright_control::change::clashes::clashes;
use netwright_control::change::{Changes, Request, Wanted};
use netwright_control::guard::{Guard, value};
use netwright_control::keys::Layout;
use netwright_control::network::{Keeper, ObjectKey, snapshot};
use netwright_model::generate::{Plan, generate};
use netwright_store::memory::Memory;
use netwright_store::{Monotonic, Op, Store, Txn};

fn request(wanted: Wanted, unique: u64) -> Request {
    Request {
        wanted,
        who: "bench".to_owned(),
        why: None,
        force: None,
        dry_run: false,
        revision: None,
        again: None,
        now: 1_795_000_000_000,
        unique,
        beside: None,
    }
}

async fn measure(instances: u32) {
    let layout = Layout::default();
    let store = Memory::new(Arc::new(Monotonic::default()));
    let op = Op::put(layout.epoch(), value(1));
    store.txn(Txn::of(vec![op])).await.unwrap();
    let guard = Guard::of(&layout, 1);
    let keeper = Keeper::new(store.clone(), layout.clone());
    let changes = Changes::new(keeper, clashes);
    let plan = Plan { instances, ..Plan::default() };
    let text = netwright_model::to_yaml(&generate(&plan), "");
    let mut out = std::io::stdout();
    writeln!(out, "{instances} instances: {} octets of YAML", text.len()).unwrap();
    let mut time = |what: &str, began: Instant| {
        writeln!(out, "  {what}: {:.0} ms", began.elapsed().as_secs_f64() * 1000.0).unwrap();
    };
    let began = Instant::now();
    let name = "network.yaml".to_owned();
    let wanted = Wanted::Apply { name, text, prune: false };
    changes.propose(&store, &guard, request(wanted, 1)).await.unwrap();
    time("declared, proved and written", began);
    let fresh = || Keeper::new(store.clone(), layout.clone());
    let began = Instant::now();
    let live = fresh().newest().await.unwrap();
    time("loaded from changes", began);
    snapshot::write(&store, &layout, &guard, &live).await.unwrap();
    let began = Instant::now();
    let live = fresh().newest().await.unwrap();
    time("loaded from a snapshot", began);
    let filter = live.objects.of_part("filters").next();
    let (name, text) =
        filter.map(|(name, object)| (name.to_string(), object.text.to_string())).unwrap();
    for (round, port) in [9001, 9002, 9003].into_iter().enumerate() {
        let rule = format!(
            "rules:\n  - {{ name: bench, direction: ingress, protocol: tcp, port: {port}, from: 203.0.113.0/24 }}\n"
        );
        let text = text.replacen("rules:\n", &rule, 1);
        let key = ObjectKey::of("filters", &name).unwrap();
        let began = Instant::now();
        let put = request(Wanted::Put { key, text }, 2 + round as u64);
        changes.propose(&store, &guard, put).await.unwrap();
        time("one rule more, proved and written", began);
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for instances in [1_000, 10_000, 100_000] {
        runtime.block_on(measure(instances));
    }
}
