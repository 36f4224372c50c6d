//! A server of this process, without keys and without bounds of rates, over a store: what benches ask over HTTP.

use std::sync::Arc;
use std::time::Duration;

use netwright_control::keys::Layout;
use netwright_control::server::limits::Rate;
use netwright_control::server::{self, Opener, Options, State};
use netwright_control::time::{Time, Wall};
use netwright_store::{AnyStore, Monotonic};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The machine's clock.
pub(crate) struct Machine;

impl Wall for Machine {
    fn now(&self) -> Time {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Time::of_milliseconds(u64::try_from(now.as_millis()).unwrap())
    }
}

fn options(url: &str) -> Options {
    Options {
        server: "bench".to_owned(),
        url: url.to_owned(),
        store: "bench".to_owned(),
        snapshot: None,
        lease: Duration::from_secs(10),
        alone: true,
        trusts_this_machine: true,
        connections: 8192,
        streams: 8192,
        rate: Rate { each_second: 1e9, at_once: 1e9 },
        strict: false,
        tls: None,
        peers: None,
    }
}

/// A server that leads.
pub(crate) struct Server {
    /// What it knows.
    pub(crate) state: Arc<State>,
    /// Where it answers.
    pub(crate) at: String,
    /// Its task; it ends with the state.
    pub(crate) running: JoinHandle<Result<(), String>>,
}

impl Server {
    /// Starts one, and waits until it leads.
    pub(crate) async fn start(store: AnyStore) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::new(
            options(&format!("http://{at}")),
            Layout::default(),
            Arc::new(Machine),
            Arc::new(Monotonic::default()),
        ));
        let opener: Opener = Box::new(move || {
            let store = store.clone();
            Box::pin(async move { Ok(store) })
        });
        let running = tokio::spawn(server::run(Arc::clone(&state), opener, listener));
        let mut leads = state.leads();
        leads.wait_for(Option::is_some).await.unwrap();
        Self { state, at, running }
    }
}
