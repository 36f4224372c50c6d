//! HTTP over connections that stay: one request at a time on each, as wrk and browsers do it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::Plan;
use super::drive::{Shared, Times, wait};
use crate::probe::connect;
use crate::probe::http::answer::{Body, Decoder};
use crate::probe::http::{judge_answer, request};
use crate::probe::outcome::{Kind, PhaseName, Verdict};
use crate::probe::prober::Prober;
use crate::probe::target::{Host, Http, Target};
use crate::probe::tls;
use crate::probe::trail::{Asked, Trail};

/// Octets that are read at a time.
const PART: usize = 16_384;

/// A target that cannot be connected to is not asked without a pause.
const PAUSE: Duration = Duration::from_millis(20);

/// What all connections have in common.
pub(super) struct Over {
    prober: Prober,
    target: Http,
    timeout: Duration,
    bind: Option<std::net::IpAddr>,
    request: Vec<u8>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Each answer is kept and looked into: headers or the body are asked about.
    looks: bool,
}

impl Over {
    pub(super) fn of(prober: &Prober, plan: &Plan) -> Result<Self, String> {
        let Target::Http(target) = &plan.spec.target else {
            return Err("only HTTP shares connections".to_owned());
        };
        let target = (**target).clone();
        let tls = if target.over_tls() {
            let host = target.name.clone().map_or_else(|| target.to().host, Host::Name);
            let name = tls::server_name(&host)
                .map_err(|_| format!("`{host}` cannot be the name of a certificate"))?;
            Some((prober.trust.strict()?, name))
        } else {
            None
        };
        let expect = &target.expect;
        let looks =
            !expect.contains.is_empty() || !expect.matches.is_empty() || !expect.headers.is_empty();
        Ok(Self {
            prober: prober.clone(),
            timeout: plan.spec.timeout,
            bind: plan.spec.bind,
            request: request(&target, &target.url, (true, true), true),
            tls,
            looks,
            target,
        })
    }
}

/// A connection's two ends, plain or over TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// One asker: it connects, asks as long as there is something to ask, and connects again when it has to.
pub(super) async fn asker(over: &Over, times: &Times, shared: &Shared) {
    let mut address = None;
    // A request that was taken and not sent yet, as the connection was not there.
    let mut due = None;
    loop {
        if due.is_none() {
            due = times.next(Instant::now());
        }
        let Some(first) = due else { return };
        wait(first).await;
        match connected(over, &mut address, shared).await {
            Ok(stream) => due = asks(over, stream, first, times, shared).await,
            Err(verdict) => {
                failed(&verdict, shared);
                due = None;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn failed(verdict: &Verdict, shared: &Shared) {
    let mut report = shared.borrow_mut();
    match verdict {
        Verdict::Failed(failure) => report.failed(failure.kind.name(), &failure.text),
        Verdict::Unknown { why } => report.not_known(why),
        Verdict::Passed => {}
    }
}

/// A connection, with its phases.
async fn connected(
    over: &Over,
    address: &mut Option<SocketAddr>,
    shared: &Shared,
) -> Asked<Box<dyn Stream>> {
    let mut trail = Trail::default();
    let connected =
        tokio::time::timeout(over.timeout, connect_once(over, address, &mut trail)).await;
    let stream = connected.map_err(|_| trail.ran_out(over.timeout))??;
    let mut report = shared.borrow_mut();
    for phase in trail.phases() {
        report.phase(phase.name, phase.took);
    }
    Ok(stream)
}

async fn connect_once(
    over: &Over,
    address: &mut Option<SocketAddr>,
    trail: &mut Trail,
) -> Asked<Box<dyn Stream>> {
    let to = match *address {
        Some(to) => to,
        None => {
            let to = over.target.to();
            let found = over
                .prober
                .address(&to.host, to.port, Instant::now() + over.timeout, trail)
                .await?;
            *address = Some(found);
            found
        }
    };
    let stream = connect::connect(to, over.bind, trail).await?;
    let Some((config, name)) = &over.tls else { return Ok(Box::new(stream)) };
    trail.begin(PhaseName::Tls);
    let connected = TlsConnector::from(config.clone()).connect(name.clone(), stream).await;
    let stream = connected.map_err(|error| tls::failed(&error))?;
    trail.end();
    Ok(Box::new(stream))
}

/// Asks over one connection until it ends, or there is nothing more to ask; a request that was taken and not sent is given back.
async fn asks(
    over: &Over,
    mut stream: Box<dyn Stream>,
    first: Instant,
    times: &Times,
    shared: &Shared,
) -> Option<Instant> {
    let mut part = vec![0; PART];
    let mut due = first;
    let mut before = false;
    loop {
        let sent = Instant::now();
        let asked =
            tokio::time::timeout(over.timeout, one(over, &mut stream, &mut part, sent)).await;
        let ended = match asked {
            Ok(Ok(ended)) => ended,
            // A connection that had stayed may end at any time: that is the peer's right, and the request is asked anew.
            Ok(Err((Verdict::Failed(failure), false))) if before && closed(&failure.kind) => {
                return Some(due);
            }
            Ok(Err((verdict, _))) => {
                failed(&verdict, shared);
                return None;
            }
            Err(_) => {
                let verdict = Verdict::failed(
                    Kind::TimedOut { phase: PhaseName::FirstOctet },
                    format!("no whole answer within {} ms", over.timeout.as_millis()),
                );
                failed(&verdict, shared);
                return None;
            }
        };
        let now = Instant::now();
        {
            let mut report = shared.borrow_mut();
            report.octets += ended.octets;
            match &ended.wrong {
                None => {
                    report.answered(now - due, now - sent);
                    report.phase(PhaseName::FirstOctet, ended.first);
                    report.phase(PhaseName::Body, (now - sent).saturating_sub(ended.first));
                }
                Some(Verdict::Failed(failure)) => report.failed(failure.kind.name(), &failure.text),
                Some(_) => {}
            }
        }
        let next = times.next(now)?;
        if !ended.stays {
            return Some(next);
        }
        wait(next).await;
        (due, before) = (next, true);
    }
}

const fn closed(kind: &Kind) -> bool {
    matches!(kind, Kind::ConnectionClosed | Kind::ConnectionReset)
}

/// What one request came to.
struct Ended {
    /// From sending to the first octet.
    first: Duration,
    octets: u64,
    stays: bool,
    wrong: Option<Verdict>,
}

/// One request; an error tells whether any of the answer had come.
async fn one(
    over: &Over,
    stream: &mut Box<dyn Stream>,
    part: &mut [u8],
    sent: Instant,
) -> Result<Ended, (Verdict, bool)> {
    let meaning = |error: &std::io::Error, begun| (connect::meaning(error, "the peer"), begun);
    stream.write_all(&over.request).await.map_err(|error| meaning(&error, false))?;
    if over.tls.is_some() {
        stream.flush().await.map_err(|error| meaning(&error, false))?;
    }
    let body = match (over.target.method.as_str(), over.looks) {
        ("HEAD", _) => Body::None,
        (_, true) => Body::Keep(over.target.expect.most),
        (_, false) => Body::Count,
    };
    let mut decoder = Decoder::new(body);
    let (mut first, mut octets, mut rest) = (None, 0, false);
    while !decoder.done() {
        let read = match stream.read(part).await {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(meaning(&error, first.is_some())),
        };
        if read > 0 {
            first.get_or_insert_with(|| sent.elapsed());
        }
        octets += read as u64;
        let fed = if read == 0 { decoder.end().map(|()| 0) } else { decoder.feed(&part[..read]) };
        let used = fed.map_err(|wrong| {
            (crate::probe::http::malformed(wrong, first.is_some()), first.is_some())
        })?;
        rest = used < read;
    }
    // What comes unasked after an answer makes the connection useless.
    let stays = decoder.stays() && !rest;
    let status = decoder.status();
    let wrong = if over.looks {
        judge_answer(&over.target.expect, &decoder.answer()).err()
    } else {
        let good =
            over.target.expect.status.iter().any(|(low, high)| (*low..=*high).contains(&status));
        (!good).then(|| {
            Verdict::failed(Kind::HttpStatus { status }, format!("the answer is {status}"))
        })
    };
    Ok(Ended { first: first.unwrap_or_default(), octets, stays, wrong })
}
