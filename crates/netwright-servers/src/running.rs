//! Starting a program here, and ending it with whoever started it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Program, Ready, Step};

/// How long an answer is waited for when one looks whether something is ready.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A program that runs. It is killed when this is dropped, and when the thread that started it ends.
#[derive(Debug)]
pub struct Running {
    child: Child,
    ready: Ready,
}

/// Does what is to be done before, and starts the program; what it says goes to the end of a file.
///
/// # Errors
///
/// A step failed, or the program cannot be started.
pub fn start(program: &Program, log: &Path) -> Result<Running, String> {
    let told = |error: std::io::Error| format!("{}: {error}", program.machine);
    for step in &program.before {
        go(step, log)?;
    }
    let said = File::options().create(true).append(true).open(log).map_err(told)?;
    // The thread that starts it takes it along, however it ends.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(&program.program)
        .args(&program.args)
        .envs(&program.env);
    command.stdin(Stdio::null()).stdout(said.try_clone().map_err(told)?).stderr(said);
    let child = command.spawn().map_err(told)?;
    Ok(Running { child, ready: program.ready.clone() })
}

fn go(step: &Step, log: &Path) -> Result<(), String> {
    match step {
        Step::Folder(folder) => std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display())),
        Step::Write { file, text } => {
            std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
        }
        Step::Run { unless, .. } if unless.exists() => Ok(()),
        Step::Run { program, args, .. } => {
            let ran = Command::new(program).args(args).stdin(Stdio::null()).output();
            let ran = ran.map_err(|error| format!("{}: {error}", program.display()))?;
            if ran.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            let kept = std::fs::write(log, &said);
            let where_ = kept.map_or_else(|_| String::new(), |()| format!(" ({})", log.display()));
            Err(format!("{} failed{where_}: {}", program.display(), said.trim_end()))
        }
    }
}

impl Running {
    /// Waits until it is ready.
    ///
    /// # Errors
    ///
    /// It ended, or is not ready in time.
    pub fn wait(&mut self, limit: Duration) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let ready = is_ready(&self.ready);
            // Somebody else may answer in its place.
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended at once: {status}"));
            }
            if ready {
                return Ok(());
            }
            if began.elapsed() > limit {
                return Err(format!("it is not ready after {:.0} s", limit.as_secs_f64()));
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "whoever waits here has nothing else to do"
            )]
            std::thread::sleep(LOOK);
        }
    }

    /// Its process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }

    /// Asks it to end, and waits a little; then kills it.
    pub fn stop(&mut self, limit: Duration) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while !self.has_ended() && began.elapsed() < limit {
            #[expect(
                clippy::disallowed_methods,
                reason = "whoever waits here has nothing else to do"
            )]
            std::thread::sleep(LOOK);
        }
        self.kill();
    }

    /// Stops it where it is, with its children; connections stay.
    pub fn pause(&self) {
        self.all(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.all(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(process, signal);
        }
    }

    /// PostgreSQL serves each connection in a child of its own.
    fn all(&self, signal: Signal) {
        let own = self.child.id();
        let list =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        self.signal(signal);
        for child in
            list.split_whitespace().filter_map(|word| word.parse().ok()).filter_map(Pid::from_raw)
        {
            let _gone = kill_process(child, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether something is ready now.
fn is_ready(ready: &Ready) -> bool {
    TcpStream::connect_timeout(&ready.address(), PATIENCE)
        .is_ok_and(|stream| answers(ready, &stream))
}

/// Whether what a connection leads to is ready.
#[must_use]
pub fn answers(ready: &Ready, mut stream: &TcpStream) -> bool {
    let (question, expected): (Vec<u8>, &[u8]) = match ready {
        Ready::Redis(_) => (b"PING\r\n".to_vec(), b"+PONG"),
        Ready::Http { address, path } => {
            (format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").into_bytes(), b"200")
        }
        // Protocol 3.0: the first octet of the answer is `R` for who is let in.
        Ready::Postgres { user, .. } => {
            let mut message = 196_608_u32.to_be_bytes().to_vec();
            message.extend(format!("user\0{user}\0database\0postgres\0\0").bytes());
            let length = u32::try_from(message.len() + 4).unwrap_or(u32::MAX);
            ([length.to_be_bytes().to_vec(), message].concat(), b"R")
        }
    };
    let mut ask = || -> std::io::Result<bool> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&question)?;
        let mut answer = [0; 16];
        let length = stream.read(&mut answer)?;
        let from = if matches!(ready, Ready::Http { .. }) { 9.min(length) } else { 0 };
        Ok(answer[from..length].starts_with(expected))
    };
    ask().unwrap_or(false)
}
