//! `netwright probe --serve`: probes for Prometheus.

use std::net::SocketAddr;

use netwright_watch::exporter::{Allowed, Machines, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{prober, wrong};
use crate::arguments::Probe;
use crate::commands::serve::{runtime, take_files};
use crate::console::{Code, Console};
use crate::failure::Failure;

pub(super) fn run(
    arguments: &Probe,
    address: SocketAddr,
    console: &mut Console,
) -> Result<Code, Failure> {
    let allowed = match (arguments.any_target, arguments.allow.is_empty()) {
        (true, _) => Allowed::Any,
        (false, false) => {
            let these = arguments
                .allow
                .iter()
                .map(|text| Machines::parse(text))
                .collect::<Result<Vec<_>, _>>();
            Allowed::These(these.map_err(wrong)?)
        }
        (false, true) => {
            let help = "--allow names a machine, a domain or a prefix; --any-target lets whoever asks choose".to_owned();
            return Err(Failure::usage("it is not said which machines may be asked", Some(help)));
        }
    };
    let prober = prober(&arguments.asking)?;
    let runtime = runtime()?;
    take_files();
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.map_err(|error| wrong(format!("cannot listen on {address}: {error}")))?;
        let own = listener.local_addr().unwrap_or(address);
        console.line(&format!("listening on http://{own}"));
        console.flush();
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut end), Ok(mut interrupt)) = signals else {
            return Err(Failure::unknown("the program cannot wait for signals"));
        };
        let until = async {
            tokio::select! {
                _ = end.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve(listener, prober, allowed, until).await;
        Ok(Code::Pass)
    })
}
