//! Several servers as processes of their own, clients that try again, and everything that can go wrong: servers are killed, stopped and started, leads
//! are taken away, members of the store die, stop, are cut off and come back. What every client asked and was told is kept in a file, and judged
//! afterwards:
//!
//! - no two values that are somebody's at the same time overlap or clash, among themselves or with what the network describes;
//! - nothing that was acknowledged is lost, and nothing is there that nobody asked for or that was refused;
//! - a request that comes again with its key gets the answer that it got first, and another request with that key gets none;
//! - a release that comes late takes nothing from who has the value since.
//!
//! The suite runs some seconds of it. `NETWRIGHT_INTERLEAVINGS=SECONDS` runs longer, `NETWRIGHT_SEED=N` with the same faults and wishes again.

mod clients;
mod fleet;
mod history;
mod judge;
mod turmoil;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netwright_testbed::{Cluster, alone, is_there};

use clients::{Changer, Client, POOLS};
use fleet::Fleet;
use history::{Call, History};
use turmoil::{Members, Turmoil};

use crate::server::Folder;

/// How long faults go on, where nobody says: in seconds.
const SHORT: u64 = 9;

/// What is declared before anything goes wrong.
const NETWORK: &str = "
vpcs:
  a: { cidr: 10.0.0.0/21, subnets: { s: { cidr: 10.0.1.0/24 } } }
  b: { cidr: 10.0.8.0/22, subnets: { s: { cidr: 10.0.8.0/26 } } }
peerings: { ab: { vpcs: [a, b] } }
";

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs clients and faults, ends the faults, and judges what is left and what everybody was told.
fn run(test: &str, mut fleet: Fleet, members: Option<Members>) {
    let moment = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let seed =
        setting("NETWRIGHT_SEED").unwrap_or_else(|| u64::try_from(moment % 1_000_000).unwrap());
    let seconds = setting("NETWRIGHT_INTERLEAVINGS").unwrap_or(SHORT);
    let again = format!(
        "NETWRIGHT_SEED={seed} NETWRIGHT_INTERLEAVINGS={seconds} cargo test -p netwright --test serve {test}"
    );
    eprintln!("{test}: {again}");
    let folder = Folder::new();
    let kept =
        std::env::temp_dir().join(format!("netwright-history-{seed}-{}.jsonl", std::process::id()));
    let history = Arc::new(History::new(&kept));
    let admin = prepare(&mut fleet, &history);
    let addresses = fleet.addresses();
    let over = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let clients: Vec<_> = (0..6)
        .map(|id| {
            let key = admin.key(&format!("client-{id}"), "operator");
            let client = Client::new(id, seed, addresses.clone(), key, Arc::clone(&history));
            let over = Arc::clone(&over);
            std::thread::spawn(move || client.run(&over))
        })
        .collect();
    let changer = {
        let key = admin.key("changer", "operator");
        let changer = Changer::new(seed, addresses, key, Arc::clone(&history));
        let over = Arc::clone(&over);
        std::thread::spawn(move || changer.run(&over))
    };
    let mut turmoil = Turmoil::new(seed, fleet, members, admin);
    while began.elapsed() < Duration::from_secs(seconds) {
        turmoil.round();
    }
    let (fleet, faults) = turmoil.heal();
    over.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    changer.join().unwrap();
    fleet.left(&POOLS).into_iter().for_each(|left| history.left(left));
    history.end();
    let judged = judge::judge(&history::read(&kept));
    drop((fleet, folder));
    eprintln!("{test}: {faults:?}: {}", judged.counts);
    if !judged.wrong.is_empty() {
        let all = judged.wrong.join("\n");
        panic!("{all}\nwhat everybody saw: {}\n{again}", kept.display());
    }
    let _gone = std::fs::remove_file(&kept);
    let counts = &judged.counts;
    assert!(counts.allocated >= 20 && counts.released >= 5, "too little was done: {counts}");
}

/// The first key, the network and pools from which little can be taken, so that values come round.
fn prepare(fleet: &mut Fleet, history: &History) -> fleet::Admin {
    fleet.start_all();
    let admin = fleet.first_key();
    let body = serde_json::json!({ "description": NETWORK });
    admin.must(&Call::post("/api/v1/changes", body));
    for pool in &POOLS {
        admin.must(&Call::put("/api/v1/pools", pool.declared()));
    }
    history.begin();
    admin
}

#[test]
fn servers_over_three_members_of_etcd_never_give_a_value_twice() {
    if !is_there() {
        return;
    }
    let test = "interleavings::servers_over_three_members_of_etcd_never_give_a_value_twice";
    alone(test, || {
        let cluster = Cluster::start(3);
        let fleet = Fleet::new(3, Some(&cluster.address()));
        run(test, fleet, Some(Members::new(cluster)));
    });
}

#[test]
fn a_server_with_a_store_of_its_own_never_gives_a_value_twice() {
    let test = "interleavings::a_server_with_a_store_of_its_own_never_gives_a_value_twice";
    run(test, Fleet::new(1, None), None);
}
