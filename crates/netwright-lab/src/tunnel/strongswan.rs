//! IPsec by strongSwan: its daemon in a process of its own at each end, which agrees with the other end by `IKEv2` on keys for the suite that is
//! described. The daemon itself carries the packets (its plugin kernel-libipsec), with a device of its own and without the kernel's ESP.
//!
//! The daemon is told to know nothing of this machine: it reads no settings but the ones written here, and its files, the control socket among
//! them, are in a folder of the lab's own memory that it sees as `/run`.

mod settings;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::{Side, TunnelEnd};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::mount_bind;

use super::report::Report;
use super::secret::Secret;
use crate::failure::Failure;
use crate::stand_in::say;

/// Where the daemon is, by distribution.
const DAEMONS: [&str; 3] =
    ["/usr/lib/ipsec/charon", "/usr/libexec/ipsec/charon", "/usr/libexec/strongswan/charon"];
/// Where its plugins are.
const PLUGINS: [&str; 3] =
    ["/usr/lib/ipsec/plugins", "/usr/lib64/strongswan/plugins", "/usr/libexec/ipsec/plugins"];
/// The program that tells it what to do.
const CONTROLS: [&str; 2] = ["/usr/sbin/swanctl", "/usr/bin/swanctl"];
/// The device by which it gets packets that the kernel does not encrypt.
const DEVICE: &str = "/dev/net/tun";
/// The largest packet of that device, in octets: fixed in its source.
const LARGEST: u32 = 1400;

/// What to install where something is missing.
const INSTALL: &str = "on Debian, apt-get install strongswan-charon strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins libstrongswan-extra-plugins";

/// Where the folders of its ends are.
const FOLDER: &str = "/run/netwright/strongswan";
/// How long it may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often is looked whether it still is, and how the tunnel is.
const LOOK: Duration = Duration::from_millis(200);
/// How often an end begins anew where the tunnel is not up; the far end leaves the near one the first try.
const AGAIN: Duration = Duration::from_secs(3);
/// How long the daemon may take for an answer, in seconds.
const ANSWER: &str = "5";

/// strongSwan, as it is on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    daemon: &'static str,
    control: &'static str,
}

fn found(paths: &[&'static str]) -> Option<&'static str> {
    paths.iter().copied().find(|path| Path::new(path).exists())
}

/// strongSwan where it can make this tunnel; else, in words, why not.
pub(super) fn find(end: &TunnelEnd, suite: &str, udp: bool) -> Result<Program, String> {
    if settings::proposal(suite).is_none() {
        return Err(format!("strongSwan has no {suite}"));
    }
    if !udp {
        return Err("strongSwan's kernel-libipsec carries ESP in UDP only".to_owned());
    }
    if end.fits > LARGEST {
        return Err(format!("strongSwan's kernel-libipsec carries at most {LARGEST} octets"));
    }
    let (Some(daemon), Some(control)) = (found(&DAEMONS), found(&CONTROLS)) else {
        return Err(format!("strongSwan is not installed; {INSTALL}"));
    };
    let plugin =
        |folder: &&str| Path::new(folder).join("libstrongswan-kernel-libipsec.so").exists();
    if !PLUGINS.iter().any(plugin) {
        return Err(format!("strongSwan lacks its plugin kernel-libipsec; {INSTALL}"));
    }
    if let Err(error) = OpenOptions::new().read(true).write(true).open(DEVICE) {
        return Err(format!(
            "strongSwan's kernel-libipsec needs {DEVICE}: {error}; `chmod 666 {DEVICE}` lets every user open it"
        ));
    }
    Ok(Program { daemon, control })
}

/// The folder of an end.
struct Place(PathBuf);

impl Place {
    fn make(end: &TunnelEnd) -> io::Result<Self> {
        let name = format!("{}.{}", end.tunnel.replace('/', "%"), end.side.word());
        let path = Path::new(FOLDER).join(name);
        // What an earlier process of this end left.
        let _absent = fs::remove_dir_all(&path);
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.0.join(name))?;
        file.write_all(text.as_bytes())
    }

    /// Starts a program that sees the folder as `/run`.
    fn start(&self, mut command: Command) -> io::Result<Child> {
        command.env("STRONGSWAN_CONF", "/run/strongswan.conf").env("SWANCTL_DIR", "/run");
        // The thread's mounts are its own, and what it starts has them.
        std::thread::scope(|scope| {
            let started = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS)?;
                mount_bind(&self.0, "/run")?;
                command.spawn()
            });
            started.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended")))
        })
    }

    /// Asks the daemon.
    fn ask(&self, program: &Program, words: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(program.control);
        command.args(words).args(["--uri", "unix:///run/vici"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.start(command)?.wait_with_output()
    }
}

/// Is an end until it is ended.
pub(super) fn run(
    end: &TunnelEnd,
    (suite, udp): (&str, bool),
    secret: &Secret,
    program: &Program,
) -> Result<(), Failure> {
    let failed = Failure::during("the settings of strongSwan");
    let place = Place::make(end).map_err(&failed)?;
    let proposal = settings::proposal(suite).unwrap_or_default();
    place.write("strongswan.conf", &settings::daemon()).map_err(&failed)?;
    place
        .write("swanctl.conf", &settings::connection(end, (&proposal, udp), secret))
        .map_err(&failed)?;
    let mut command = Command::new(program.daemon);
    command.stdin(Stdio::null());
    let mut daemon = place.start(command).map_err(Failure::during("starting strongSwan"))?;
    let ended = told(end, suite, (&place, program), &mut daemon);
    // Nothing of it outlives the part of the lab that it is.
    let _ended_already = daemon.kill();
    let _status = daemon.wait();
    ended
}

/// Tells the daemon what it is for, and the lab how it fares, until it ends.
fn told(
    end: &TunnelEnd,
    suite: &str,
    (place, program): (&Place, &Program),
    daemon: &mut Child,
) -> Result<(), Failure> {
    loaded(place, program, daemon)?;
    let made = made(&version(place, program), suite);
    let mut report = Report { made, up: false };
    let telling = Failure::during("telling the lab how the tunnel is");
    report.write(end).map_err(&telling)?;
    let mut begin = match end.side {
        Side::Near => Instant::now(),
        Side::Far => Instant::now() + AGAIN,
    };
    loop {
        alive(daemon)?;
        let listed = place.ask(program, &["--list-sas", "--raw"]);
        let up = listed.is_ok_and(|listed| settings::is_installed(&listed.stdout));
        if up != report.up {
            report.up = up;
            report.write(end).map_err(&telling)?;
            say(if up { "hears the other end" } else { "hears the other end no more" });
        }
        if !up && Instant::now() >= begin {
            // Where nobody answers, it is tried again.
            let _later =
                place.ask(program, &["--initiate", "--child", settings::NAME, "--timeout", ANSWER]);
            begin = Instant::now() + AGAIN;
        } else {
            pause(if up { LOOK * 5 } else { LOOK });
        }
    }
}

fn alive(daemon: &mut Child) -> Result<(), Failure> {
    match daemon.try_wait() {
        Ok(None) => Ok(()),
        Ok(Some(status)) => Err(Failure::new(format!("strongSwan's daemon ended: {status}"))),
        Err(error) => Err(Failure::during("strongSwan's daemon")(error)),
    }
}

/// Tells the daemon of its connection, as soon as it listens.
fn loaded(place: &Place, program: &Program, daemon: &mut Child) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        alive(daemon)?;
        let asked =
            place.ask(program, &["--load-all", "--noprompt", "--file", "/run/swanctl.conf"]);
        let output = asked.map_err(Failure::during("asking strongSwan"))?;
        if output.status.success() {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::new(format!("strongSwan does not take its settings: {said}")));
        }
        pause(LOOK);
    }
}

/// What makes the tunnel, in words.
fn made(version: &str, suite: &str) -> String {
    format!("{version}, IKEv2; ESP in UDP with {suite}, by its kernel-libipsec")
}

/// The program and its version.
fn version(place: &Place, program: &Program) -> String {
    let said = place.ask(program, &["--version"]).map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let number =
        said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    number.map_or_else(|| "strongSwan".to_owned(), |number| format!("strongSwan {number}"))
}
