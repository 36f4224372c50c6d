//! A test in namespaces of its own.

use std::process::{Command, Stdio};

/// Set for the process that is in them.
const INSIDE: &str = "NETWRIGHT_TESTBED_INSIDE";

/// Runs a test's body in a user, network, mount and process namespace of its own: what it builds there, and all that it starts, is gone when it ends,
/// however it ends. `test` is the name of the test that calls this, with its modules, as `outages::three_members`.
///
/// The test's program is run once more for that; a folder for `/run` is its own, and loopback is up. Where the machine allows no such namespaces, or
/// has no `ip` or `nft`, the test is left out, and says so.
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        run("mount", &["-t", "tmpfs", "none", "/run"]);
        run("ip", &["link", "set", "lo", "up"]);
        body();
        return;
    }
    let unshare = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"];
    let enter = || {
        let mut command = Command::new("setpriv");
        // Whoever is killed here takes them along: no test leaves one behind.
        command.args(["--pdeathsig", "KILL", "unshare"]).args(unshare).arg("--kill-child");
        command
    };
    let tried = enter()
        .args(["sh", "-c", "ip link show lo && nft list tables && nsenter --version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no namespaces can be made here, or `ip` or `nft` is missing");
        return;
    }
    let program = std::env::current_exe().expect("the test's program");
    let mut command = enter();
    command.arg(program).args([test, "--exact", "--nocapture", "--include-ignored"]);
    let ran = command.env(INSIDE, test).output().expect("the test's program starts");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "`{test}` is not the name of this test\n{out}");
    eprintln!("{err}");
}

/// Runs a program that must succeed.
pub(crate) fn run(program: &str, words: &[&str]) {
    let ran = Command::new(program).args(words).output();
    let ran = ran.unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program} {}: {said}", words.join(" "));
}
