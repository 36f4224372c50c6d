//! Where programs are.

use std::fmt;
use std::path::{Path, PathBuf};

/// A program that is not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The program.
    pub program: &'static str,
    /// The Debian package that holds it.
    pub package: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not installed: `sudo apt-get install {}`", self.program, self.package)
    }
}

impl std::error::Error for Missing {}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A program of PostgreSQL: of the newest version that Debian's packages have, or from `PATH`.
///
/// # Errors
///
/// It is not installed.
pub fn postgres_program(program: &'static str) -> Result<PathBuf, Missing> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = versions
        .map(|entry| entry.path())
        .filter(|folder| folder.join("bin").join(program).is_file());
    let newest = folders.max_by_key(number).map(|folder| folder.join("bin").join(program));
    newest.or_else(|| in_path(program)).ok_or(Missing { program, package: "postgresql" })
}

/// Redis.
///
/// # Errors
///
/// It is not installed.
pub fn redis_server() -> Result<PathBuf, Missing> {
    let usual = Path::new("/usr/bin/redis-server");
    let found = in_path("redis-server").or_else(|| usual.is_file().then(|| usual.to_owned()));
    found.ok_or(Missing { program: "redis-server", package: "redis-server" })
}

/// The reference system's program: beside another one of this workspace, as cargo builds them.
#[must_use]
pub fn visapi_beside(other: &Path) -> Option<PathBuf> {
    let folder = other.parent()?;
    [folder, folder.parent()?]
        .into_iter()
        .map(|folder| folder.join("visapi"))
        .find(|file| file.is_file())
}
