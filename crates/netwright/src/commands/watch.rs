//! `netwright watch`.
//!
//! One task asks and decides (`netwright_watch::station`), one answers over HTTP; this one shows what happens, follows the file and ends on signals.

mod askers;
mod hosts;
pub(super) mod looking;
mod measure;
mod once;
mod place;
pub(super) mod rows;
mod view;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use netwright_model::to_yaml;
use netwright_watch::alert::DeskOptions;
use netwright_watch::alert::sink::Moments;
use netwright_watch::plan::Plan;
use netwright_watch::station::{
    Folder, NoFolder, Run, Shared, Station, SteadyClock, moment, run as watching, serve,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use self::askers::{Accepted, Askers};
use self::measure::Metered;
use self::view::View;
use super::lab::follow::{Follow, LOOK};
use super::notify;
use super::serve::{runtime, state_folder, take_files};
use crate::arguments::{StatePlace, Watch};
use crate::console::{Code, Console};
use crate::failure::Failure;
use crate::network::{Input, open};

/// How often the machine's clock is looked at.
const CLOCK: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: &Watch, console: &mut Console) -> Result<Code, Failure> {
    if let Some(place) = &arguments.at {
        return place::run(arguments, place);
    }
    let input = open(&arguments.file)?;
    for note in &input.notes {
        console.error(&format!("note: {note}\n"));
    }
    take_files();
    if arguments.once {
        return once::run(arguments, &input, console);
    }
    let kinds = notify::kinds(&arguments.notify, arguments.ca.as_deref())?;
    let folder = Arc::new(taken(&folder(&arguments.place)?)?);
    let follow = Follow::new(&arguments.file);
    let clock = SteadyClock::new(Timestamp::now());
    let options = DeskOptions { wait: arguments.group_wait, repeat: arguments.repeat };
    let mut station = Station::new(options);
    let plan = planned(arguments, &input)?;
    let accepted = Accepted::new(folder.file("accepted.yaml"));
    accepted.take(&input, &plan, &folder)?;
    station.take(&arguments.file.display().to_string(), plan, clock.now());
    match folder.load() {
        Ok(Some(kept)) => station.restore(kept, clock.now()),
        Ok(None) => {}
        Err(why) => {
            let text = format!("everything is unknown: what was kept cannot be read: {why}");
            station.note(&text, clock.now());
        }
    }
    let shared = Shared::new(station, clock);
    let moments: Moments = Arc::new(moment);
    runtime()?.block_on(async {
        let asker = Askers::new(arguments, accepted.clone())?;
        let sinks = notify::served(kinds, &moments);
        let run = Run { asker, sinks, folder: Some(folder.clone()) };
        let (end, ended) = oneshot::channel::<()>();
        let until = async {
            // It also ends when nobody is left to end it.
            let _ended = ended.await;
        };
        let asking = tokio::spawn(watching(shared.clone(), run, until));
        let url = listening(arguments, &shared, &folder).await?;
        let connectors = Arc::new(Mutex::new(measure::connectors(&input.network)));
        let _measured = measure::measure(arguments, &shared, &connectors)?;
        let mut session = Session { arguments, shared, accepted, folder, follow, connectors };
        let code = session.stay(&url, console).await;
        // Who is asked now is not waited for; what is known is written.
        let _asked = end.send(());
        let _whole = asking.await;
        code
    })
}

/// What is watched by a description, and by whom it is asked.
fn planned(arguments: &Watch, input: &Input) -> Result<Plan, Failure> {
    let mut plan = input.watched()?;
    if arguments.server.is_some() {
        plan.by_agents(&input.network, arguments.ca.is_some());
    }
    Ok(plan)
}

/// The folder of a watch.
pub(super) fn folder(place: &StatePlace) -> Result<PathBuf, Failure> {
    Ok(state_folder(place.state.as_deref())?.join(format!("watch-{}", place.name)))
}

fn taken(path: &std::path::Path) -> Result<Folder, Failure> {
    Folder::take(path).map_err(|error| match error {
        NoFolder::Taken => {
            let help = "`--name` tells two of one machine apart; `netwright health` asks the one that runs";
            let message = format!("somebody watches with {} already", path.display());
            Failure::usage(message, Some(help.to_owned()))
        }
        NoFolder::Io(error) => Failure::output(path, &error),
    })
}

/// Answers over HTTP from now on; where.
async fn listening(
    arguments: &Watch,
    shared: &Arc<Shared>,
    folder: &Folder,
) -> Result<String, Failure> {
    let wanted = arguments.serve.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let listener = TcpListener::bind(wanted).await;
    let cannot = |error| Failure::usage(format!("cannot listen on {wanted}: {error}"), None);
    let listener = listener.map_err(cannot)?;
    let own = listener.local_addr().unwrap_or(wanted);
    folder.at(own).map_err(|error| Failure::output(&folder.file("address"), &error))?;
    tokio::spawn(serve(listener, shared.clone(), std::future::pending()));
    Ok(format!("http://{own}"))
}

/// The signals that a watch goes by.
struct Signals {
    end: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let cannot = |error| Failure::unknown(format!("signals cannot be waited for: {error}"));
        let of = |kind| signal(kind).map_err(cannot);
        Ok(Self {
            end: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            reload: of(SignalKind::hangup())?,
        })
    }
}

/// A watch that is looked at.
struct Session<'a> {
    arguments: &'a Watch,
    shared: Arc<Shared>,
    accepted: Accepted,
    folder: Arc<Folder>,
    follow: Follow,
    connectors: Arc<Mutex<Vec<Metered>>>,
}

impl Session<'_> {
    async fn stay(&mut self, url: &str, console: &mut Console) -> Result<Code, Failure> {
        let mut signals = Signals::new()?;
        let mut view = View::new(self.arguments.format, url, console);
        view.begin(console);
        let begun = Instant::now();
        let (mut looked, mut jumped) = (begun, None);
        loop {
            view.show(&self.shared, console);
            if self.arguments.lasts.is_some_and(|lasts| begun.elapsed() >= lasts) {
                break;
            }
            let known = view.known();
            tokio::select! {
                _ = signals.end.recv() => break,
                _ = signals.interrupt.recv() => break,
                _ = signals.reload.recv() => self.reload(),
                () = self.shared.after(known) => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if self.follow.changed(Instant::now()) {
                self.reload();
            }
            if looked.elapsed() >= CLOCK {
                looked = Instant::now();
                self.look_at_clock(&mut jumped);
            }
        }
        view.end(&self.shared, console);
        let health = self.shared.with(|station, now| station.health("*", 0, now));
        Ok(rows::code(&health))
    }

    /// Takes what the file holds now; where that is wrong, what was watched goes on, and it is said.
    fn reload(&self) {
        let read = open(&self.arguments.file).and_then(|input| {
            let plan = planned(self.arguments, &input)?;
            self.accepted.take(&input, &plan, &self.folder)?;
            *self.connectors.lock().unwrap_or_else(PoisonError::into_inner) =
                measure::connectors(&input.network);
            Ok(plan)
        });
        let file = self.arguments.file.display().to_string();
        self.shared.change(|station, now| match read {
            Ok(plan) => station.take(&file, plan, now),
            Err(failure) => station.refuse(failure.text(false).trim_end(), now),
        });
    }

    /// A machine's clock that jumps changes no state; who reads times is told once of each jump.
    fn look_at_clock(&self, told: &mut Option<i128>) {
        let skew = self.shared.clock().skew(Timestamp::now());
        let seconds = skew.map(|skew| match skew {
            Ok(ahead) => i128::from(ahead.as_secs()),
            Err(behind) => -i128::from(behind.as_secs()),
        });
        let near = |a: i128, b: i128| (a - b).abs() < 5;
        if let Some(seconds) = seconds
            && !told.is_some_and(|told| near(told, seconds))
        {
            let text = format!(
                "the machine's clock is {seconds} s from where it was going: times here go on as they were"
            );
            self.shared.with(|station, now| station.note(&text, now));
        }
        *told = seconds;
    }
}

/// The description of an input, as a text that is read again elsewhere.
fn written(input: &Input) -> String {
    to_yaml(&input.network.description, "")
}
