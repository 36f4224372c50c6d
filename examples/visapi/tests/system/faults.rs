//! Processes that are killed and paused in the middle of work.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::{self, get, keyed, pause, post, until};
use crate::deployment::Deployment;

/// What clients were told of their writes: which were acknowledged, and which they gave up.
fn write_until(at: SocketAddr, stop: &AtomicBool, thread: usize) -> (Vec<String>, Vec<String>) {
    let (mut stored, mut jobs) = (Vec::new(), Vec::new());
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let id = format!("w{thread}-{number}");
        let body = format!("{{\"id\": \"{id}\", \"payload\": 1}}");
        // As a client does that is not answered: it asks again with the same key.
        for (path, told) in [("/api/v1/test/write", &mut stored), ("/api/v1/queue/jobs", &mut jobs)]
        {
            let key = format!("{path}-{id}");
            for _ in 0..100 {
                match keyed(at, path, &body, &key) {
                    Ok(answer) if answer.status < 300 => {
                        told.push(id.clone());
                        break;
                    }
                    _ => pause(Duration::from_millis(30)),
                }
            }
        }
    }
    (stored, jobs)
}

#[test]
fn a_gateway_that_is_killed_in_the_middle_of_writes_loses_none_and_does_none_twice() {
    let Some(mut all) = Deployment::whole() else { return };
    let at = all.system.addresses.gateway;
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<(Vec<String>, Vec<String>)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let stop = &stop;
                scope.spawn(move || write_until(at, stop, thread))
            })
            .collect();
        for _ in 0..2 {
            pause(Duration::from_millis(400));
            if let Some(gateway) = &mut all.gateway {
                gateway.kill();
            }
            all.gateway = Some(all.started("gateway"));
        }
        pause(Duration::from_millis(300));
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().map(|writer| writer.join().expect("a client ends")).collect()
    });
    let stored: BTreeSet<String> =
        acknowledged.iter().flat_map(|(stored, _)| stored.clone()).collect();
    let jobs: BTreeSet<String> = acknowledged.iter().flat_map(|(_, jobs)| jobs.clone()).collect();
    assert!(stored.len() > 10, "{} writes were acknowledged", stored.len());
    until("every job is done", Duration::from_secs(10), || {
        all.psql("postgres", "select count(*) from jobs where state <> 'done'") == "0\n"
    });
    let held: BTreeSet<String> =
        all.psql("postgres", "select id from records").lines().map(str::to_owned).collect();
    assert_eq!(stored.difference(&held).count(), 0, "acknowledged writes were lost");
    let effects = all.psql("postgres", "select job_id from effects");
    let done: Vec<&str> = effects.lines().collect();
    let once: BTreeSet<String> = done.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(done.len(), once.len(), "an effect happened twice");
    assert_eq!(jobs.difference(&once).count(), 0, "acknowledged jobs were lost");
    let check = get(at, "/api/v1/consistency/check?full=true").json();
    assert_eq!(check["verdict"], "consistent", "{check}");
}

#[test]
fn while_the_database_stands_still_everything_ends_in_time_and_says_why_and_then_it_heals() {
    let Some(mut all) = Deployment::whole() else { return };
    let at = all.system.addresses.gateway;
    let (frontend, second) = (all.system.addresses.frontend, Duration::from_secs(1));
    post(at, "/api/v1/test/marker", "{\"id\": \"m\"}").is(201);
    get(frontend, "/api/v1/test/marker/m").is(200);
    post(at, "/api/v1/registers/r/cas", "{\"expected\": null, \"new\": 1}").is(200);
    until("every link is seen", second * 10, || {
        get(at, "/api/v1/network/partition-status").is(200).json()["status"] == "connected"
    });
    // What was never up is not cut.
    let seen = "select links->'database'->>'status' from nodes where node = 'worker'";
    until("the worker sees the database", second * 30, || {
        ["up\n", "slow\n"].contains(&all.psql("postgres", seen).as_str())
    });
    if let Some(postgres) = &all.postgres {
        postgres.pause();
    }
    until("the gateway knows", second * 10, || {
        get(at, "/api/v1/health").json()["database"] == "unhealthy"
    });

    while_it_stands_still(at);

    // The gateway is killed; the frontend answers from what it kept, and refuses what it cannot.
    if let Some(gateway) = &mut all.gateway {
        gateway.kill();
    }
    let kept = get(frontend, "/api/v1/test/marker/m").is(200);
    assert!(kept.is_marked_stale(), "{}", kept.head);
    post(frontend, "/api/v1/auth/login", "{\"user\": \"u\", \"api_key\": \"user-key\"}").is(503);
    // What the gateway saw of the cut died with it; the worker has to see it too.
    pause(second * 5);
    if let Some(postgres) = &all.postgres {
        postgres.resume();
    }
    all.gateway = Some(all.started("gateway"));
    until("what waited is stored", second * 10, || {
        all.psql("postgres", "select count(*) from records where origin = 'journal'") == "5\n"
    });
    until("the job that waited is done", second * 10, || {
        get(at, "/api/v1/queue/jobs/queued-job").json()["state"] == "done"
    });
    // Who asks again learns what became of it, and nothing is done twice.
    assert_eq!(
        keyed(at, "/api/v1/test/write", "{\"id\": \"queued-1\"}", "key-1").unwrap().is(201).json()
            ["replayed"],
        true
    );
    assert_eq!(get(at, "/api/v1/registers/r").is(200).json()["value"], 1);
    let replay =
        post(at, "/api/v1/database/replay-wal", "{\"from_timestamp\": \"20m ago\"}").is(200).json();
    assert_eq!((&replay["replayed"], &replay["already_done"]), (&0.into(), &6.into()), "{replay}");
    until("the cut is written down, and is over", second * 30, || {
        let report = post(at, "/api/v1/reports/partition-recovery", "{}").is(200).json();
        report["verdict"] == "recovered"
            && report["cuts"].as_array().is_some_and(|cuts| !cuts.is_empty())
    });
}

fn while_it_stands_still(at: SocketAddr) {
    let second = Duration::from_secs(1);
    // Writes that must be decided now are refused at once, and say what became of them.
    let refused = client::ask(at, "PUT", "/api/v1/registers/r", "{\"value\": 2}");
    assert!(refused.took < second * 4, "{:?}", refused.took);
    let body = refused.is(503).json();
    assert_eq!(body["outcome"], "not_done");
    assert!(
        body["error"]["message"].as_str().is_some_and(|why| why.contains("database")),
        "{body}"
    );
    get(at, "/api/v1/registers/r").is(503);
    // Degraded is 200, and says so.
    let health = get(at, "/api/v1/health").is(200).json();
    assert_eq!(
        (&health["status"], &health["mode"]),
        (&"degraded".into(), &"without-database".into()),
        "{health}"
    );

    // Writes that can wait do, and survive a kill; what is old is marked.
    for i in 0..5 {
        let body = format!("{{\"id\": \"queued-{i}\"}}");
        let key = format!("key-{i}");
        let queued = keyed(at, "/api/v1/test/write", &body, &key).unwrap().is(202).json();
        assert_eq!(queued["outcome"], "queued");
    }
    post(at, "/api/v1/queue/jobs", "{\"id\": \"queued-job\"}").is(202);
    let marker = get(at, "/api/v1/test/marker/m").is(200);
    assert!(marker.is_marked_stale() && marker.json()["stale"] == true, "{marker:?}");
    assert_eq!(get(at, "/api/v1/test/write/queued-1").is(200).json()["queued"], true);
    let unknown = get(at, "/api/v1/consensus/status").is(200).json();
    assert_eq!(unknown["verdict"], "unknown", "{unknown}");
    until("the cut is seen", second * 10, || {
        get(at, "/api/v1/network/partition-status").is(200).json()["status"] == "partitioned"
    });
    let snapshot = get(at, "/api/v1/system/snapshot").is(200).json();
    assert_eq!(snapshot["complete"], false, "{snapshot}");
    for path in ["/api/v1/consistency/check", "/api/v1/queue/effects"] {
        let answer = get(at, path).is(503);
        assert!(answer.took < second * 4, "{path}: {:?}", answer.took);
    }
}

#[test]
fn jobs_are_done_while_redis_is_dead_and_a_merge_makes_its_view_whole_again() {
    let Some(mut all) = Deployment::whole() else { return };
    let at = all.system.addresses.gateway;
    if let Some(redis) = &mut all.redis {
        redis.kill();
    }
    for i in 0..10 {
        let answer = post(at, "/api/v1/queue/jobs", &format!("{{\"id\": \"job-{i}\"}}")).is(201);
        assert!(answer.took < Duration::from_secs(4), "{:?}", answer.took);
    }
    until("they are done", Duration::from_secs(10), || {
        all.psql("postgres", "select count(*) from effects") == "10\n"
    });
    until("the gateway knows", Duration::from_secs(8), || {
        get(at, "/api/v1/health").is(200).json()["queue"] == "unhealthy"
    });
    post(at, "/api/v1/queue/merge-split-brain", "{\"dry_run\": true}").is(503);
    // Nobody works, Redis is back and empty: what waits is announced.
    post(at, "/api/v1/workers/scale", "{\"count\": 0}").is(200);
    pause(Duration::from_millis(700));
    post(at, "/api/v1/queue/jobs", "{\"id\": \"late\"}").is(201);
    all.redis = Some(all.started("redis"));
    until("Redis is there", Duration::from_secs(8), || {
        get(at, "/api/v1/health").json()["queue"] == "healthy"
    });
    let merge = |dry: bool| {
        post(at, "/api/v1/queue/merge-split-brain", &format!("{{\"dry_run\": {dry}}}"))
            .is(200)
            .json()
    };
    merge(true);
    merge(false);
    post(at, "/api/v1/workers/scale", "{\"count\": 2}").is(200);
    until("it is done", Duration::from_secs(8), || {
        get(at, "/api/v1/queue/jobs/late").json()["state"] == "done"
    });
    let check = get(at, "/api/v1/consistency/check?full=true").json();
    assert_eq!(check["verdict"], "consistent", "{check}");
}
