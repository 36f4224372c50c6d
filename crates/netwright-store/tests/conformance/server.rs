//! A real etcd for a test, which goes with it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use netwright_store::Store;
use netwright_store::etcd::{Etcd, Options};

use crate::{Folder, Passes};

pub(crate) struct Server {
    child: Child,
    folder: Folder,
    ports: [u16; 2],
}

/// Whether this machine has an etcd; says so where it has none.
pub(crate) fn is_there() -> bool {
    let there = Command::new("etcd").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: there is no etcd here; install it: `apt install etcd-server`");
    }
    there
}

fn spawn(folder: &Folder, [clients, peers]: [u16; 2]) -> Child {
    let (clients, peers) =
        (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
    // It ends with the thread that started it: no test leaves one behind.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "etcd", "--data-dir"])
        .arg(folder.file())
        .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}"), "--log-level", "fatal"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Server {
    pub(crate) async fn start() -> (Self, Etcd) {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
        drop(listeners);
        let folder = Folder::new();
        let server = Self { child: spawn(&folder, ports), folder, ports };
        let store = server.connected().await;
        (server, store)
    }

    /// A store once the server answers.
    pub(crate) async fn connected(&self) -> Etcd {
        let options = self.options("/netwright/");
        for _ in 0..400 {
            if let Ok(store) = Etcd::connect(&options).await
                && store.status().await.is_ok()
            {
                return store;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("etcd does not answer");
    }

    pub(crate) fn options(&self, prefix: &str) -> Options {
        Options {
            endpoints: vec![format!("http://127.0.0.1:{}", self.ports[0])],
            prefix: prefix.to_owned(),
            own: String::new(),
            user: None,
            tls: None,
            patience: Duration::from_secs(5),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&self.folder, self.ports);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The time that passes for everybody.
pub(crate) struct Real;

impl Passes for Real {
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
