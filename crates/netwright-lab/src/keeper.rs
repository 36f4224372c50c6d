//! The two processes of a lab: the keeper, which starts it and cleans up after it, and process 1 inside, which holds its namespaces.

mod serve;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use netwright_dataplane::kernel::Kernel;
use netwright_dataplane::plan::HostPlan;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::interrupt::{Interrupt, signals};
use crate::link::state::Links;
use crate::tasks::Tasks;
use crate::{isolate, names, place};

/// Longest message about how a lab came up.
const NOTICE_OCTETS: u64 = 1024 * 1024;

/// How a lab came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Number of namespaces.
    pub namespaces: u64,
    /// Number of links.
    pub links: u64,
    /// Number of tasks.
    pub tasks: u64,
    /// Milliseconds for building them.
    pub milliseconds: u64,
    /// What the description says and the lab does not build.
    pub left_out: Vec<String>,
}

/// Starts a lab as [`up_unless`] does, whatever is asked meanwhile.
///
/// # Errors
///
/// Why it did not come up; nothing is left of it then.
pub fn up(keeper: &[String], stay: bool) -> Result<(Ready, Option<Held>), Failure> {
    up_unless(keeper, stay, None)
}

/// Starts a lab in the background and waits until it is up, or until `interrupt` is asked to end. `keeper` is the arguments with which this
/// program becomes the keeper. With `stay`, the lab ends when the returned handle goes.
///
/// # Errors
///
/// Why it did not come up; nothing is left of it then.
pub fn up_unless(
    keeper: &[String],
    stay: bool,
    interrupt: Option<&Interrupt>,
) -> Result<(Ready, Option<Held>), Failure> {
    let mut child = Command::new("/proc/self/exe")
        .args(keeper)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Failure::during("starting the lab's keeper"))?;
    let pipe = child.stdout.take().ok_or_else(|| Failure::new("the keeper has no output"))?;
    let mut pipe = BufReader::new(pipe);
    if let Some(interrupt) = interrupt {
        let asked = interrupt.descriptor();
        let mut waiting =
            [PollFd::new(pipe.get_ref(), PollFlags::IN), PollFd::new(&asked, PollFlags::IN)];
        // Where this fails, the answer is waited for below.
        let _ready = poll(&mut waiting, None);
        if interrupt.asked() {
            // The keeper ends its lab when nobody waits for it.
            drop(pipe);
            let _ended = child.wait();
            return Err(Failure::new("the lab was not to come up any more"));
        }
    }
    match notice(&mut pipe) {
        Ok(ready) => Ok((ready, stay.then_some(Held { child, pipe }))),
        Err(failure) => {
            let _ended = child.wait();
            Err(failure)
        }
    }
}

/// A lab that lives as long as this.
#[derive(Debug)]
pub struct Held {
    child: std::process::Child,
    pipe: BufReader<std::process::ChildStdout>,
}

impl Held {
    /// Waits until the lab has ended: whether it was asked to, or why it ended by itself.
    ///
    /// # Errors
    ///
    /// What ended it.
    pub fn wait(mut self) -> Result<(), Failure> {
        let status = self.child.wait().map_err(Failure::during("waiting for the lab"))?;
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(_), _) => Err(Failure::new("the lab's process 1 was ended from outside")),
            (None, Some(signal)) => {
                Err(Failure::new(format!("the lab's keeper was ended by signal {signal}")))
            }
            (None, None) => Err(Failure::new("the lab's keeper ended")),
        }
    }

    /// Waits for a time. True where the lab has ended.
    #[must_use]
    pub fn ended_within(&self, time: Duration) -> bool {
        // What is too long to be said is for ever, as for `poll`.
        let time = Timespec::try_from(time).ok();
        // The keeper says nothing more: its end ends its output.
        let mut waiting = [PollFd::new(self.pipe.get_ref(), PollFlags::IN)];
        matches!(poll(&mut waiting, time.as_ref()), Ok(1..))
    }
}

fn notice(reader: &mut impl BufRead) -> Result<Ready, Failure> {
    let mut line = String::new();
    let read = reader.by_ref().take(NOTICE_OCTETS).read_line(&mut line);
    read.map_err(Failure::during("waiting for the lab"))?;
    let value: Value =
        serde_json::from_str(&line).map_err(|_| Failure::new("the lab ended before it was up"))?;
    if let Some(message) = value.get("refused").and_then(Value::as_str) {
        let failure = Failure::new(message);
        return Err(match value.get("help").and_then(Value::as_str) {
            Some(help) => failure.help(help),
            None => failure,
        });
    }
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let left_out = value.get("left_out").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(Ready {
        namespaces: number("namespaces"),
        links: number("links"),
        tasks: number("tasks"),
        milliseconds: number("milliseconds"),
        left_out: left_out.iter().filter_map(|what| Some(what.as_str()?.to_owned())).collect(),
    })
}

fn refused(failure: &Failure) -> Value {
    match &failure.help {
        Some(help) => json!({"refused": failure.message, "help": help}),
        None => json!({"refused": failure.message}),
    }
}

fn tell(mut to: impl Write, value: &Value) -> std::io::Result<()> {
    to.write_all(format!("{value}\n").as_bytes())?;
    to.flush()
}

/// Is the keeper of a lab until it ends. Tells on standard output how the lab came up; whoever started it may go then, unless `stay`.
/// False where the lab was up and ended without being asked to.
#[must_use]
pub fn keep(name: &str, inside: &[String], stay: bool) -> bool {
    kept(name, inside, stay).unwrap_or_else(|failure| {
        // Where nobody listens, nobody is told.
        let _nobody = tell(std::io::stdout(), &refused(&failure));
        true
    })
}

fn kept(name: &str, inside: &[String], stay: bool) -> Result<bool, Failure> {
    // Whoever started this may have blocked them; what the lab runs is to be ended by them.
    let _as_they_were = signals().thread_unblock();
    // A signal of the terminal is none to the lab. Refused where this is done already.
    let _leader_already = rustix::process::setsid();
    isolate::raise_files();
    let (listener, _place) = place::take(name)?;
    isolate::leave()?;
    let (mine, theirs) = UnixStream::pair().map_err(Failure::during("a pair of sockets"))?;
    let mut child = Command::new("/proc/self/exe")
        .args(inside)
        .arg(std::process::id().to_string())
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(listener)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()
        .map_err(Failure::during("starting process 1 of the lab"))?;
    let came_up = relay(&mine);
    let ended = came_up && watch_once(&mine, stay);
    // Process 1 reads the end of our socket, or is killed here: either way the lab is gone when it is.
    drop(mine);
    // What has ended by itself tells how.
    let status = if ended { child.wait() } else { child.kill().and_then(|()| child.wait()) };
    Ok(!ended || status.is_ok_and(|status| status.success()))
}

/// Passes on how the lab came up. False where it did not, or nobody waits for it any more.
fn relay(mine: &UnixStream) -> bool {
    watch_once(mine, true);
    let mut line = String::new();
    let read = BufReader::new(mine).take(NOTICE_OCTETS).read_line(&mut line);
    let lives = matches!(read, Ok(octets) if octets > 0);
    if !lives {
        return false;
    }
    let told =
        std::io::stdout().write_all(line.as_bytes()).and_then(|()| std::io::stdout().flush());
    told.is_ok() && !line.starts_with("{\"refused\"")
}

/// Waits for word from process 1, or its end; or, with `starter`, for the end of whoever reads our standard output: false
/// where that came first.
fn watch_once(mine: &UnixStream, starter: bool) -> bool {
    let out = std::io::stdout();
    loop {
        let mut waiting = vec![PollFd::new(mine, PollFlags::IN)];
        if starter {
            // A pipe whose reader has gone is in error.
            waiting.push(PollFd::new(&out, PollFlags::empty()));
        }
        match poll(&mut waiting, None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let gone = waiting.get(1).is_some_and(|poll| !poll.revents().is_empty());
                if gone {
                    let _both = mine.shutdown(std::net::Shutdown::Both);
                }
                return !gone;
            }
        }
    }
}

/// Is process 1 of a lab until it ends: plans, builds, and answers what is asked of it.
///
/// `plan` reads the description: before anything is hidden from this process. `part` is the words with which this program becomes a
/// part of itself that the plan's tasks name.
pub fn inside(keeper: i64, part: &[String], plan: impl FnOnce() -> Result<HostPlan, Failure>) {
    // Killed with the keeper, at once; and by the end of its socket, should it have ended before this line.
    let _by_the_socket =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let Ok(lifeline) = std::io::stdout().as_fd().try_clone_to_owned().map(UnixStream::from) else {
        return;
    };
    let Ok(listener) = std::io::stdin().as_fd().try_clone_to_owned().map(UnixListener::from) else {
        return;
    };
    match built(part, plan, &lifeline) {
        Ok((kernel, links, tasks, ready)) => {
            if tell(&lifeline, &ready).is_ok() {
                serve::serve(&listener, (kernel, links), tasks, keeper);
            }
        }
        Err(failure) => {
            let _nobody = tell(&lifeline, &refused(&failure));
        }
    }
}

fn built(
    part: &[String],
    plan: impl FnOnce() -> Result<HostPlan, Failure>,
    lifeline: &UnixStream,
) -> Result<(Kernel, Links, Tasks, Value), Failure> {
    let plan = plan()?;
    isolate::settle()?;
    let unnamed = names::prepare();
    let mut end = lifeline.try_clone().map_err(Failure::during("the keeper's socket"))?;
    std::thread::spawn(move || {
        let mut octet = [0];
        // The keeper never writes: a read ends when the keeper does.
        while matches!(end.read(&mut octet), Ok(1)) {}
        std::process::exit(1);
    });
    let start = std::time::Instant::now();
    let mut kernel = Kernel::default();
    let mut links = Links::of(plan.clone());
    kernel.apply(&links.plan()).map_err(|failures| told("the lab cannot be built", &failures))?;
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let tasks = Tasks::begin(part, None)?;
    tasks.set(&kernel);
    let left_out: Vec<String> = plan.left_out.iter().cloned().chain(unnamed).collect();
    let ready = json!({
        "namespaces": plan.namespaces.len(),
        "links": plan.links.len(),
        "tasks": kernel.applied().tasks.len(),
        "milliseconds": milliseconds,
        "left_out": left_out,
    });
    Ok((kernel, links, tasks, ready))
}

/// The first failures in words: one cause often shows in every namespace.
fn told(what: &str, failures: &[netwright_dataplane::kernel::Failure]) -> Failure {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> = failures.iter().take(SHOWN).map(ToString::to_string).collect();
    if failures.len() > SHOWN {
        lines.push(format!("and {} more", failures.len() - SHOWN));
    }
    Failure::new(format!("{what}: {}", lines.join("\n  ")))
}
