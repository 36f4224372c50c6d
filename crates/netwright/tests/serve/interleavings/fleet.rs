//! Servers as processes: started, killed, stopped and let go on; and how they are asked.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::clients::Pool;
use super::history::{Call, Left, Told};
use crate::server::{Folder, netwright, pause};

/// How long one attempt may take. A server that was stopped answers nothing.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long it may take until everything is well again.
const HEALED: Duration = Duration::from_secs(60);

pub(super) struct Fleet {
    servers: Vec<Slot>,
    store: Option<String>,
    admin: String,
}

struct Slot {
    child: Option<Child>,
    port: u16,
    folder: Folder,
}

impl Fleet {
    /// So many servers over an etcd, or one with a store of its own. None runs yet.
    pub(super) fn new(count: usize, store: Option<&str>) -> Self {
        let listeners: Vec<_> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let slot = |listener: &TcpListener| {
            let port = listener.local_addr().unwrap().port();
            Slot { child: None, port, folder: Folder::new() }
        };
        let servers = listeners.iter().map(slot).collect();
        Self { servers, store: store.map(str::to_owned), admin: String::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.servers.len()
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|slot| format!("http://127.0.0.1:{}", slot.port)).collect()
    }

    pub(super) fn start_all(&mut self) {
        (0..self.count()).for_each(|server| self.start(server));
    }

    pub(super) fn start(&mut self, server: usize) {
        let (state, listen) = {
            let slot = &self.servers[server];
            (slot.folder.text(""), format!("127.0.0.1:{}", slot.port))
        };
        let name = format!("s{server}");
        let mut words = vec!["serve", "--state", &state, "--listen", &listen, "--name", &name];
        words.extend(["--lease", "2", "--rate", "1000000"]);
        words.extend(self.store.iter().flat_map(|store| ["--store", store]));
        let slot = &mut self.servers[server];
        let log = File::options().create(true).append(true).open(slot.folder.text("log")).unwrap();
        let mut child = netwright(&words).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening at"), "{line:?}");
        slot.child = Some(child);
    }

    pub(super) fn kill(&mut self, server: usize) {
        if let Some(mut child) = self.servers[server].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn stop(&self, server: usize) {
        self.signal(server, Signal::STOP);
    }

    pub(super) fn go_on(&self, server: usize) {
        self.signal(server, Signal::CONT);
    }

    fn signal(&self, server: usize, signal: Signal) {
        if let Some(child) = &self.servers[server].child {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
            kill_process(pid, signal).unwrap();
        }
    }

    /// All run, none is stopped.
    pub(super) fn mend(&mut self) {
        for server in 0..self.count() {
            self.go_on(server);
            if self.servers[server].child.is_none() {
                self.start(server);
            }
        }
    }

    /// The first key is made from this machine.
    pub(super) fn first_key(&mut self) -> Admin {
        let asked = Admin { addresses: self.addresses(), key: String::new() };
        let made = asked.must(&Call::post("/api/v1/keys", json!({ "name": "a", "role": "admin" })));
        self.admin = made["key"].as_str().unwrap().to_owned();
        self.admin()
    }

    /// What each server says is there, once they say the same. One that does not lead reads what others wrote a little later; if they never agree, it
    /// is what they say at last.
    pub(super) fn left(&self, pools: &[Pool]) -> Vec<Left> {
        let (admin, began) = (self.admin(), Instant::now());
        loop {
            let all: Vec<Left> =
                (0..self.count()).map(|server| admin.left(server, pools)).collect();
            if all.iter().all(|left| left.agrees(&all[0])) || began.elapsed() > HEALED {
                return all;
            }
            pause(200);
        }
    }

    pub(super) fn admin(&self) -> Admin {
        Admin { addresses: self.addresses(), key: self.admin.clone() }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        (0..self.count()).for_each(|server| self.kill(server));
    }
}

/// Asks whoever answers, until it is done.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    addresses: Vec<String>,
    key: String,
}

impl Admin {
    /// Asks until it is done.
    pub(super) fn must(&self, call: &Call) -> Value {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let own = format!("first-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let began = Instant::now();
        let agent = agent();
        for server in (0..self.addresses.len()).cycle() {
            match ask(&agent, &self.addresses[server], &self.key, Some(&own), call) {
                Told::Done(answer) => return answer,
                told => assert!(began.elapsed() < HEALED, "{call:?}: {told:?}"),
            }
            pause(50);
        }
        unreachable!("a cycle has no end")
    }

    /// Asks a server once.
    pub(super) fn once(&self, server: usize, call: &Call) -> Told {
        ask(&agent(), &self.addresses[server], &self.key, None, call)
    }

    pub(super) fn key(&self, name: &str, role: &str) -> String {
        let made = self.must(&Call::post("/api/v1/keys", json!({ "name": name, "role": role })));
        made["key"].as_str().unwrap().to_owned()
    }

    /// Waits until every server is well and reads what the others read.
    pub(super) fn healed(&self) {
        let began = Instant::now();
        let marks = || -> Option<Vec<Value>> {
            let one = |server| match self.once(server, &Call::get("/health")) {
                Told::Done(health) if health["status"] == "healthy" => {
                    Some(health["revision"].clone())
                }
                _ => None,
            };
            (0..self.addresses.len()).map(one).collect()
        };
        let mut told = None;
        while began.elapsed() < HEALED {
            told = marks();
            if told.as_ref().is_some_and(|marks| marks.iter().all(|mark| *mark == marks[0])) {
                return;
            }
            pause(100);
        }
        panic!("the servers do not come together again: {told:?}");
    }

    /// What a server says is there.
    fn left(&self, server: usize, pools: &[Pool]) -> Left {
        let get = |path: &str| {
            let began = Instant::now();
            loop {
                match self.once(server, &Call::get(path)) {
                    Told::Done(answer) => return answer,
                    told => assert!(began.elapsed() < HEALED, "{path}: {told:?}"),
                }
                pause(50);
            }
        };
        let mut allocations = Vec::new();
        for pool in pools {
            let path = format!("/api/v1/allocations?limit=1000&pool={}", pool.name);
            let mut after = String::new();
            loop {
                let page = get(&format!("{path}{after}"));
                allocations.extend(page["allocations"].as_array().unwrap().iter().cloned());
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={next}");
            }
        }
        let network = get("/api/v1/network");
        let subnets = super::clients::subnets(network["description"].as_str().unwrap());
        Left { server, allocations, subnets: subnets.into_iter().collect() }
    }
}

pub(super) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(Duration::from_millis(500)))
        .timeout_global(Some(PATIENCE));
    config.build().new_agent()
}

/// Asks a server once.
pub(super) fn ask(
    agent: &ureq::Agent,
    server: &str,
    key: &str,
    idempotency: Option<&str>,
    call: &Call,
) -> Told {
    let mut request = ureq::http::Request::builder()
        .method(call.method.as_str())
        .uri(format!("{server}{}", call.path))
        .header("content-type", "application/json");
    if !key.is_empty() {
        request = request.header("x-api-key", key);
    }
    if let Some(own) = idempotency {
        request = request.header("idempotency-key", own);
    }
    if let Some(revision) = call.at {
        request = request.header("if-match", format!("\"{revision}\""));
    }
    let ran = match &call.body {
        Value::Null => agent.run(request.body(()).unwrap()),
        body => agent.run(request.body(body.to_string()).unwrap()),
    };
    let mut answer = match ran {
        Ok(answer) => answer,
        Err(ureq::Error::ConnectionFailed) => {
            return Told::Refused("no-connection".to_owned(), Value::Null);
        }
        Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Told::Refused("no-connection".to_owned(), Value::Null);
        }
        Err(error) => return Told::Lost(error.to_string()),
    };
    let status = answer.status();
    let text = match answer.body_mut().read_to_string() {
        Ok(text) => text,
        Err(error) => return Told::Lost(format!("{status}, and then {error}")),
    };
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status.is_success() {
        return Told::Done(json);
    }
    let kind = json["type"].as_str().unwrap_or("no problem document");
    let kind = kind.trim_start_matches("urn:netwright:problem:").to_owned();
    if kind == "outcome-unknown" { Told::Lost(text) } else { Told::Refused(kind, json) }
}
