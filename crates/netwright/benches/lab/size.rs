//! How long a lab of many machines takes, and what it needs of memory, beside a shell script of `ip` commands and beside Mininet, where that is
//! installed: the same number of machines, each a namespace with an address, behind routers or a bridge. Where this runs as root, the lab and the
//! script are an ordinary user's.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Machines.
const SIZES: [usize; 2] = [500, 1000];
/// How often each is built.
const TURNS: usize = 3;

/// Namespaces, a bridge, a pair of links for each and an address and route in each: what a person would write.
const SCRIPT: &str = r#"set -e
mount -t tmpfs none /run
ip link add br0 type bridge
ip link set br0 up
n=0
while [ $n -lt $COUNT ]; do
  n=$((n + 1))
  ip netns add m$n
  ip link add v$n type veth peer name eth0 netns m$n
  ip link set v$n master br0 up
  ip -n m$n addr add 10.0.$((n / 250)).$((n % 250 + 2))/16 dev eth0
  ip -n m$n link set eth0 up
  ip -n m$n route add default via 10.0.255.254
done
"#;

const MININET: &str = r"
import os, sys, time
from mininet.net import Mininet
from mininet.topo import SingleSwitchTopo
from mininet.nodelib import LinuxBridge
start = time.time()
net = Mininet(topo=SingleSwitchTopo(k=int(sys.argv[1])), switch=LinuxBridge, controller=None)
net.start()
print(time.time() - start)
net.stop()
";

/// A command as an ordinary user where this runs as root.
struct User {
    root: bool,
    folder: PathBuf,
}

impl User {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("bench-size-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_netwright"), folder.join("netwright")).unwrap();
        let root = std::fs::metadata(&folder).unwrap().uid() == 0;
        Self { root, folder }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = if self.root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", program]);
            command.env_remove("XDG_RUNTIME_DIR");
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _stays = std::fs::remove_dir_all(&self.folder);
    }
}

/// Octets of memory that the whole machine has left.
fn available() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

/// The same, once what ended before has given its memory back: namespaces go some time after the last process in them.
fn settled() -> f64 {
    let mut last = available();
    for _ in 0..100 {
        netwright_dataplane::kernel::pause(Duration::from_millis(200));
        let now = available();
        if (now - last).abs() < 1e6 {
            return now;
        }
        last = now;
    }
    last
}

pub(super) fn run(out: &mut impl Write) {
    let user = User::new();
    writeln!(out, "size: until all machines are there").unwrap();
    for size in SIZES {
        let Some((lab, each)) = lab(&user, size, out) else { return };
        writeln!(
            out,
            "  {size} machines, netwright with filters  {lab:>7.2} s, {:.2} MB each",
            each / 1e6
        )
        .unwrap();
        let peers =
            [("a script of ip commands", script(&user, size)), ("Mininet", mininet(&user, size))];
        for (name, seconds) in peers {
            match seconds {
                Ok(seconds) => {
                    let times = seconds / lab;
                    writeln!(
                        out,
                        "  {size} machines, {name:24}{seconds:>7.2} s, {times:.1} times as long"
                    )
                    .unwrap();
                }
                Err(why) => writeln!(out, "  {size} machines, {name}: {why}").unwrap(),
            }
        }
    }
}

/// Seconds, and octets of memory for each machine.
fn lab(user: &User, size: usize, out: &mut impl Write) -> Option<(f64, f64)> {
    let made = Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(["generate", "--shape", "flat", "--instances", &size.to_string()])
        .output()
        .unwrap();
    std::fs::write(user.folder.join("network.yaml"), made.stdout).unwrap();
    let netwright = user.folder.join("netwright");
    let netwright = netwright.to_str().unwrap();
    let name = format!("bench-size-{}", std::process::id());
    let (mut times, mut octets) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let before = settled();
        let start = Instant::now();
        let up = user
            .command(netwright)
            .args(["lab", "up", "network.yaml", "--name", &name])
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        times.push(start.elapsed().as_secs_f64());
        octets.push(before - settled());
        user.command(netwright).args(["lab", "down", "--name", &name]).status().unwrap();
        if !up.status.success() {
            let why = String::from_utf8_lossy(&up.stderr);
            writeln!(out, "  skipped, no lab here: {}", why.trim()).unwrap();
            return None;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let each = super::here::spread(&mut octets).0 / size as f64;
    Some((super::here::spread(&mut times).0, each))
}

fn script(user: &User, size: usize) -> Result<f64, String> {
    let mut times: Vec<f64> = Vec::new();
    // Once is enough for what takes so long.
    while times.len() < TURNS && times.iter().sum::<f64>() < 20.0 {
        let start = Instant::now();
        let ran = user
            .command("unshare")
            .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", SCRIPT])
            .env("COUNT", size.to_string())
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| error.to_string())?;
        times.push(start.elapsed().as_secs_f64());
        if !ran.status.success() {
            return Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned());
        }
    }
    Ok(super::here::spread(&mut times).0)
}

/// Mininet works as root only; here in a network of its own.
fn mininet(user: &User, size: usize) -> Result<f64, String> {
    if !user.root {
        return Err("not asked: it needs root".to_owned());
    }
    if !Path::new("/usr/bin/mn").exists() {
        return Err("not installed: on Debian, apt-get install mininet bridge-utils".to_owned());
    }
    let ran = Command::new("timeout")
        .args(["300", "unshare", "--net", "--mount", "/usr/bin/python3", "-c", MININET])
        .arg(size.to_string())
        .output()
        .map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&ran.stdout);
    told.trim().parse().map_err(|_| {
        let why = String::from_utf8_lossy(&ran.stderr);
        format!(
            "it does not come up: {}",
            why.trim().lines().last().unwrap_or("no answer in 300 s")
        )
    })
}
