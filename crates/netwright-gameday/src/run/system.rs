//! The system under test: programs that run in the network for as long as the run does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_lab::monitor::connect;
use netwright_servers::{Program, Ready, Step};
use rustix::process::{Pid, Signal, kill_process};

use super::request::{address, namespace};
use super::{Failure, Run, Setting};
use crate::language::Server;
use crate::reference;
use crate::steps::Abort;

/// How long a program may take to be ready, unless it says otherwise.
const READY: Duration = Duration::from_secs(60);
/// How long a program may take to end when it was asked to.
const ENDS: Duration = Duration::from_secs(5);
/// How long is waited between two looks whether a program is ready.
const LOOK: Duration = Duration::from_millis(50);
/// How long one such look may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// How one sees that a program is ready.
#[derive(Debug)]
enum Sign {
    /// It is at once.
    None,
    /// It listens there.
    Listens(SocketAddr),
    /// It answers there as it must.
    Answers(Ready),
}

/// A program and where it runs.
#[derive(Debug)]
struct Part {
    name: String,
    /// Where in the lab.
    namespace: String,
    /// What is run there before it.
    before: Vec<Vec<String>>,
    words: Vec<String>,
    env: BTreeMap<String, String>,
    sign: Sign,
    within: Duration,
    child: Option<Child>,
}

/// Programs that run.
#[derive(Debug)]
pub(super) struct System {
    parts: Vec<Part>,
    /// Namespaces in which a fault ended what ran.
    excused: BTreeSet<String>,
    /// What the reference system keeps, where there is one.
    kept: Option<PathBuf>,
}

/// The folder of what the reference system keeps.
fn kept(setting: &Setting<'_>) -> PathBuf {
    setting.folder.join("system")
}

/// The programs of an experiment's reference system; none where it has none.
///
/// # Errors
///
/// Something that it needs is not there.
pub fn reference_programs(setting: &Setting<'_>) -> Result<Vec<Program>, Failure> {
    let plan = setting.plan;
    let Some(asked) = &plan.experiment.reference else { return Ok(Vec::new()) };
    let own = setting.exec.first().map_or("netwright", String::as_str);
    let named = super::watch::served(setting.host)
        .iter()
        .any(|name| name.trim_end_matches('.') == reference::GATEWAY_NAME);
    reference::programs(asked, &plan.parties, named, (Path::new(own), &kept(setting)))
}

impl System {
    /// Starts the programs of an experiment, each when the one before is ready; `tell` is told of each.
    pub(super) fn start(
        setting: &Setting<'_>,
        stop: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(String),
    ) -> Result<Self, String> {
        let kept = setting.plan.experiment.reference.as_ref().map(|_| kept(setting));
        let mut own = Self { parts: Vec::new(), excused: BTreeSet::new(), kept };
        for program in reference_programs(setting).map_err(|failure| failure.message)? {
            own.begin(setting, part(setting, &program)?, (stop, &mut *tell))?;
        }
        for server in &setting.plan.experiment.system {
            own.begin(setting, served(setting, server)?, (stop, &mut *tell))?;
        }
        Ok(own)
    }

    fn begin(
        &mut self,
        setting: &Setting<'_>,
        part: Part,
        (stop, tell): (&dyn Fn() -> bool, &mut dyn FnMut(String)),
    ) -> Result<(), String> {
        let name = part.name.clone();
        self.parts.push(part);
        let told = |why: String| {
            format!("{name}: {why}; what it wrote is in {} of the run's folder", log_name(&name))
        };
        let Some(part) = self.parts.last_mut() else { return Ok(()) };
        part.prepare(setting).map_err(told)?;
        part.child = Some(part.started(setting).map_err(told)?);
        let begun = Instant::now();
        loop {
            let Some(part) = self.parts.last() else { return Ok(()) };
            if part.is_ready(setting) {
                tell(format!("{name} is ready after {:.1} s", begun.elapsed().as_secs_f64()));
                return Ok(());
            }
            if begun.elapsed() > part.within {
                return Err(told(format!(
                    "it is not ready after {:.0} s",
                    part.within.as_secs_f64()
                )));
            }
            if let Some(why) = self.died() {
                return Err(told(why));
            }
            if stop() {
                return Err("it was interrupted".to_owned());
            }
            pause(LOOK);
        }
    }

    /// A program that has ended though no fault ended it, and how.
    fn died(&mut self) -> Option<String> {
        let excused = &self.excused;
        self.parts.iter_mut().filter(|part| !excused.contains(&part.namespace)).find_map(|part| {
            let status = part.child.as_mut()?.try_wait().ok().flatten()?;
            Some(format!("{} ended by itself: {status}", part.name))
        })
    }

    /// What runs in these namespaces is about to be ended on purpose.
    pub(super) fn excuse(&mut self, namespaces: &[String]) {
        self.excused.extend(namespaces.iter().cloned());
    }

    /// Starts again what a fault ended in these namespaces.
    pub(super) fn again(
        &mut self,
        setting: &Setting<'_>,
        namespaces: &[String],
    ) -> Result<(), String> {
        for part in self.parts.iter_mut().filter(|part| namespaces.contains(&part.namespace)) {
            if part.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) {
                part.child = Some(part.started(setting)?);
            }
        }
        self.excused.retain(|name| !namespaces.contains(name));
        Ok(())
    }
}

/// A program of the reference system.
fn part(setting: &Setting<'_>, program: &Program) -> Result<Part, String> {
    let mut before = Vec::new();
    for step in &program.before {
        match step {
            Step::Folder(folder) => std::fs::create_dir_all(folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?,
            Step::Write { file, text } => std::fs::write(file, text)
                .map_err(|error| format!("{}: {error}", file.display()))?,
            Step::Run { unless, .. } if unless.exists() => {}
            Step::Run { program, args, .. } => before.push(words(program, args)),
        }
    }
    Ok(Part {
        name: program.machine.clone(),
        namespace: namespace(setting, &program.machine)?,
        before,
        words: words(&program.program, &program.args),
        env: program.env.clone(),
        sign: Sign::Answers(program.ready.clone()),
        within: READY,
        child: None,
    })
}

fn words(program: &Path, args: &[String]) -> Vec<String> {
    [program.to_string_lossy().into_owned()].into_iter().chain(args.iter().cloned()).collect()
}

/// A program that the experiment's file names.
fn served(setting: &Setting<'_>, server: &Server) -> Result<Part, String> {
    let port = server.ready.as_ref().and_then(|ready| ready.value.first_port());
    let at = port.map(|port| address(setting, &server.on.value, port)).transpose()?;
    let within = server.within.as_ref().map(|within| within.value.as_millis());
    Ok(Part {
        name: server.name.as_ref().unwrap_or(&server.on).value.clone(),
        namespace: namespace(setting, &server.on.value)?,
        before: Vec::new(),
        words: ["/bin/sh", "-c", &server.run.value].map(str::to_owned).to_vec(),
        env: BTreeMap::new(),
        sign: at.map_or(Sign::None, Sign::Listens),
        within: within.map_or(READY, Duration::from_millis),
        child: None,
    })
}

fn log_name(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{clean}.log")
}

impl Part {
    /// A command inside the lab, on the part's machine; what it writes goes to the end of the part's log.
    fn command(&self, setting: &Setting<'_>, words: &[String]) -> Result<Command, String> {
        let mut command = setting.command(Some(&self.namespace))?;
        let log = setting.folder.join(log_name(&self.name));
        let log = File::options().create(true).append(true).open(log);
        let log = log.map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let own = Path::new(command.get_program()).parent().unwrap_or(Path::new("."));
        let places = std::env::var("PATH").unwrap_or_default();
        let home = std::path::absolute(setting.home).unwrap_or_else(|_| setting.home.to_owned());
        let places = format!("{}:{places}", own.display());
        command
            .args(words)
            .envs(&self.env)
            .env("NETWRIGHT_RUN", setting.folder)
            .env("NETWRIGHT_EXPERIMENT", home)
            .env("PATH", places)
            .current_dir(setting.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors));
        Ok(command)
    }

    fn prepare(&self, setting: &Setting<'_>) -> Result<(), String> {
        for words in &self.before {
            let status = self.command(setting, words)?.status();
            let status = status.map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("what is to be done before it failed: {status}"));
            }
        }
        Ok(())
    }

    fn started(&self, setting: &Setting<'_>) -> Result<Child, String> {
        self.command(setting, &self.words)?.spawn().map_err(|error| error.to_string())
    }

    fn is_ready(&self, setting: &Setting<'_>) -> bool {
        let open = |at: SocketAddr| connect(setting.lab, &self.namespace, at, PATIENCE);
        match &self.sign {
            Sign::None => true,
            Sign::Listens(at) => open(*at).is_ok(),
            Sign::Answers(ready) => {
                open(ready.address()).is_ok_and(|stream| netwright_servers::answers(ready, &stream))
            }
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // The last that was started ends first.
        for part in self.parts.iter_mut().rev() {
            let Some(child) = &mut part.child else { continue };
            let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(number) = number.filter(|_| matches!(child.try_wait(), Ok(None))) {
                let _ended_already = kill_process(number, Signal::TERM);
            }
            let asked = Instant::now();
            while asked.elapsed() < ENDS && matches!(child.try_wait(), Ok(None)) {
                pause(Duration::from_millis(10));
            }
            let _ended_already = child.kill();
            let _status = child.wait();
        }
        // Nothing of the databases is needed after: what was found out stands in histories and logs.
        if let Some(kept) = &self.kept {
            let _stays = std::fs::remove_dir_all(kept);
        }
    }
}

impl Run<'_> {
    /// Whether the system under test runs.
    pub(super) fn stands(&self) -> Result<(), Abort> {
        match &self.system {
            Ok(_) => Ok(()),
            Err(why) => Err(Abort(format!("the system does not come up: {why}"))),
        }
    }

    /// A program of the system that has ended though no fault ended it: a real incident.
    pub(super) fn died(&mut self) -> Option<String> {
        let why = self.system.as_mut().ok()?.died()?;
        Some(format!("a real incident, which no fault of this experiment is: {why}"))
    }
}
