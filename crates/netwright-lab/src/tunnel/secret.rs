//! What the ends of a tunnel have in common: random octets that process 1 makes for each tunnel of a lab. They lie in the lab's own memory, in a file
//! that only its user can read, and are in no plan, no log and no answer.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hmac::{Mac, SimpleHmac};
use netwright_dataplane::plan::{HostPlan, TUNNEL, TunnelEnd, What};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::Sha256;

/// Where they lie: in the lab's own `/run`.
const FOLDER: &str = "/run/netwright/secrets";
/// Octets of one.
const OCTETS: usize = 32;

/// What both ends of a tunnel know.
pub(crate) struct Secret([u8; OCTETS]);

fn path(tunnel: &str) -> PathBuf {
    Path::new(FOLDER).join(tunnel.replace('/', "%"))
}

/// Makes a secret for every tunnel of a plan that has none: in process 1.
pub(crate) fn prepare(plan: &HostPlan) -> io::Result<()> {
    for end in ends(plan) {
        DirBuilder::new().recursive(true).mode(0o700).create(FOLDER)?;
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path(&end.tunnel)) {
            Ok(mut file) => file.write_all(&random::<OCTETS>()?)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What the ends of a plan's tunnels are told.
pub(crate) fn ends(plan: &HostPlan) -> impl Iterator<Item = TunnelEnd> {
    plan.tasks.iter().filter_map(|task| match &task.what {
        What::Part { part, settings, .. } if part == TUNNEL => serde_json::from_str(settings).ok(),
        _ => None,
    })
}

/// Octets that nobody can guess.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    // So few come whole.
    getrandom(&mut octets[..], GetRandomFlags::empty())?;
    Ok(octets)
}

/// A tunnel's secret.
pub(super) fn read(tunnel: &str) -> io::Result<Secret> {
    let mut octets = [0; OCTETS];
    File::open(path(tunnel))?.read_exact(&mut octets)?;
    Ok(Secret(octets))
}

impl Secret {
    #[cfg(test)]
    pub(super) fn of(octets: [u8; OCTETS]) -> Self {
        Self(octets)
    }

    /// A key for a purpose. Whoever knows it knows no other.
    pub(super) fn key(&self, purpose: &[u8], octets: usize) -> Vec<u8> {
        let mut key = Vec::with_capacity(octets);
        let mut count = 0_u8;
        while key.len() < octets {
            // HMAC takes keys of every length.
            let Ok(mut mac) = <SimpleHmac<Sha256> as Mac>::new_from_slice(&self.0) else { break };
            mac.update(&[count]);
            mac.update(purpose);
            key.extend_from_slice(&mac.finalize().into_bytes());
            count = count.wrapping_add(1);
        }
        key.truncate(octets);
        key
    }
}

/// Forgets the secrets of tunnels that a plan has no more.
pub(crate) fn forget(plan: &HostPlan) {
    let kept: Vec<PathBuf> = ends(plan).map(|end| path(&end.tunnel)).collect();
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        if !kept.contains(&entry.path()) {
            // It goes with the lab.
            let _stays = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_key_has_the_length_that_is_asked_for_and_depends_on_its_purpose() {
        let secret = Secret([7; 32]);
        assert_eq!(secret.key(b"a", 80).len(), 80);
        assert_eq!(secret.key(b"a", 16), secret.key(b"a", 80)[..16]);
        assert_ne!(secret.key(b"a", 32), secret.key(b"b", 32));
    }
}
