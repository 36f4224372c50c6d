//! What a probe leaves behind while it goes on, so that a time-out still knows how far it came.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::outcome::{Kind, Phase, PhaseName, Seen, Source, Step, Verdict};

/// How far a probe came, or why it ended: anything but "passed".
pub(crate) type Asked<T> = Result<T, Verdict>;

/// A probe's trail.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    phases: Vec<Phase>,
    now: Option<(PhaseName, Instant)>,
    pub(crate) source: Option<Source>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) seen: Seen,
    pub(crate) steps: Vec<Step>,
}

impl Trail {
    /// A phase begins; the one before it ends.
    pub(crate) fn begin(&mut self, name: PhaseName) {
        self.end();
        self.now = Some((name, Instant::now()));
    }

    /// The phase that goes on ends.
    pub(crate) fn end(&mut self) {
        if let Some((name, since)) = self.now.take() {
            self.phases.push(Phase { name, took: since.elapsed() });
        }
    }

    /// All phases, the last one ended.
    pub(crate) fn phases(&mut self) -> Vec<Phase> {
        self.end();
        std::mem::take(&mut self.phases)
    }

    /// Our end of a connection.
    pub(crate) fn from(&mut self, local: Option<SocketAddr>) {
        if let Some(local) = local {
            self.source = Some(Source { address: local.ip(), seen_by_peer: false });
        }
    }

    /// The peer says where it sees us.
    pub(crate) fn seen_from(&mut self, address: std::net::IpAddr) {
        self.source = Some(Source { address, seen_by_peer: true });
    }

    /// What it means that time ran out now.
    pub(crate) fn ran_out(&self, after: Duration) -> Verdict {
        let time = words(after);
        let Some((phase, _)) = self.now else {
            return Verdict::unknown(format!("{time} were over before anything was asked"));
        };
        match phase {
            PhaseName::Name => Verdict::failed(
                Kind::NameServerSilent,
                format!("the name server did not answer within {time}"),
            ),
            PhaseName::Connect => Verdict::failed(
                Kind::ConnectTimedOut,
                format!("no answer to the attempt to connect within {time}"),
            ),
            PhaseName::Query => {
                Verdict::failed(Kind::QueryTimedOut, format!("the query did not end within {time}"))
            }
            PhaseName::Echo => Verdict::failed(Kind::EchoSilent, format!("no echo within {time}")),
            phase => Verdict::failed(
                Kind::TimedOut { phase },
                format!("the phase {phase} did not end within {time}"),
            ),
        }
    }
}

/// A time in words.
pub(crate) fn words(time: Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds < 1_000 || !milliseconds.is_multiple_of(1_000) {
        format!("{milliseconds} ms")
    } else {
        format!("{} s", time.as_secs())
    }
}
