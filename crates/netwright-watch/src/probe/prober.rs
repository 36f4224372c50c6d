//! Who asks: the clock, the authorities and the name servers of a machine, and one probe from its beginning to its verdict.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use jiff::Timestamp;

use super::names::Resolver;
use super::outcome::{Kind, Outcome, Verdict};
use super::target::{Host, Spec, Target};
pub use super::tls::Trust;
use super::trail::{Asked, Trail, words};
use super::{connect, dns, http, icmp, path, postgres, redis, tls};
pub use rustls::pki_types::CertificateDer;

/// A time-out that came so much later than it was set for says more of this machine than of the peer.
const LATE: Duration = Duration::from_millis(250);

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Who asks.
#[derive(Clone)]
pub struct Prober {
    pub(crate) trust: Trust,
    pub(crate) resolver: Resolver,
    pub(crate) clock: Clock,
}

impl fmt::Debug for Prober {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Prober").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

impl Prober {
    /// One that trusts these authorities, asks these name servers and reads this clock.
    #[must_use]
    pub const fn new(trust: Trust, resolver: Resolver, clock: Clock) -> Self {
        Self { trust, resolver, clock }
    }

    /// Asks once. It ends within the spec's time-out.
    pub async fn ask(&self, spec: &Spec, attempt: u32) -> Outcome {
        let (outcome, _) = self.ask_for_text(spec, attempt).await;
        outcome
    }

    /// The same, with what of the answer a later step may want.
    pub(crate) async fn ask_for_text(
        &self,
        spec: &Spec,
        attempt: u32,
    ) -> (Outcome, Option<http::Answer>) {
        let at = (self.clock)();
        let begun = Instant::now();
        let mut trail = Trail::default();
        let mut answer = None;
        let asked =
            tokio::time::timeout(spec.timeout, self.asked(spec, begun, &mut trail, &mut answer))
                .await;
        let took = begun.elapsed();
        let verdict = match asked {
            Ok(Ok(())) => judged(spec, &trail, took),
            Ok(Err(verdict)) => verdict,
            Err(_) if took > spec.timeout + LATE => Verdict::unknown(format!(
                "this machine was too busy to ask: a time-out of {} took {}",
                words(spec.timeout),
                words(took)
            )),
            Err(_) => trail.ran_out(spec.timeout),
        };
        let verdict = if spec.must_fail { turned(verdict, &spec.target) } else { verdict };
        let outcome = Outcome {
            verdict,
            at,
            attempt,
            took,
            phases: trail.phases(),
            source: trail.source,
            peer: trail.peer,
            seen: trail.seen,
            steps: trail.steps,
        };
        (outcome, answer)
    }

    async fn asked(
        &self,
        spec: &Spec,
        begun: Instant,
        trail: &mut Trail,
        answer: &mut Option<http::Answer>,
    ) -> Asked<()> {
        let end = begun + spec.timeout;
        match &spec.target {
            Target::Tcp(to) => {
                let to = self.address(&to.host, to.port, end, trail).await?;
                connect::tcp(to, spec.bind, !spec.sources.is_empty(), trail).await
            }
            Target::Tls(target) => {
                let to = self.address(&target.to.host, target.to.port, end, trail).await?;
                let stream = connect::connect(to, spec.bind, trail).await?;
                let name = target.name.clone().map_or_else(|| target.to.host.clone(), Host::Name);
                tls::handshake(self, stream, &name, target.valid_for, trail).await.map(drop)
            }
            Target::Http(target) => {
                *answer = Some(http::ask(self, target, spec, end, trail).await?);
                Ok(())
            }
            Target::Dns(target) => dns::ask(&self.resolver, target, end, trail).await,
            Target::Postgres(target) => postgres::ask(self, target, spec.bind, end, trail).await,
            Target::Redis(target) => redis::ask(self, target, spec.bind, end, trail).await,
            Target::Icmp(target) => {
                let to = self.address(&target.host, 0, end, trail).await?;
                icmp::ask(to.ip(), target.size, spec.bind, end, trail).await
            }
            Target::Path(steps) => Box::pin(path::ask(self, steps, spec, end, trail)).await,
        }
    }

    /// The address that a host stands for.
    pub(crate) async fn address(
        &self,
        host: &Host,
        port: u16,
        end: Instant,
        trail: &mut Trail,
    ) -> Asked<SocketAddr> {
        match host {
            Host::Address(address) => Ok(SocketAddr::new(*address, port)),
            Host::Name(name) => {
                let address = dns::address(&self.resolver, name, end, trail).await?;
                Ok(SocketAddr::new(address, port))
            }
        }
    }
}

/// What was answered, measured by what is asked of every target.
fn judged(spec: &Spec, trail: &Trail, took: Duration) -> Verdict {
    if let Some(within) = spec.within.filter(|within| took > *within) {
        return Verdict::failed(
            Kind::TooSlow,
            format!("it took {}, and may take {}", words(took), words(within)),
        );
    }
    if spec.sources.is_empty() {
        return Verdict::Passed;
    }
    let wanted: Vec<String> = spec.sources.iter().map(ToString::to_string).collect();
    match trail.source.filter(|source| source.seen_by_peer) {
        Some(source) if spec.sources.contains(&source.address) => Verdict::Passed,
        Some(source) => Verdict::failed(
            Kind::SourceAddress,
            format!("the peer sees {}, not {}", source.address, wanted.join(" or ")),
        ),
        None => Verdict::unknown("it answers, and does not tell which source address it sees"),
    }
}

/// The verdict of a probe that nothing may answer. Only what the network or the peer said is evidence.
fn turned(verdict: Verdict, target: &Target) -> Verdict {
    let failure = match verdict {
        Verdict::Passed => {
            return Verdict::failed(Kind::Answered, format!("{target} answers, and must not"));
        }
        Verdict::Unknown { .. } => return verdict,
        Verdict::Failed(failure) => failure,
    };
    let of_names = matches!(target, Target::Dns(_));
    match failure.kind {
        Kind::ConnectionRefused | Kind::Unreachable | Kind::Prohibited => Verdict::Passed,
        Kind::NameNotFound | Kind::NameWithoutRecords | Kind::NameServerRefused if of_names => {
            Verdict::Passed
        }
        Kind::ConnectTimedOut | Kind::EchoSilent => Verdict::unknown(format!(
            "{SILENCE}: {}, which may be this machine's fault; a control that must answer tells",
            failure.text
        )),
        Kind::NameNotFound
        | Kind::NameWithoutRecords
        | Kind::NameLoop { .. }
        | Kind::NameTooDeep { .. }
        | Kind::NameServerUnreachable
        | Kind::NameServerRefused
        | Kind::NameServerFailed
        | Kind::NameServerSilent
        | Kind::NameAnswerWrong => Verdict::unknown(format!(
            "nothing was asked, as the name stands for no address: {}",
            failure.text
        )),
        // Whatever else went wrong, the peer was there.
        _ => Verdict::failed(
            Kind::Answered,
            format!("{target} was reached, and must not be: {}", failure.text),
        ),
    }
}

/// How the reason of an unknown begins that silence alone is the cause of.
const SILENCE: &str = "silence";

/// Silence becomes evidence where something that must answer did answer, from the same place at the same time.
#[must_use]
pub fn with_control(mut outcome: Outcome, control: &Outcome) -> Outcome {
    if let Verdict::Unknown { why } = &outcome.verdict
        && why.starts_with(SILENCE)
    {
        outcome.verdict = match control.verdict {
            Verdict::Passed => Verdict::Passed,
            _ => Verdict::unknown(
                "silence, and the control did not answer either: this machine may have no network",
            ),
        };
    }
    outcome
}

#[cfg(test)]
mod tests;
