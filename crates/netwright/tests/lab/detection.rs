//! Links that are cut are told, every one: a few of the cuts of `cargo xtask bench watch detection`. `NETWRIGHT_CUTS=1000` makes more.

#[path = "../../benches/detection/cuts.rs"]
mod cuts;

use std::time::Duration;

use super::harness::ways;
use cuts::{cut, network};
use netwright_watch::health::Profile;

/// Cuts that are made unless the environment says otherwise.
const CUTS: usize = 12;

#[test]
fn c4_every_link_that_is_cut_is_told() {
    let wanted = std::env::var("NETWRIGHT_CUTS").ok().and_then(|cuts| cuts.parse().ok());
    let cuts = wanted.unwrap_or(CUTS);
    let links = (cuts / 2).min(40);
    for way in ways("detection").into_iter().take(1) {
        let file = way.file(&network(links));
        let up = way.lab(&["up", &file]);
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let found = cut((&way.lab, Profile::INTENT), (links, cuts), Duration::from_secs(60));
        assert_eq!((found.missed, found.times.len()), (0, cuts), "{found:?}");
        eprintln!(
            "{cuts} cuts: half told within {:.0} ms, 99 of 100 within {:.0} ms, all within {:.0} ms; {} links told away that were not cut",
            found.within(0.5),
            found.within(0.99),
            found.within(1.0),
            found.false_alarms
        );
    }
}
