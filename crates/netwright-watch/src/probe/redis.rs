//! Redis: login, `PING`, its role, and which source it sees. [`reply`] reads what comes, without a socket.

pub mod reply;

use std::net::IpAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::meaning;
use super::database::{Bounded, connected};
use super::outcome::{Kind, PhaseName, Verdict};
use super::prober::Prober;
use super::target::Database;
use super::trail::{Asked, Trail};
use reply::Reply;

/// Logs in and asks.
pub(crate) async fn ask(
    prober: &Prober,
    target: &Database,
    bind: Option<IpAddr>,
    end: Instant,
    trail: &mut Trail,
) -> Asked<()> {
    let stream = connected(prober, target, bind, end, trail).await?;
    let stream = Bounded::over(prober, target, stream, trail).await?;
    let mut talk = Talk { stream, came: Vec::new() };
    if let Some(password) = &target.password {
        trail.begin(PhaseName::Login);
        let mut words = vec!["AUTH"];
        words.extend(target.user.as_deref());
        words.push(password.word());
        good(talk.say(&words).await?)?;
    }
    if let Some(database) = &target.database {
        good(talk.say(&["SELECT", database]).await?)?;
    }
    trail.begin(PhaseName::Query);
    let query: Vec<&str> = target.query.as_deref().unwrap_or("PING").split_whitespace().collect();
    let answer = good(talk.say(&query).await?)?;
    trail.end();
    let wanted = target.answer.as_deref().or_else(|| target.query.is_none().then_some("PONG"));
    if let Some(wanted) = wanted.filter(|wanted| answer.text().as_deref() != Some(*wanted)) {
        return Err(Verdict::failed(
            Kind::QueryAnswer,
            format!("the answer is {}, not `{wanted}`", answer.shown()),
        ));
    }
    // Older servers, and users with few rights, do not tell these; that is no failure.
    let role = talk.say(&["ROLE"]).await.ok().and_then(|role| role.first());
    trail.seen.server = role.as_ref().map(|role| format!("Redis, {role}"));
    let source = talk.say(&["CLIENT", "INFO"]).await.ok().and_then(|info| info.text());
    if let Some(source) = source.as_deref().and_then(source_of) {
        trail.seen_from(source);
    }
    match role.as_deref() {
        Some("slave" | "replica") if target.writable => Err(Verdict::failed(
            Kind::RedisReadOnly,
            "the server follows another one and takes no writes",
        )),
        None if target.writable => {
            Err(Verdict::unknown("the server does not tell whether it takes writes"))
        }
        _ => Ok(()),
    }
}

/// `addr=10.0.0.1:4321` of `CLIENT INFO`.
fn source_of(info: &str) -> Option<IpAddr> {
    let own = info.split_whitespace().find_map(|word| word.strip_prefix("addr="))?;
    own.parse::<std::net::SocketAddr>().ok().map(|address| address.ip())
}

/// One connection.
struct Talk {
    stream: Bounded,
    came: Vec<u8>,
}

impl Talk {
    /// Says a command and waits for its reply.
    async fn say(&mut self, words: &[&str]) -> Asked<Reply> {
        let mut octets = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            octets.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        // A server that lets nobody in says why and closes: what it said is read also when it takes nothing any more.
        let written = self.stream.write_all(&octets).await;
        let mut part = vec![0; 4_096];
        loop {
            match reply::read(&self.came) {
                Ok(Some((reply, length))) => {
                    self.came.drain(..length);
                    return Ok(reply);
                }
                Ok(None) => {}
                Err(why) => {
                    return Err(Verdict::failed(
                        Kind::Protocol,
                        format!("what the server says is not Redis' protocol: {why}"),
                    ));
                }
            }
            match self.stream.read(&mut part).await {
                Ok(0) => {
                    return Err(Verdict::failed(
                        Kind::ConnectionClosed,
                        "the server closed the connection without an answer",
                    ));
                }
                Ok(read) => self.came.extend_from_slice(&part[..read]),
                Err(error) => return Err(told(written.as_ref().err().unwrap_or(&error))),
            }
        }
    }
}

fn told(error: &std::io::Error) -> Verdict {
    match error.kind() {
        std::io::ErrorKind::InvalidData => Verdict::failed(Kind::Protocol, error.to_string()),
        _ => meaning(error, "the server"),
    }
}

/// A reply that is no error.
fn good(reply: Reply) -> Asked<Reply> {
    let Reply::Error(text) = &reply else { return Ok(reply) };
    let code = text.split_whitespace().next().unwrap_or_default().to_owned();
    let kind = match code.as_str() {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => Kind::RedisNoAuth,
        "LOADING" => Kind::RedisLoading,
        "READONLY" => Kind::RedisReadOnly,
        "ERR" if text.contains("max number of clients") => Kind::DatabaseTooManyConnections,
        "ERR" if text.contains("AUTH") || text.contains("invalid password") => Kind::RedisNoAuth,
        _ => Kind::QueryFailed { code },
    };
    Err(Verdict::failed(kind, format!("the server says: {}", reply.shown())))
}
