//! What goes wrong, one round after the other: some faults at once, a while, and all of them undone.

use std::collections::BTreeMap;

use netwright_model::random::Random;
use netwright_testbed::Cluster;

use super::fleet::{Admin, Fleet};
use super::history::Call;
use crate::server::pause;

/// The members of the store.
pub(super) struct Members {
    cluster: Cluster,
}

impl Members {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    fn fault(&mut self, random: &mut Random) -> &'static str {
        let count = self.cluster.count();
        let member = below(random, count);
        match random.below(7) {
            0 | 1 => {
                self.cluster.kill(member);
                "member killed"
            }
            2 => {
                self.cluster.pause(member);
                "member stopped"
            }
            3 | 4 => {
                self.cluster.part(&[member]);
                "member cut off from the others"
            }
            5 => {
                self.cluster.unplug(member);
                "member unplugged"
            }
            _ => {
                for other in 1..count {
                    self.cluster.kill((member + other) % count);
                }
                "most members killed"
            }
        }
    }
}

pub(super) struct Turmoil {
    random: Random,
    fleet: Fleet,
    members: Option<Members>,
    admin: Admin,
    faults: BTreeMap<&'static str, u32>,
}

impl Turmoil {
    pub(super) fn new(seed: u64, fleet: Fleet, members: Option<Members>, admin: Admin) -> Self {
        Self { random: Random::new(seed), fleet, members, admin, faults: BTreeMap::new() }
    }

    /// Faults, a while, and none of them any more.
    pub(super) fn round(&mut self) {
        pause(u64::from(200 + self.random.below(800)));
        for _ in 0..=self.random.below(2) {
            let fault = match &mut self.members {
                Some(members) if self.random.percent(50) => members.fault(&mut self.random),
                _ => self.of_servers(),
            };
            *self.faults.entry(fault).or_default() += 1;
            pause(u64::from(self.random.below(300)));
        }
        pause(u64::from(100 + self.random.below(2400)));
        self.mend();
    }

    fn of_servers(&mut self) -> &'static str {
        let server = below(&mut self.random, self.fleet.count());
        match self.random.below(10) {
            0..4 => {
                self.fleet.kill(server);
                "server killed"
            }
            4..7 => {
                self.fleet.stop(server);
                "server stopped"
            }
            7 => {
                // Killed again while it starts.
                self.fleet.kill(server);
                self.fleet.start(server);
                pause(u64::from(self.random.below(150)));
                self.fleet.kill(server);
                "server killed at its start"
            }
            _ => {
                // Whoever answers: one that does not know that it is stopped asks another.
                let _lost = self.admin.once(
                    server,
                    &Call::post("/api/v1/consensus/force-election", serde_json::Value::Null),
                );
                "lead taken away"
            }
        }
    }

    fn mend(&mut self) {
        if let Some(members) = &mut self.members {
            members.cluster.heal();
        }
        self.fleet.mend();
    }

    /// Ends everything that goes wrong, and waits until all are well; what went wrong how often.
    pub(super) fn heal(mut self) -> (Whole, BTreeMap<&'static str, u32>) {
        self.mend();
        self.admin.healed();
        (Whole { fleet: self.fleet, _members: self.members }, self.faults)
    }
}

/// Servers and store, as they go on.
pub(super) struct Whole {
    fleet: Fleet,
    _members: Option<Members>,
}

impl std::ops::Deref for Whole {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.fleet
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(u32::try_from(bound).unwrap())).unwrap()
}
