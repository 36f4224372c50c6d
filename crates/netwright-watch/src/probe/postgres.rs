//! PostgreSQL: login, a query, and whether the server takes writes.

use std::net::IpAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Config, Error, NoTls, SimpleQueryMessage, config::SslMode};

use super::connect::meaning;
use super::database::{Bounded, connected};
use super::outcome::{Kind, PhaseName, Verdict};
use super::prober::Prober;
use super::target::Database;
use super::trail::{Asked, Trail};

/// The request for TLS: its length and its number.
const WANTS_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What is asked beside the query: whether it only reads, which source it sees, its version. Poolers that know less still answer the query.
const ABOUT: &str = "select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on', host(inet_client_addr()), current_setting('server_version')";

/// Logs in and asks.
pub(crate) async fn ask(
    prober: &Prober,
    target: &Database,
    bind: Option<IpAddr>,
    end: Instant,
    trail: &mut Trail,
) -> Asked<()> {
    let mut stream = connected(prober, target, bind, end, trail).await?;
    if target.tls.is_some() {
        trail.begin(PhaseName::Tls);
        wants_tls(&mut stream).await?;
    }
    let stream = Bounded::over(prober, target, stream, trail).await?;
    trail.begin(PhaseName::Login);
    let (client, connection) =
        config(target).connect_raw(stream, NoTls).await.map_err(|error| failed(&error))?;
    trail.begin(PhaseName::Query);
    let query = target.query.as_deref().unwrap_or("select 1");
    let about = async {
        let rows = client.simple_query(query).await?;
        trail.end();
        // Only a server that says so is known to take no writes.
        Ok((rows, client.simple_query(ABOUT).await))
    };
    let (rows, about) = beside(connection, about).await?;
    let reads_only = about.ok().is_some_and(|about| told(&about, trail));
    let first = rows.iter().find_map(|row| {
        if let SimpleQueryMessage::Row(row) = row { row.try_get(0).ok()? } else { None }
    });
    if let Some(wanted) = &target.answer
        && first != Some(wanted.as_str())
    {
        let found =
            first.map_or_else(|| "nothing".to_owned(), |found| format!("`{}`", short(found)));
        return Err(Verdict::failed(
            Kind::QueryAnswer,
            format!("the query answers {found}, not `{wanted}`"),
        ));
    }
    if target.writable && reads_only {
        return Err(Verdict::failed(
            Kind::DatabaseInRecovery,
            "the server only reads: it follows another one, or is told to",
        ));
    }
    Ok(())
}

/// Notes what the server says of itself; whether it only reads.
fn told(about: &[SimpleQueryMessage], trail: &mut Trail) -> bool {
    let row = about
        .iter()
        .find_map(|row| if let SimpleQueryMessage::Row(row) = row { Some(row) } else { None });
    let column = |at| row.and_then(|row| row.try_get(at).ok().flatten());
    if let Some(source) = column(1).and_then(|source: &str| source.parse().ok()) {
        trail.seen_from(source);
    }
    let reads_only = column(0) == Some("t");
    let role = if reads_only { ", reads only" } else { "" };
    trail.seen.server = column(2).map(|version| format!("PostgreSQL {}{role}", short(version)));
    reads_only
}

/// Asks for TLS, as PostgreSQL has it: one octet says whether it is spoken.
async fn wants_tls(stream: &mut TcpStream) -> Asked<()> {
    let mut answer = [0];
    let asked = async {
        stream.write_all(&WANTS_TLS).await?;
        stream.read_exact(&mut answer).await
    };
    asked.await.map_err(|error| meaning(&error, "the server"))?;
    match answer {
        [b'S'] => Ok(()),
        [b'N'] => Err(Verdict::failed(Kind::TlsNotSpoken, "the server does not speak TLS")),
        _ => Err(Verdict::failed(
            Kind::Protocol,
            "what the server says is not PostgreSQL's protocol",
        )),
    }
}

fn config(target: &Database) -> Config {
    let mut config = Config::new();
    let user = target.user.as_deref().unwrap_or("postgres");
    config.user(user).ssl_mode(SslMode::Disable).application_name("netwright probe");
    config.dbname(target.database.as_deref().unwrap_or(user));
    if let Some(password) = &target.password {
        config.password(password.word());
    }
    config
}

/// Runs a request while the connection is driven.
async fn beside<T>(
    connection: impl Future<Output = Result<(), Error>>,
    request: impl Future<Output = Result<T, Error>>,
) -> Asked<T> {
    let mut connection = std::pin::pin!(connection);
    let mut request = std::pin::pin!(request);
    tokio::select! {
        biased;
        done = &mut request => done.map_err(|error| failed(&error)),
        ended = &mut connection => match ended {
            Err(error) => Err(failed(&error)),
            // What came before the end may be the answer.
            Ok(()) => request.await.map_err(|error| failed(&error)),
        },
    }
}

/// What an error of the server or of its protocol means.
fn failed(error: &Error) -> Verdict {
    if let Some(told) = error.as_db_error() {
        let text = format!("the server says: {}", short(told.message()));
        let kind = match told.code().code() {
            "28000" | "28P01" => Kind::DatabaseAuthentication,
            "53300" => Kind::DatabaseTooManyConnections,
            "57P01" | "57P02" | "57P03" => Kind::DatabaseStarting,
            "3D000" => Kind::DatabaseMissing,
            "25006" => Kind::DatabaseInRecovery,
            "57014" => Kind::QueryTimedOut,
            code => Kind::QueryFailed { code: code.to_owned() },
        };
        return Verdict::failed(kind, text);
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<std::io::Error>() {
            return match inner.kind() {
                std::io::ErrorKind::InvalidData
                | std::io::ErrorKind::InvalidInput
                | std::io::ErrorKind::Other => Verdict::failed(
                    Kind::Protocol,
                    format!("what the server says is not PostgreSQL's protocol: {inner}"),
                ),
                _ => meaning(inner, "the server"),
            };
        }
        source = inner.source();
    }
    let text = error.to_string();
    if error.is_closed() {
        Verdict::failed(Kind::ConnectionClosed, "the server closed the connection")
    } else if text.contains("password")
        || text.contains("authentication")
        || text.contains("invalid configuration")
    {
        Verdict::failed(
            Kind::DatabaseAuthentication,
            "the server asks for a password, or for a way to log in that is not spoken",
        )
    } else {
        Verdict::failed(
            Kind::Protocol,
            format!("what the server says is not PostgreSQL's protocol: {text}"),
        )
    }
}

/// A text as long as one line takes.
fn short(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}
