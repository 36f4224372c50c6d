//! What an agent has done on its host, and what it knows of that when it begins again.
//!
//! Namespaces are kept in a folder, beside what was applied last and what was about to be. A process that takes over opens them, looks what is in
//! them, and goes on from there: it believes the kernel, not the files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use netwright_dataplane::kernel::{Failure, Kernel};
use netwright_dataplane::plan::{HostPlan, changes};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::part::namespace;

/// The machine's boot, as its kernel names it.
#[must_use]
pub fn boot() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// What is kept of a plan.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// The machine's boot: nothing of another is there.
    boot: String,
    revision: u64,
    plan: HostPlan,
}

/// A host with what is on it.
#[derive(Debug)]
pub struct Host {
    kernel: Kernel,
    folder: PathBuf,
    boot: String,
    /// The plan that was brought to the kernel last, and its revision.
    last: Option<(u64, HostPlan)>,
    /// The kernel may hold something else than was applied.
    unsure: bool,
    /// What it holds was looked at since.
    looked: bool,
    /// One agent at a time.
    _lock: File,
}

/// What an agent found when it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The revision that was applied last; 0 for none.
    pub revision: u64,
    /// Namespaces that were there.
    pub namespaces: usize,
    /// What was otherwise than it had been left, in words.
    pub deviations: Vec<String>,
}

/// What came of bringing the kernel to a plan.
#[derive(Debug, Default)]
pub struct Brought {
    /// What was refused.
    pub failures: Vec<Failure>,
    /// What the plan changes on this host, in words.
    pub changes: Vec<String>,
}

const APPLIED: &str = "applied.json";
const INTENDED: &str = "intended.json";

fn words(failures: &[Failure]) -> io::Error {
    io::Error::other(failures.first().map_or_else(String::new, ToString::to_string))
}

impl Host {
    /// Where namespaces are kept in an agent's folder.
    pub(crate) fn namespaces(folder: &Path) -> PathBuf {
        folder.join("ns")
    }

    /// Takes over what is in a folder. The calling thread is in the host's own network namespace.
    ///
    /// # Errors
    ///
    /// Another agent has the folder, or it cannot be used.
    pub fn open(folder: &Path, name: &str) -> io::Result<(Self, Adopted)> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another agent runs on this host"))?;
        let boot = boot();
        let read = |file: &str| -> Option<Kept> {
            // What is half written says nothing: the kernel is looked at in any case.
            let kept: Kept = serde_json::from_slice(&fs::read(folder.join(file)).ok()?).ok()?;
            (kept.boot == boot).then_some(kept)
        };
        let (applied, intended) = (read(APPLIED), read(INTENDED));
        let mut kernel = Kernel::kept_in(&Self::namespaces(folder), &namespace(name))?;
        let known: Vec<HostPlan> =
            [&applied, &intended].into_iter().flatten().map(|kept| kept.plan.clone()).collect();
        let mut host = Self {
            kernel: Kernel::default(),
            folder: folder.to_owned(),
            boot,
            last: None,
            unsure: true,
            looked: true,
            _lock: lock,
        };
        let deviations = kernel.adopt(&known).map_err(|failures| words(&failures))?;
        // Where a plan was about to be applied, what differs is the part of it that was done.
        let deviations = if intended.is_some() { Vec::new() } else { deviations };
        host.kernel = kernel;
        let revision = applied.as_ref().map_or(0, |kept| kept.revision);
        host.last = applied.filter(|_| intended.is_none()).map(|kept| (kept.revision, kept.plan));
        let namespaces = host.kernel.names().count();
        Ok((host, Adopted { revision, namespaces, deviations }))
    }

    /// What is on the host.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    fn write(&self, file: &str, revision: u64, plan: &HostPlan) -> io::Result<()> {
        let kept = Kept { boot: self.boot.clone(), revision, plan: plan.clone() };
        let new = self.folder.join(format!("{file}.new"));
        // A loss of power takes the namespaces too: nothing of this has to outlive one.
        fs::write(&new, serde_json::to_vec(&kept)?)?;
        fs::rename(new, self.folder.join(file))
    }

    /// Brings the kernel to a plan: what it has already stays as it is.
    ///
    /// # Errors
    ///
    /// What was about to be done cannot be kept: then nothing was done.
    pub fn bring(&mut self, revision: u64, plan: &HostPlan) -> io::Result<Brought> {
        let mut brought = Brought::default();
        let nothing = HostPlan::default();
        let before = self.last.as_ref().map_or(&nothing, |(_, plan)| plan);
        brought.changes = changes(before, plan);
        let same = self.last.as_ref().is_some_and(|(_, last)| last == plan);
        if same && !self.unsure {
            self.last = Some((revision, plan.clone()));
            // Only the number is another: that it is, nobody has to know who comes later.
            return Ok(brought);
        }
        self.write(INTENDED, revision, plan)?;
        // Looked at twice, what was found otherwise would be taken for what was applied.
        if self.unsure
            && !std::mem::take(&mut self.looked)
            && let Err(failures) = self.kernel.survey()
        {
            brought.failures = failures;
            return Ok(brought);
        }
        match self.kernel.apply(plan) {
            Ok(()) => {
                self.write(APPLIED, revision, plan)?;
                let _not_there = fs::remove_file(self.folder.join(INTENDED));
                self.unsure = false;
                self.last = Some((revision, plan.clone()));
            }
            Err(failures) => {
                (self.unsure, self.looked) = (true, false);
                brought.failures = failures;
            }
        }
        Ok(brought)
    }

    /// Reads back the namespaces that two plans have otherwise, and says in words what is not as applied.
    ///
    /// # Errors
    ///
    /// What could not be read.
    pub fn read_back(&self, concerned: &BTreeSet<String>) -> Result<Vec<String>, Failure> {
        self.kernel.read_back_of(|name| concerned.contains(name))
    }

    /// Reads back everything; where something is otherwise than applied, it is repaired. What was found, in words, and what was refused.
    pub fn repair(&mut self) -> (Vec<String>, Vec<Failure>) {
        let Some((revision, plan)) = self.last.clone() else { return Default::default() };
        match self.kernel.read_back() {
            Ok(found) if found.is_empty() => return Default::default(),
            // What cannot be read is looked at by its parts below.
            Ok(_) | Err(_) => {}
        }
        (self.unsure, self.looked) = (true, false);
        let found = match self.kernel.survey() {
            Ok(found) => found,
            Err(failures) => return (Vec::new(), failures),
        };
        self.looked = true;
        match self.bring(revision, &plan) {
            Ok(brought) => (found, brought.failures),
            Err(error) => {
                let said = error.to_string();
                let object = "what is kept of the plan".to_owned();
                (found, vec![Failure::Refused { namespace: "this host".to_owned(), object, said }])
            }
        }
    }

    /// The plan that was brought to the kernel last.
    #[must_use]
    pub fn last(&self) -> Option<&HostPlan> {
        self.last.as_ref().map(|(_, plan)| plan)
    }

    /// Removes everything: namespaces, links, files.
    ///
    /// # Errors
    ///
    /// What cannot be removed.
    pub fn remove(mut self) -> io::Result<()> {
        self.kernel.survey().map_err(|failures| words(&failures))?;
        self.kernel.teardown().map_err(|failures| words(&failures))?;
        fs::remove_dir_all(&self.folder)
    }
}

/// The namespaces that two plans have otherwise, with their links.
#[must_use]
pub fn concerned(before: Option<&HostPlan>, after: &HostPlan) -> BTreeSet<String> {
    let nothing = HostPlan::default();
    let before = before.unwrap_or(&nothing);
    let known: std::collections::BTreeMap<&str, _> =
        before.namespaces.iter().map(|one| (one.name.as_str(), one)).collect();
    let mut found: BTreeSet<String> = after
        .namespaces
        .iter()
        .filter(|one| known.get(one.name.as_str()) != Some(one))
        .map(|one| one.name.clone())
        .collect();
    let links: std::collections::BTreeMap<_, _> =
        before.links.iter().map(|link| ((&link.a, &link.b), link)).collect();
    for link in after.links.iter().filter(|l| links.get(&(&l.a, &l.b)) != Some(l)) {
        found.extend([link.a.namespace.clone(), link.b.namespace.clone()]);
    }
    found
}
