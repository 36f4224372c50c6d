//! What is asked: targets as people write them (`https://api.example/health`) and as programs hold them.
//!
//! [`Target::parse`] is the one way in; what it lets through cannot be wrong. A password is never shown again: not by `Display`, not by
//! `Debug`, not in JSON.

pub(crate) mod url;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub(crate) use url::Url;

/// Longest target that is read, in octets.
pub const LONGEST: usize = 8_192;

/// How long a probe may take where nothing else is said.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Most of a body that is read where nothing else is said, in octets.
pub const BODY: usize = 1 << 20;

/// A probe: what is asked, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Spec {
    /// What is asked.
    pub target: Target,
    /// Turned around: nothing may answer. Passing needs evidence; silence is evidence only beside a control that is answered.
    pub must_fail: bool,
    /// How long all of it may take.
    pub timeout: Duration,
    /// The address that it is asked from; the machine chooses unless given.
    pub bind: Option<IpAddr>,
    /// The addresses one of which the peer is to see.
    pub sources: Vec<IpAddr>,
    /// What takes longer than this has failed.
    pub within: Option<Duration>,
}

impl Spec {
    /// A probe of a target, with what holds where nothing else is said.
    #[must_use]
    pub const fn of(target: Target) -> Self {
        Self {
            target,
            must_fail: false,
            timeout: TIMEOUT,
            bind: None,
            sources: Vec::new(),
            within: None,
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Target {
    /// A TCP connection.
    Tcp(Address),
    /// A TLS handshake.
    Tls(Tls),
    /// An HTTP request.
    Http(Box<Http>),
    /// A question to a name server.
    Dns(Dns),
    /// PostgreSQL: login and a query.
    Postgres(Box<Database>),
    /// Redis: `PING`.
    Redis(Box<Database>),
    /// An ICMP echo request.
    Icmp(Icmp),
    /// Steps one after the other.
    Path(Vec<StepOf>),
}

/// A machine by name or address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(String),
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// The machine.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A TLS handshake.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Where it is.
    pub to: Address,
    /// The name that the certificate is to be for; the address's host unless given.
    pub name: Option<String>,
    /// The certificates are to be valid for so long.
    pub valid_for: Option<Duration>,
}

/// An HTTP request and what is expected of the answer.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where it goes.
    pub(crate) url: Url,
    /// The method.
    pub method: String,
    /// Headers beside those that the request needs.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What is expected.
    pub expect: HttpExpect,
    /// The certificate's name where it is not the URL's.
    pub name: Option<String>,
    /// The certificates are to be valid for so long.
    pub valid_for: Option<Duration>,
}

/// What is expected of an HTTP answer.
#[derive(Clone, Debug)]
pub struct HttpExpect {
    /// Ranges of statuses, both ends included.
    pub status: Vec<(u16, u16)>,
    /// Texts that the body holds.
    pub contains: Vec<String>,
    /// Regular expressions that the body matches.
    pub matches: Vec<Pattern>,
    /// Headers, each with a text that its value holds.
    pub headers: Vec<(String, String)>,
    /// How many redirects are followed.
    pub redirects: u32,
    /// Most of the body that is read, in octets.
    pub most: usize,
    /// Where in a JSON body the peer says which source it saw (RFC 6901); empty where the body is nothing but that address.
    pub source_at: Option<String>,
}

impl Default for HttpExpect {
    fn default() -> Self {
        Self {
            status: vec![(200, 299)],
            contains: Vec::new(),
            matches: Vec::new(),
            headers: Vec::new(),
            redirects: 5,
            most: BODY,
            source_at: None,
        }
    }
}

/// A regular expression whose automaton is bounded, so that no body takes longer than its length.
#[derive(Clone, Debug)]
pub struct Pattern(pub(crate) regex::bytes::Regex);

impl Pattern {
    /// Most octets that its automaton may take.
    const SIZE: usize = 1 << 20;

    /// Reads one.
    ///
    /// # Errors
    ///
    /// It is none, or too large.
    pub fn parse(text: &str) -> Result<Self, String> {
        let built = regex::bytes::RegexBuilder::new(text)
            .size_limit(Self::SIZE)
            .dfa_size_limit(Self::SIZE)
            .build();
        built
            .map(Self)
            .map_err(|error| format!("`{text}` is no regular expression that can be used: {error}"))
    }
}

/// A question to a name server.
#[derive(Clone, Debug)]
pub struct Dns {
    /// The name.
    pub name: String,
    /// The type of records, for example `A`.
    pub kind: String,
    /// The server; the machine's own unless given.
    pub server: Option<SocketAddr>,
    /// Records that the answer holds, as people write them.
    pub expect: Vec<String>,
}

/// A database or a queue.
#[derive(Clone, Debug)]
pub struct Database {
    /// Where it is.
    pub to: Address,
    /// Over TLS, with the certificate's name where it is not the host's.
    pub tls: Option<Option<String>>,
    /// Who logs in.
    pub user: Option<String>,
    /// With what.
    pub password: Option<Secret>,
    /// Into which database; for Redis its number.
    pub database: Option<String>,
    /// What is asked; `select 1`, or `PING`, unless given.
    pub query: Option<String>,
    /// The first column of the first row of the answer is to be this.
    pub answer: Option<String>,
    /// It must take writes.
    pub writable: bool,
}

/// A word that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a word.
    #[must_use]
    pub const fn new(word: String) -> Self {
        Self(word)
    }

    /// The word, for the peer alone.
    pub(crate) fn word(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// An ICMP echo request.
#[derive(Clone, Debug)]
pub struct Icmp {
    /// The machine.
    pub host: Host,
    /// Packets of this size, in octets with the IP header, are to pass unfragmented; what passes is searched for where they do not.
    pub size: Option<u32>,
}

/// A step of a path. `${name}` stands for what an earlier step captured.
#[derive(Clone, Debug)]
pub struct StepOf {
    /// Its name.
    pub name: String,
    /// Its target, before names are replaced.
    pub target: String,
    /// The method of a request.
    pub method: Option<String>,
    /// Its headers, before names are replaced.
    pub headers: Vec<(String, String)>,
    /// Its body, before names are replaced.
    pub body: Option<String>,
    /// What is expected of the answer.
    pub expect: HttpExpect,
    /// What is kept for later steps.
    pub capture: Vec<(String, Capture)>,
    /// It is gone through also when a step before it failed.
    pub always: bool,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// Where in an answer a value is.
#[derive(Clone, Debug)]
pub enum Capture {
    /// A header's value.
    Header(String),
    /// A place of a JSON body (RFC 6901).
    Json(String),
    /// The first group of a regular expression in the body.
    Matches(Pattern),
}

impl Target {
    /// Reads a target: `tcp://`, `tls://`, `http://`, `https://`, `dns://`, `postgres://`, `redis://`, `rediss://` or `icmp://`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words that hold no password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text)?;
        match url.scheme.as_str() {
            "tcp" => {
                url.only(&[])?;
                Ok(Self::Tcp(url.address(None)?))
            }
            "tls" => {
                url.only(&["name", "valid_for"])?;
                let valid_for = url.option("valid_for").map(|text| duration(&text)).transpose()?;
                Ok(Self::Tls(Tls {
                    to: url.address(Some(443))?,
                    name: url.option("name"),
                    valid_for,
                }))
            }
            "http" | "https" => Http::of(url).map(|http| Self::Http(Box::new(http))),
            "dns" => Dns::of(&url).map(Self::Dns),
            "postgres" | "postgresql" => {
                Database::of(&url, 5432).map(|to| Self::Postgres(Box::new(to)))
            }
            "redis" | "rediss" => Database::of(&url, 6379).map(|to| Self::Redis(Box::new(to))),
            "icmp" => {
                url.only(&["size"])?;
                if url.port.is_some() {
                    return Err("ICMP has no ports".to_owned());
                }
                Ok(Self::Icmp(Icmp { host: url.host.clone(), size: url.size()? }))
            }
            other => Err(format!(
                "`{other}://` is not spoken; there are tcp, tls, http, https, dns, postgres, redis, rediss and icmp"
            )),
        }
    }

    /// The scheme: the first word of a target.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Tls(_) => "tls",
            Self::Http(http) if http.url.scheme == "https" => "https",
            Self::Http(_) => "http",
            Self::Dns(_) => "dns",
            Self::Postgres(_) => "postgres",
            Self::Redis(to) if to.tls.is_some() => "rediss",
            Self::Redis(_) => "redis",
            Self::Icmp(_) => "icmp",
            Self::Path(_) => "path",
        }
    }

    /// The machine that is asked, where it is one.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        match self {
            Self::Tcp(to) => Some(&to.host),
            Self::Tls(tls) => Some(&tls.to.host),
            Self::Http(http) => Some(&http.url.host),
            Self::Postgres(to) | Self::Redis(to) => Some(&to.to.host),
            Self::Icmp(icmp) => Some(&icmp.host),
            Self::Dns(_) | Self::Path(_) => None,
        }
    }
}

impl Http {
    fn of(url: Url) -> Result<Self, String> {
        // What a header may not hold is not sent as one.
        if url.path.bytes().any(|octet| octet <= b' ' || octet == 127) {
            return Err(
                "a path holds no spaces or control characters: write them as %20".to_owned()
            );
        }
        let mut headers = Vec::new();
        if let Some(user) = &url.user {
            let password = url.password.as_ref().map_or("", Secret::word);
            let word = base64(format!("{user}:{password}").as_bytes());
            headers.push(("authorization".to_owned(), format!("Basic {word}")));
        }
        Ok(Self {
            url,
            method: "GET".to_owned(),
            headers,
            body: Vec::new(),
            expect: HttpExpect::default(),
            name: None,
            valid_for: None,
        })
    }

    /// Adds a header.
    ///
    /// # Errors
    ///
    /// A name or value that a request cannot carry.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), String> {
        let token =
            |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("`{name}` is no name of a header"));
        }
        if value.bytes().any(|octet| (octet < b' ' && octet != b'\t') || octet == 127) {
            return Err(format!("the value of `{name}` holds control characters"));
        }
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        Ok(())
    }

    /// Sets the method.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn with_method(&mut self, method: &str) -> Result<(), String> {
        if method.is_empty()
            || method.len() > 32
            || !method.bytes().all(|octet| octet.is_ascii_alphabetic())
        {
            return Err(format!("`{method}` is no method"));
        }
        self.method = method.to_ascii_uppercase();
        Ok(())
    }

    /// Where it goes.
    #[must_use]
    pub fn to(&self) -> Address {
        self.url.web_address()
    }

    /// Whether it goes over TLS.
    #[must_use]
    pub fn over_tls(&self) -> bool {
        self.url.scheme == "https"
    }
}

impl Dns {
    fn of(url: &Url) -> Result<Self, String> {
        url.only(&["type", "expect"])?;
        // `dns://name@server`: the name stands where others have a user.
        let (name, server) = match (&url.user, &url.host) {
            (Some(name), Host::Address(address)) => {
                (name.clone(), Some(SocketAddr::new(*address, url.port.unwrap_or(53))))
            }
            (Some(_), Host::Name(host)) => {
                return Err(format!("the name server is written by its address, not as `{host}`"));
            }
            (None, Host::Name(name)) => (name.clone(), None),
            (None, Host::Address(address)) => {
                return Err(format!("`dns://NAME@{address}` asks this server for a name"));
            }
        };
        let kind = url.option("type").unwrap_or_else(|| "A".to_owned()).to_ascii_uppercase();
        if netwright_dns::client::ask(&name, &kind, 0).is_none() {
            return Err(format!(
                "`{name}` is no name that can be asked for, or `{kind}` no type of records"
            ));
        }
        let expect = url.option("expect").unwrap_or_default();
        let expect = expect.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Ok(Self { name, kind, server, expect })
    }
}

impl Database {
    fn of(url: &Url, port: u16) -> Result<Self, String> {
        url.only(&["query", "answer", "writable", "tls", "name"])?;
        let yes = |name: &str| match url.option(name).as_deref() {
            None | Some("no" | "false" | "0") => Ok(false),
            Some("yes" | "true" | "1" | "") => Ok(true),
            Some(other) => Err(format!("`{name}` is yes or no, not `{other}`")),
        };
        let tls = yes("tls")? || url.scheme == "rediss";
        let database = url.path.trim_start_matches('/');
        let database = Some(url::decoded(database)?).filter(|name| !name.is_empty());
        if url.scheme.starts_with("redis")
            && database.as_ref().is_some_and(|name| name.parse::<u16>().is_err())
        {
            return Err("a database of Redis has a number".to_owned());
        }
        Ok(Self {
            to: url.address(Some(port))?,
            tls: tls.then(|| url.option("name")),
            user: url.user.clone(),
            password: url.password.clone(),
            database,
            query: url.option("query"),
            answer: url.option("answer"),
            writable: yes("writable")?,
        })
    }
}

impl Url {
    fn size(&self) -> Result<Option<u32>, String> {
        let Some(text) = self.option("size") else { return Ok(None) };
        match text.parse() {
            Ok(size @ 68..=65_535) => Ok(Some(size)),
            _ => Err(format!("`{text}` is no size of a packet: 68 to 65535 octets")),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(out, "[{address}]"),
            Self::Address(address) => write!(out, "{address}"),
            Self::Name(name) => out.write_str(name),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

/// As it was written, without passwords and without what a query may hold of them.
impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme();
        match self {
            Self::Tcp(to) => write!(out, "{scheme}://{to}"),
            Self::Tls(tls) => write!(out, "{scheme}://{}", tls.to),
            Self::Http(http) => {
                let path = http.url.path.split('?').next().unwrap_or_default();
                write!(out, "{scheme}://{}", http.url.host)?;
                if let Some(port) = http.url.port {
                    write!(out, ":{port}")?;
                }
                out.write_str(path)
            }
            Self::Dns(Dns { name, server: Some(server), .. }) => {
                write!(out, "{scheme}://{name}@{server}")
            }
            Self::Dns(dns) => write!(out, "{scheme}://{}", dns.name),
            Self::Postgres(to) | Self::Redis(to) => {
                write!(out, "{scheme}://{}", to.to)?;
                to.database.as_ref().map_or(Ok(()), |name| write!(out, "/{name}"))
            }
            Self::Icmp(Icmp { host, size: Some(size) }) => {
                write!(out, "{scheme}://{host}?size={size}")
            }
            Self::Icmp(icmp) => write!(out, "{scheme}://{}", icmp.host),
            Self::Path(steps) => {
                let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
                write!(out, "{}", names.join(" > "))
            }
        }
    }
}

/// Reads a time such as `500ms`, `30s`, `14d`.
///
/// # Errors
///
/// It is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 500ms, 30s, 5m, 2h or 14d");
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

/// Base 64 (RFC 4648, section 4).
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in octets.chunks(3) {
        let at = |index: usize| u32::from(part.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > part.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests;
