//! One etcd on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::folder::Folder;
use crate::process::Process;
use crate::tls::Certificates;

/// Whether this machine has an etcd; says so where it has none.
#[must_use]
pub fn is_there() -> bool {
    let there = Command::new("etcd").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: there is no etcd here; install it: `apt install etcd-server`");
    }
    there
}

/// Waits until something accepts connections there.
pub(crate) fn answers(address: &str) {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing listens at {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An etcd of one member.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    words: Vec<String>,
    /// Host and port.
    address: String,
    folder: Folder,
}

impl Server {
    /// One that is spoken to in the clear.
    #[must_use]
    pub fn start() -> Self {
        Self::with(|_| (false, Vec::new()))
    }

    /// One with TLS; with its clients' certificates asked for where that is said.
    #[must_use]
    pub fn with_tls(certificates: &Certificates, of_clients: bool) -> Self {
        Self::with(|_| {
            let file = |name: &str| certificates.file(name).to_string_lossy().into_owned();
            let mut words = vec![
                format!("--cert-file={}", file("server.pem")),
                format!("--key-file={}", file("server.key")),
            ];
            if of_clients {
                words.push("--client-cert-auth".to_owned());
                words.push(format!("--trusted-ca-file={}", file("ca.pem")));
            }
            (true, words)
        })
    }

    fn with(more: impl Fn(&Folder) -> (bool, Vec<String>)) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.each_ref().map(|one| one.local_addr().expect("a port").port());
        drop(listeners);
        let folder = Folder::new();
        let (tls, more) = more(&folder);
        let scheme = if tls { "https" } else { "http" };
        let address = format!("127.0.0.1:{}", ports[0]);
        let clients = format!("{scheme}://{address}");
        let peers = format!("http://127.0.0.1:{}", ports[1]);
        let data = folder.path().join("data").to_string_lossy().into_owned();
        let mut words: Vec<String> = [
            "etcd",
            "--data-dir",
            &data,
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
            "--initial-cluster",
            &format!("default={peers}"),
            "--log-level",
            "error",
        ]
        .map(str::to_owned)
        .to_vec();
        words.extend(more);
        let process = Some(Process::start(None, &words));
        answers(&address);
        Self { process, words, address, folder }
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A folder that goes with it.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Sends it a call in JSON as its administrators do, to a path such as `/v3/auth/enable`, in the clear; the answer.
    #[must_use]
    pub fn post(&self, path: &str, body: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let token =
            if token.is_empty() { String::new() } else { format!("Authorization: {token}\r\n") };
        let length = body.len();
        let head =
            "HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Type: application/json\r\n";
        let request = format!("POST {path} {head}{token}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Processor time that it took.
    #[must_use]
    pub fn processor(&self) -> Duration {
        self.process.as_ref().map_or(Duration::ZERO, |process| crate::processor(process.id()))
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it over what it had stored.
    pub fn start_again(&mut self) {
        self.process = Some(Process::start(None, &self.words));
    }

    /// Stops it where it is; its connections stay.
    pub fn pause(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::CONT);
    }
}
