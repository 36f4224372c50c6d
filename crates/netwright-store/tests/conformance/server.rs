//! A real etcd for a test, which goes with it.

use std::time::Duration;

use netwright_store::Store;
use netwright_store::etcd::{Etcd, Options};

use crate::Passes;

pub(crate) use netwright_testbed::is_there;

pub(crate) struct Server(netwright_testbed::Server);

impl Server {
    pub(crate) async fn start() -> (Self, Etcd) {
        let server = Self(netwright_testbed::Server::start());
        let store = server.connected().await;
        (server, store)
    }

    /// A store once the server answers.
    async fn connected(&self) -> Etcd {
        let store = Etcd::connect(&self.options("/netwright/")).await.unwrap();
        crate::until("etcd answers", || async { store.status().await.is_ok() }).await;
        store
    }

    pub(crate) fn options(&self, prefix: &str) -> Options {
        Options {
            endpoints: vec![format!("http://{}", self.0.address())],
            prefix: prefix.to_owned(),
            own: String::new(),
            user: None,
            tls: None,
            patience: Duration::from_secs(5),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    pub(crate) fn start_again(&mut self) {
        self.0.start_again();
    }
}

/// The time that passes for everybody.
pub(crate) struct Real;

impl Passes for Real {
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
