//! `WireGuard` by the kernel, where it has it and the programs are there that set it up: `ip` and `wg`. The other end may be made otherwise: they
//! speak the same.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use boringtun::x25519::PublicKey;
use netwright_dataplane::kernel::pause;
use netwright_dataplane::plan::TunnelEnd;

use super::report::Report;
use super::secret::Secret;
use super::{SILENCE, TICK, wireguard};
use crate::failure::Failure;
use crate::stand_in::say;

/// What makes it, in words.
const MADE: &str = "WireGuard, by the kernel";
/// The device.
const DEVICE: &str = "wireguard0";
/// The table of what is to go through the tunnel, and the priority of the rule that leads to it: those of daemons that make tunnels.
const TABLE: &str = "220";
/// Where the keys lie until the kernel has them.
const FOLDER: &str = "/run/netwright/wireguard";

/// Runs a program; what it wrote, where it did what it was to do.
fn ran(program: &str, words: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(format!("{program} {}: {said}", words.join(" "))))
}

/// Makes the device. False where this machine cannot.
pub(super) fn make() -> bool {
    // What an earlier process of this end left.
    let _absent = ran("ip", &["link", "del", "dev", DEVICE]);
    let programs = ran("wg", &["--version"]).is_ok();
    programs && ran("ip", &["link", "add", "dev", DEVICE, "type", "wireguard"]).is_ok()
}

/// Is an end until it is ended.
pub(super) fn run(end: &TunnelEnd, secret: &Secret) -> Result<(), Failure> {
    set(end, secret).map_err(Failure::during("WireGuard of the kernel"))?;
    let mut report = Report { made: MADE.to_owned(), up: false };
    let telling = Failure::during("telling the lab how the tunnel is");
    report.write(end).map_err(&telling)?;
    let (mut received, mut heard) = (0, None);
    loop {
        let now = octets().map_err(Failure::during("WireGuard of the kernel"))?;
        if now > received {
            (received, heard) = (now, Some(Instant::now()));
        }
        let up = heard.is_some_and(|heard| heard.elapsed() < SILENCE);
        if up != report.up {
            report.up = up;
            report.write(end).map_err(&telling)?;
            say(if up { "hears the other end" } else { "hears the other end no more" });
        }
        pause(TICK * 3);
    }
}

/// Gives the device its keys, its other end and what goes through it.
fn set(end: &TunnelEnd, secret: &Secret) -> io::Result<()> {
    let folder =
        Path::new(FOLDER).join(format!("{}.{}", end.tunnel.replace('/', "%"), end.side.word()));
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let write = |name: &str, key: &[u8]| {
        let path = folder.join(name);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(base64(key).as_bytes())?;
        Ok::<_, io::Error>(path.to_string_lossy().into_owned())
    };
    let (own, other) = wireguard::keys(secret, end.side);
    let private = write("private", own.as_bytes())?;
    let shared = write("shared", &secret.key(wireguard::SHARED, 32))?;
    let peer = base64(PublicKey::from(&other).as_bytes());
    let port = wireguard::PORT.to_string();
    let there = std::net::SocketAddr::new(end.peer, wireguard::PORT).to_string();
    let alive = wireguard::ALIVE.to_string();
    let told = ran(
        "wg",
        &[
            "set",
            DEVICE,
            "listen-port",
            &port,
            "private-key",
            &private,
            "peer",
            &peer,
            "preshared-key",
            &shared,
            "endpoint",
            &there,
            "persistent-keepalive",
            &alive,
            "allowed-ips",
            "0.0.0.0/0,::/0",
        ],
    );
    fs::remove_dir_all(&folder)?;
    told?;
    ran("ip", &["link", "set", "dev", DEVICE, "mtu", &end.fits.to_string(), "up"])?;
    lead(end, DEVICE)
}

/// Leads what comes from inside to a device, by the table of daemons that make tunnels.
fn lead(end: &TunnelEnd, device: &str) -> io::Result<()> {
    for family in ["-4", "-6"] {
        let route = ["route", "replace", "default", "dev", device, "table", TABLE];
        let rule = ["rule", "add", "priority", TABLE, "iif", &end.inside, "lookup", TABLE];
        // One that an earlier process of this end left.
        let _none = ran("ip", &[&[family][..], &["rule", "del"], &rule[2..]].concat());
        let led = ran("ip", &[&[family][..], &route].concat())
            .and_then(|_| ran("ip", &[&[family][..], &rule].concat()));
        // A network without IPv6 has none to carry.
        if family == "-4" {
            led?;
        }
    }
    Ok(())
}

/// Octets that the other end sent.
fn octets() -> io::Result<u64> {
    let said = ran("wg", &["show", DEVICE, "transfer"])?;
    Ok(said.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or_default())
}

/// As `wg` reads keys (RFC 4648).
fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in octets.chunks(3) {
        let bits = part.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet))
            << (8 * (3 - part.len()));
        for digit in 0..4 {
            let at = bits >> (18 - 6 * digit) & 63;
            let known = usize::try_from(at).ok().filter(|_| digit <= part.len());
            text.push(known.map_or('=', |at| char::from(DIGITS[at])));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn keys_are_written_as_the_standard_has_it() {
        for (octets, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(octets.as_bytes()), text);
        }
    }
}
