//! `netwright watch --once`: everything is asked until its state is known, shown, and that is all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use netwright_watch::alert::DeskOptions;
use netwright_watch::health::{Profile, State};
use netwright_watch::station::documents::HealthDocument;
use netwright_watch::station::{Folder, Run, Shared, Station, SteadyClock, run as watching};

use super::askers::{Accepted, Askers};
use super::{planned, rows, taken};
use crate::arguments::{Format, Watch};
use crate::commands::health::show;
use crate::commands::serve::runtime;
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::Input;

/// Most components that are shown.
const SHOWN: usize = 100_000;

/// How often is looked whether everything is known.
const LOOK: Duration = Duration::from_millis(20);

pub(super) fn run(
    arguments: &Watch,
    input: &Input,
    console: &mut Console,
) -> Result<Code, Failure> {
    let mut plan = planned(arguments, input)?;
    for item in plan.items.values_mut() {
        item.profile = at_once(item.profile);
    }
    let clock = SteadyClock::new(Timestamp::now());
    let mut station = Station::new(DeskOptions::default());
    // Whoever asks from inside a lab reads a description that nobody edits meanwhile.
    let folder = Beside::new()?;
    let accepted = Accepted::new(folder.folder.file("accepted.yaml"));
    accepted.take(input, &plan, &folder.folder)?;
    station.take(&arguments.file.display().to_string(), plan, clock.now());
    let shared = Shared::new(station, clock);
    let health = runtime()?.block_on(async {
        let asker = Askers::new(arguments, accepted)?;
        let run = Run { asker, sinks: Vec::new(), folder: None };
        let end = Instant::now() + arguments.within;
        let until = async {
            while Instant::now() < end && !decided(&shared) {
                tokio::time::sleep(LOOK).await;
            }
        };
        watching(Arc::clone(&shared), run, until).await;
        Ok::<HealthDocument, Failure>(shared.with(|station, now| station.health("*", SHOWN, now)))
    })?;
    match arguments.format {
        Format::Json => console.json(&serde_json::to_value(&health).unwrap_or_default()),
        Format::Text => show(&health, console),
    }
    Ok(match rows::code(&health) {
        Code::Pass if !health.left_out.is_empty() => Code::Unknown,
        code => code,
    })
}

/// The numbers of a check that does not wait for slow starters: it has a time of its own.
const fn at_once(profile: Profile) -> Profile {
    let interval = if profile.in_transition.as_nanos() > profile.time_out.as_nanos() {
        profile.in_transition
    } else {
        profile.time_out
    };
    let interval =
        if interval.as_nanos() < profile.interval.as_nanos() { interval } else { profile.interval };
    Profile { interval, grace: Duration::ZERO, starts: profile.down, ..profile }
}

fn decided(shared: &Shared) -> bool {
    shared.with(|station, _| {
        let waits = |state: State| matches!(state, State::Unknown | State::Starting);
        station.watcher().fleet().iter().all(|(_, thing)| !waits(thing.health.state()))
    })
}

/// A folder that is gone when this is.
struct Beside {
    path: std::path::PathBuf,
    folder: Folder,
}

impl Beside {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("netwright-watch-{}", std::process::id()));
        let folder = taken(&path)?;
        Ok(Self { path, folder })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // What cannot be removed is the system's to remove.
        let _left = std::fs::remove_dir_all(&self.path);
    }
}
