//! A server for a test, which goes with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder that goes with its test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Processes of namespaces have the same small numbers.
        let moment = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let name = format!("netwright-serve-{}-{number}-{moment:x}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// The program, without what the caller's surroundings would tell it.
pub(crate) fn netwright(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    command.args(words).stdin(Stdio::null());
    for name in ["SERVER", "KEY", "KEY_FILE", "CA_FILE", "STORE"] {
        command.env_remove(format!("NETWRIGHT_{name}"));
    }
    command
}

pub(crate) fn ran(words: &[&str]) -> Output {
    netwright(words).output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media: String,
    pub(crate) degraded: bool,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }

    /// The end of the problem's type.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.media, "application/problem+json", "{} {}", self.status, self.text);
        let json = self.json();
        assert_eq!(json["status"], self.status);
        json["type"].as_str().unwrap().trim_start_matches("urn:netwright:problem:").to_owned()
    }
}

impl Server {
    /// One with its files in a folder.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let folder = folder.to_str().unwrap();
        let mut words = vec!["serve", "--state", folder];
        if !more.contains(&"--listen") {
            words.extend(["--listen", "127.0.0.1:0"]);
        }
        words.extend(more);
        let log = std::fs::File::create(format!("{folder}/log-{}", more.len())).unwrap();
        let mut command = netwright(&words);
        command.stdout(Stdio::piped()).stderr(log);
        // It does not outlive a test that is killed.
        command.process_group(0);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening at ").unwrap_or_else(|| panic!("{line:?}"));
        let address = url.split_once("://").unwrap().1.parse().unwrap();
        Self { child, url: url.to_owned(), address }
    }

    /// The same, when it leads.
    pub(crate) fn leading(folder: &Path, more: &[&str]) -> Self {
        let server = Self::start(folder, more);
        server.until("it leads", |health| health["leads"] == true);
        server
    }

    pub(crate) fn until(&self, what: &str, is: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let health = self.get("/health").json();
            if is(&health) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}: {health}");
            pause(20);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(30)));
        let agent = config.build().new_agent();
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = match body {
            Some(body) => agent.run(request.body(body.to_owned()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = answer.body_mut().read_to_string().unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        Answer {
            status: answer.status().as_u16(),
            media: header("content-type").unwrap_or_default().to_owned(),
            degraded: header("x-netwright-degraded").is_some(),
            text,
        }
    }

    pub(crate) fn post(&self, path: &str, key: Option<&str>, body: &str) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("x-api-key", key)));
        self.ask("POST", path, &headers, Some(body))
    }

    /// What comes back for octets as they are, until the server closes or time is over.
    pub(crate) fn raw(&self, octets: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let _refused_early = stream.write_all(octets);
        let mut text = Vec::new();
        let _closed_or_late = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it as a service manager does; its exit code.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A real etcd for a test.
pub(crate) struct Etcd {
    child: Child,
    folder: Folder,
    ports: [u16; 2],
}

impl Etcd {
    /// None, with the reason said, where this machine has none.
    pub(crate) fn start() -> Option<Self> {
        if Command::new("etcd").arg("--version").output().is_err() {
            eprintln!("skipped: there is no etcd here; install it: `apt install etcd-server`");
            return None;
        }
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
        drop(listeners);
        let folder = Folder::new();
        Some(Self { child: spawn(&folder, ports), folder, ports })
    }

    pub(crate) fn store(&self) -> String {
        format!("etcd://127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.folder, self.ports);
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn spawn(folder: &Folder, [clients, peers]: [u16; 2]) -> Child {
    let clients = format!("http://127.0.0.1:{clients}");
    let peers = format!("http://127.0.0.1:{peers}");
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "etcd", "--data-dir", &folder.text("etcd")])
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}"), "--log-level", "fatal"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
