//! Asking a server over HTTP.
//!
//! What it refuses is told in its words, and the program ends as the contract says: 1 where it does not hold (a change is refused, a pool is empty), 2
//! where the question is wrong, 3 where it could not be determined because the server, or its store, is away.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Timeout};

use crate::arguments::Remote;
use crate::console::{Code, Console};
use crate::failure::Failure;

/// The largest answer that is read: 256 MiB.
const LARGEST: u64 = 256 << 20;

/// How long it may take to reach a server.
const CONNECT: Duration = Duration::from_secs(5);

/// A server that is asked.
pub(crate) struct Client {
    agent: Agent,
    server: String,
    key: Option<String>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The body; null where there is none.
    pub(crate) body: Value,
    /// It is from a copy, because the store is away: so many seconds old.
    pub(crate) degraded: Option<u64>,
}

impl Answer {
    /// Says where it is from a copy.
    pub(crate) fn note(&self, console: &mut Console) {
        if let Some(age) = self.degraded {
            console.error(&format!("note: the store is away; this is {age} s old\n"));
        }
    }
}

impl Client {
    /// That of a command's arguments.
    pub(crate) fn new(remote: &Remote) -> Result<Self, Failure> {
        Self::of(remote, false)
    }

    /// As [`Self::new`]; the key is sent without TLS too, since somebody said that the way is nobody else's.
    pub(crate) fn in_the_clear(remote: &Remote) -> Result<Self, Failure> {
        Self::of(remote, true)
    }

    fn of(remote: &Remote, clear: bool) -> Result<Self, Failure> {
        let server = remote.server.trim_end_matches('/').to_owned();
        if !server.starts_with("http://") && !server.starts_with("https://") {
            let help = "a server is http://HOST:PORT or https://HOST:PORT".to_owned();
            return Err(Failure::usage(format!("`{server}` is no server's address"), Some(help)));
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("netwright/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(Duration::from_secs(remote.timeout)));
        if let Some(file) = &remote.ca_file {
            let roots = RootCerts::new_with_certs(&certificates(file)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let key = match &remote.key_file {
            Some(file) => Some(read(file)?),
            None => std::env::var("NETWRIGHT_KEY").ok(),
        };
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if key.is_some() && server.starts_with("http://") && !is_here(&server) && !clear {
            // A key in the clear is everybody's on the way. It is said, and not done.
            let help = "use https://, or a tunnel to http://127.0.0.1".to_owned();
            return Err(Failure::usage(
                format!("the key would be sent to {server} in the clear"),
                Some(help),
            ));
        }
        Ok(Self { agent: config.build().new_agent(), server, key })
    }

    /// Reads.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(&Method::GET, path, &[], None)
    }

    /// Sends something, or nothing, with headers of its own.
    pub(crate) fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        self.exchange(method, path, headers, body)?.map_err(|(status, body)| problem(status, &body))
    }

    /// The same, with the status and words of a refusal as they came.
    pub(crate) fn exchange(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Result<Answer, (u16, Value)>, Failure> {
        let mut response = self.send(method, path, headers, body)?;
        let limited = response.body_mut().with_config().limit(LARGEST);
        let octets = limited.read_to_vec().map_err(|error| self.lost(&error))?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let body = if octets.is_empty() {
            Value::Null
        } else {
            let foreign =
                |_| Failure::unknown(format!("{} does not answer as Netwright", self.server));
            serde_json::from_slice(&octets).map_err(foreign)?
        };
        let status = response.status().as_u16();
        if status >= 400 {
            return Ok(Err((status, body)));
        }
        let age = || header("age").and_then(|age| age.parse().ok()).unwrap_or(0);
        Ok(Ok(Answer { body, degraded: header("x-netwright-degraded").map(|_| age()) }))
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.server));
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let octets = body.map(Value::to_string);
        if octets.is_some() {
            request = request.header("content-type", "application/json");
        }
        let wrong = |error| Failure::usage(format!("that cannot be asked: {error}"), None);
        let sent = match octets {
            Some(octets) => self.agent.run(request.body(octets).map_err(wrong)?),
            None => self.agent.run(request.body(()).map_err(wrong)?),
        };
        sent.map_err(|error| self.lost(&error))
    }

    fn lost(&self, error: &ureq::Error) -> Failure {
        let why = match error {
            ureq::Error::Timeout(Timeout::Connect) => "it cannot be reached in time".to_owned(),
            ureq::Error::Timeout(_) => "it does not answer in time".to_owned(),
            other => other.to_string(),
        };
        Failure::unknown(format!("{}: {why}", self.server))
    }
}

/// A server's refusal.
pub(crate) fn problem(status: u16, body: &Value) -> Failure {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let message = match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => format!("the server answers {status}"),
    };
    let known = ["type", "title", "status", "detail", "instance"];
    let mut notes = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        if known.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Array(values) => notes.extend(values.iter().map(|value| note(name, value))),
            value => notes.push(note(name, value)),
        }
    }
    if let Some(request) = text("instance").and_then(|instance| instance.rsplit(':').next()) {
        notes.push(format!("request {request}"));
    }
    let code = match status {
        409 | 412 => Code::Fail,
        408 | 429 | 500.. => Code::Unknown,
        _ => Code::BadInput,
    };
    Failure::Asked { message, notes, code }
}

/// A line of what else is known of a problem. A place in a file is written as other errors have it.
fn note(name: &str, value: &Value) -> String {
    let field = |name: &str| value.get(name);
    if let Some(message) = field("message").and_then(Value::as_str) {
        let mut text = String::new();
        for part in ["file", "line", "column"] {
            match field(part) {
                Some(Value::String(part)) => text += part,
                Some(Value::Number(number)) => {
                    let _always = write!(text, ":{number}");
                }
                _ => {}
            }
        }
        let space = if text.is_empty() { "" } else { ": " };
        return format!("{text}{space}{message}");
    }
    match value {
        Value::String(text) => format!("{name}: {text}"),
        value => format!("{name}: {value}"),
    }
}

/// A text as a part of a query.
pub(crate) fn query(text: &str) -> String {
    text.bytes().fold(String::new(), |mut query, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~:/".contains(&octet) {
            query.push(char::from(octet));
        } else {
            // A text takes all that is written.
            let _always = write!(query, "%{octet:02X}");
        }
        query
    })
}

/// Whether a server is on this machine.
fn is_here(server: &str) -> bool {
    let host = server.trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display()), None))
}

fn certificates(file: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>, Failure> {
    let text = read(file)?;
    let mut certificates = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => {
                return Err(Failure::usage(format!("{}: {error}", file.display()), None));
            }
        }
    }
    if certificates.is_empty() {
        return Err(Failure::usage(format!("{} holds no certificate", file.display()), None));
    }
    Ok(certificates)
}
