//! Probes for Prometheus: `/probe?target=…&module=…`, with the names that blackbox exporter gave its metrics.
//!
//! Who can ask this can have this machine ask others. So it answers only for machines that it was told, follows no redirect away from them, and
//! asks no more at a time than its budget. [`page`] makes the text of an outcome and knows nothing of connections.

mod page;
mod server;

use std::net::IpAddr;
use std::time::Duration;

use crate::probe::target::{Host, Spec, Target};
pub(crate) use page::escaped;
pub use page::{open_metrics, page};
pub use server::serve;

/// How long before Prometheus stops waiting its answer is to be there.
const MARGIN: Duration = Duration::from_millis(500);

/// The shortest time that a probe may take.
const SHORTEST: Duration = Duration::from_millis(50);

/// How long a probe may take where Prometheus does not say how long it waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Machines that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// All that this machine reaches.
    Any,
    /// These.
    These(Vec<Machines>),
}

/// Some machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machines {
    /// One of this name.
    Name(String),
    /// All whose names end so, after a dot.
    Below(String),
    /// All addresses that begin as this one, so many bits of it.
    Prefix(IpAddr, u8),
}

impl Machines {
    /// Reads a name, `*.domain`, an address or a prefix.
    ///
    /// # Errors
    ///
    /// It is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no name, `*.domain`, address or prefix");
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Prefix(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            return match bits.parse() {
                Ok(bits) if bits <= most => Ok(Self::Prefix(address, bits)),
                _ => Err(wrong()),
            };
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let good = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        if name.is_empty() || !name.bytes().all(good) {
            return Err(wrong());
        }
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Ok(if below { Self::Below(name) } else { Self::Name(name) })
    }

    fn hold(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Name(own), Host::Name(name)) => own == name,
            (Self::Below(own), Host::Name(name)) => {
                name.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (Self::Prefix(own, bits), Host::Address(address)) => within(*own, *bits, *address),
            _ => false,
        }
    }
}

fn within(prefix: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (prefix, address) {
        (IpAddr::V4(prefix), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - bits)).unwrap_or_default();
            u32::from(prefix) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(prefix), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - bits)).unwrap_or_default();
            u128::from(prefix) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

impl Allowed {
    /// Whether a target may be asked.
    #[must_use]
    pub fn hold(&self, target: &Target) -> bool {
        let Self::These(these) = self else { return true };
        let host = match target {
            Target::Dns(dns) => match dns.server {
                Some(server) => Host::Address(server.ip()),
                // This machine's own name server.
                None => return true,
            },
            target => match target.host() {
                Some(host) => host.clone(),
                None => return false,
            },
        };
        these.iter().any(|machines| machines.hold(&host))
    }
}

/// The modules that there are, with what they are for.
pub const MODULES: [(&str, &str); 9] = [
    ("http_2xx", "an HTTP GET that is answered with 200 to 299"),
    ("http_post_2xx", "an HTTP POST that is answered with 200 to 299"),
    ("tcp_connect", "a TCP connection"),
    ("tls_connect", "a TLS handshake with a certificate that is good for the name"),
    ("icmp", "an ICMP echo"),
    ("dns", "a question to a name server: target is the server, `name` and `type` what is asked"),
    ("postgres", "a login into PostgreSQL and a query"),
    ("redis", "PING to Redis"),
    ("any", "a target as `netwright probe` has it"),
];

/// The probe of a request.
///
/// # Errors
///
/// What is wrong with it, for who asked.
fn spec(
    module: &str,
    target: &str,
    asked: (&str, &str),
    patience: Duration,
) -> Result<Spec, String> {
    let with = |scheme: &str| {
        if target.contains("://") { target.to_owned() } else { format!("{scheme}://{target}") }
    };
    let text = match module {
        "http_2xx" | "http_post_2xx" => with("http"),
        "tcp_connect" => with("tcp"),
        "tls_connect" => with("tls"),
        "icmp" => with("icmp"),
        "dns" => format!("dns://{}@{target}?type={}", asked.0, asked.1),
        "postgres" => with("postgres"),
        "redis" => with("redis"),
        "any" => target.to_owned(),
        other => {
            let names: Vec<&str> = MODULES.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no module `{other}`; there are {}", names.join(", ")));
        }
    };
    let mut target = Target::parse(&text)?;
    let fits = match module {
        "http_2xx" | "http_post_2xx" => matches!(target, Target::Http(_)),
        "tcp_connect" => matches!(target, Target::Tcp(_)),
        "tls_connect" => matches!(target, Target::Tls(_)),
        "icmp" => matches!(target, Target::Icmp(_)),
        "postgres" => matches!(target, Target::Postgres(_)),
        "redis" => matches!(target, Target::Redis(_)),
        _ => true,
    };
    if !fits {
        return Err(format!("the module `{module}` cannot ask {target}"));
    }
    if let Target::Http(http) = &mut target {
        // A redirect leads elsewhere, where nobody allowed to ask.
        http.expect.redirects = 0;
        if module == "http_post_2xx" {
            http.with_method("POST")?;
        }
    }
    Ok(Spec { timeout: patience, ..Spec::of(target) })
}

#[cfg(test)]
mod tests;
