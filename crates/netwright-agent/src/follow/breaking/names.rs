//! Name servers on this host that a fault has do wrong.
//!
//! Each is told for how long, and does right after that by its own clock: also where the agent has died. What they did is told by their counters.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{pause, within};

use super::Tools;
use super::own::space;
use crate::faults::Misled;

/// How long a name server may take to do what it was told, and to tell what it counted.
const SETTLES: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(1);
/// How often is looked whether it does.
const LOOK: Duration = Duration::from_millis(20);
/// Octets of what a name server tells.
const TOLD: u64 = 1 << 20;

/// A name server, as it was when it began to do wrong.
#[derive(Debug)]
struct Server {
    space: File,
    metrics: SocketAddr,
    /// Questions that it had answered wrongly before.
    before: u64,
    /// And since, when that was read last.
    since: u64,
}

/// What a fault did to name servers.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Server>);

/// What a name server tells of what it does wrong.
struct Told {
    /// How much that is now.
    troubles: u64,
    /// Questions that it answered wrongly.
    wronged: u64,
}

fn told(space: &File, metrics: SocketAddr) -> Result<Told, String> {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&metrics, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.take(TOLD).read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = within(space, ask).and_then(|text| text);
    let text = text.map_err(|error| format!("the name server does not answer: {error}"))?;
    let number = |name: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(name));
        lines.next().and_then(|line| line.rsplit(' ').next()?.parse().ok())
    };
    let (troubles, wronged) =
        (number("netwright_dns_troubles{"), number("netwright_dns_wronged_total{"));
    let none = || "the name server does not tell what it does wrong".to_owned();
    Ok(Told { troubles: troubles.ok_or_else(none)?, wronged: wronged.ok_or_else(none)? })
}

impl Names {
    /// Has them do wrong for a lease.
    pub(super) fn mislead(
        &mut self,
        id: &str,
        orders: &[Misled],
        tools: &Tools,
        lease: Duration,
    ) -> Result<(), String> {
        if orders.is_empty() {
            return Ok(());
        }
        for own in orders {
            if !self.0.contains_key(&own.namespace) {
                let space = space(&tools.spaces, &own.namespace)?;
                let before = told(&space, own.metrics)?.wronged;
                let server = Server { space, metrics: own.metrics, before, since: 0 };
                self.0.insert(own.namespace.clone(), server);
            }
        }
        let troubles = orders.iter().map(|own| (own.namespace.clone(), own.trouble.clone()));
        tools.tasks.mislead(id, troubles.collect(), Instant::now() + lease);
        self.until(|told| told.troubles > 0)
    }

    /// Waits until all do as wanted.
    fn until(&self, wanted: impl Fn(&Told) -> bool) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let all = self.0.iter().map(|(name, own)| match told(&own.space, own.metrics) {
                Ok(told) if wanted(&told) => Ok(()),
                Ok(_) => Err(format!("{name}: the name server does not do so")),
                Err(why) => Err(format!("{name}: {why}")),
            });
            match all.collect::<Result<(), String>>() {
                Ok(()) => return Ok(()),
                Err(why) if begun.elapsed() > SETTLES => return Err(why),
                Err(_) => pause(LOOK),
            }
        }
    }

    /// Questions that were answered wrongly.
    pub(super) fn read(&mut self) -> u64 {
        for own in self.0.values_mut() {
            // One that was started again counts anew: what was seen before stays.
            if let Ok(told) = told(&own.space, own.metrics) {
                own.since = own.since.max(told.wronged.saturating_sub(own.before));
            }
        }
        self.0.values().map(|own| own.since).sum()
    }

    /// Has them do right.
    pub(super) fn put_right(&mut self, id: &str, tools: &Tools) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        tools.tasks.put_right(id);
        // Where another fault has one do wrong, that is so still.
        let done =
            if tools.tasks.misleads() { Ok(()) } else { self.until(|told| told.troubles == 0) };
        self.0.clear();
        done
    }
}
