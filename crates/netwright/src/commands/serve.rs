//! `netwright serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netwright_agent::part::Planner;
use netwright_control::keys::Layout;
use netwright_control::server::limits::Rate;
use netwright_control::server::{self, Opener, Options, State, snapshot, tls};
use netwright_control::time::{Time, Wall};
use netwright_store::{Address, Monotonic, OpenOptions, open};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Serve, StoreArguments};
use crate::console::{self, Code, Console};
use crate::failure::Failure;

/// The machine's clock.
pub(super) struct Clock;

impl Wall for Clock {
    #[expect(clippy::disallowed_methods, reason = "records say when they were made")]
    fn now(&self) -> Time {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let milliseconds = now.map_or(0, |now| now.as_millis());
        Time::of_milliseconds(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }
}

pub(super) fn run(arguments: &Serve, console: &mut Console) -> Result<Code, Failure> {
    let place = Place::of(&arguments.store)?;
    let runtime = runtime()?;
    take_files();
    console::log(console.color_on_stderr());
    runtime.block_on(serve(arguments, place, console))
}

/// Each connection is a file: as many as may be. Where that is refused, there are fewer places.
pub(super) fn take_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _fewer = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// What runs things that wait.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::unknown(format!("the program cannot run: {error}")))
}

/// Where the network is kept, and where a server keeps files of its own.
pub(super) struct Place {
    pub(super) address: String,
    pub(super) options: OpenOptions,
    pub(super) folder: PathBuf,
    /// Nobody else can have it at the same time.
    pub(super) alone: bool,
}

impl Place {
    pub(super) fn of(arguments: &StoreArguments) -> Result<Self, Failure> {
        let folder = folder(arguments)?;
        let own = || format!("file:{}", folder.join("network.redb").display());
        let address = arguments.store.clone().unwrap_or_else(own);
        let wrong = |error: netwright_store::Error| Failure::usage(error.to_string(), None);
        let parsed = Address::parse(&address).map_err(wrong)?;
        let alone = !matches!(parsed, Address::Etcd { .. });
        let options = OpenOptions {
            authority: arguments.store_ca.clone(),
            certificate: arguments.store_cert.clone(),
            key: arguments.store_key.clone(),
            server_name: arguments.store_name.clone(),
            user: arguments.store_user.clone(),
            password_file: arguments.store_password_file.clone(),
            prefix: arguments.prefix.clone(),
            ..OpenOptions::default()
        };
        Ok(Self { address, options, folder, alone })
    }
}

impl Place {
    /// The file that the copy of the store is kept in: one for each store.
    fn snapshot(&self) -> PathBuf {
        let name = snapshot::name(&self.address, &self.options.prefix);
        self.folder.join(name)
    }
}

/// The folder for files of a server, made where it is not there.
fn folder(arguments: &StoreArguments) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::DirBuilderExt;

    let chosen = state_folder(arguments.state.as_deref())?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&chosen);
    made.map_err(|error| Failure::output(&chosen, &error))?;
    Ok(chosen)
}

/// Where programs keep files of their own: as it was chosen, or as the system has it.
pub(super) fn state_folder(chosen: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let chosen = chosen
        .map(Path::to_owned)
        .or_else(|| folder("STATE_DIRECTORY").map(PathBuf::from))
        .or_else(|| folder("XDG_STATE_HOME").map(|base| PathBuf::from(base).join("netwright")))
        .or_else(|| folder("HOME").map(|home| PathBuf::from(home).join(".local/state/netwright")));
    chosen.ok_or_else(|| {
        let help = "--state says where files are kept".to_owned();
        Failure::usage("there is no folder for files of this program", Some(help))
    })
}

async fn serve(arguments: &Serve, place: Place, console: &mut Console) -> Result<Code, Failure> {
    let cannot =
        |error| Failure::unknown(format!("cannot listen at {}: {error}", arguments.listen));
    let listener = TcpListener::bind(arguments.listen).await.map_err(cannot)?;
    let at = listener.local_addr().map_err(cannot)?;
    if at.ip().is_unspecified() && arguments.url.is_none() && !place.alone {
        let help = "--url http://ADDRESS:PORT is where other servers reach this one";
        let why = format!("{at} is every address of this machine, and none that others can ask");
        return Err(Failure::usage(why, Some(help.to_owned())));
    }
    let scheme = if arguments.tls_cert.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{at}");
    let options = options(arguments, &place, at, &url)?;
    let layout = Layout::under(&arguments.store.prefix);
    let clock = Arc::new(Monotonic::default());
    let state = State::new(options, layout, Arc::new(Clock), clock);
    let state = Arc::new(state.compiles(Arc::new(Planner)));
    let ending = end_on_signals(Arc::clone(&state))?;
    console.line(&format!("listening at {url}"));
    console.flush();
    let ended = server::run(state, opener(place), listener).await;
    ending.abort();
    ended.map(|()| Code::Pass).map_err(|why| {
        let help = "netwright key create --offline --role admin --name NAME makes the first key";
        Failure::usage(format!("the server does not start: {why}"), Some(help.to_owned()))
    })
}

fn options(
    arguments: &Serve,
    place: &Place,
    at: SocketAddr,
    url: &str,
) -> Result<Options, Failure> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = format!("{}:{}", host.trim(), at.port());
    let wrong = |why: String| Failure::usage(why, None);
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(tls::answering(certificate, key).map_err(wrong)?),
        _ => None,
    };
    let authority = arguments.peer_ca.as_ref().or(arguments.tls_cert.as_ref());
    let peers = authority.map(|file| tls::asking(file)).transpose().map_err(wrong)?;
    let rate = f64::from(arguments.rate);
    Ok(Options {
        server: arguments.name.clone().unwrap_or(name),
        url: arguments.url.clone().unwrap_or_else(|| url.to_owned()),
        store: place.address.clone(),
        snapshot: Some(place.snapshot()),
        lease: Duration::from_secs(arguments.lease),
        alone: place.alone,
        trusts_this_machine: at.ip().is_loopback(),
        connections: usize::try_from(arguments.connections).unwrap_or(usize::MAX),
        streams: usize::try_from(arguments.streams).unwrap_or(usize::MAX),
        rate: Rate { each_second: rate, at_once: rate * 2.0 },
        strict: arguments.strict,
        tls,
        peers,
    })
}

fn opener(place: Place) -> Opener {
    Box::new(move || {
        let (address, options) = (place.address.clone(), place.options.clone());
        Box::pin(async move { open(&address, &options).await })
    })
}

/// Ends the server on Ctrl-C and SIGTERM.
fn end_on_signals(state: Arc<State>) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let cannot = |error| Failure::unknown(format!("signals cannot be waited for: {error}"));
    let mut interrupted = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        state.end();
    }))
}
