//! Names, one hop at a time: each alias is asked for by itself, so that a loop is found and named, and what lies is not believed.
//!
//! A datagram counts as an answer only when it comes from the server that was asked, with the number and the question that were sent.
//! Everything else is passed over, and told when nothing better comes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use netwright_dns::client::{self, Data, Reply, Wrong};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::names::Resolver;
use super::outcome::{Kind, PhaseName, Verdict};
use super::target::Dns;
use super::trail::{Asked, Trail};

/// Most aliases in a row that are followed.
pub(crate) const ALIASES: usize = 16;

/// Datagrams go lost: a question is sent again after so long.
const AGAIN: Duration = Duration::from_millis(700);

/// Datagrams that are no answer and are passed over, for one question.
const NOISE: u32 = 64;

/// The address of a name; IPv4 where there is one.
pub(crate) async fn address(
    resolver: &Resolver,
    name: &str,
    end: Instant,
    trail: &mut Trail,
) -> Asked<IpAddr> {
    trail.begin(PhaseName::Name);
    if let Some(address) = resolver.known(name) {
        trail.end();
        return Ok(address);
    }
    let mut failed = None;
    for name in resolver.candidates(name) {
        for kind in ["A", "AAAA"] {
            match walk(resolver, &name, kind, None, end, trail).await {
                Ok(found) => {
                    trail.end();
                    let address = found.iter().find_map(|data| {
                        if let Data::Address(address) = data { Some(*address) } else { None }
                    });
                    let none = || {
                        Verdict::failed(Kind::NameWithoutRecords, format!("{name} has no address"))
                    };
                    return address.ok_or_else(none);
                }
                // Of the other family it may have one.
                Err(Verdict::Failed(failure)) if failure.kind == Kind::NameWithoutRecords => {
                    failed = Some(Verdict::Failed(failure));
                }
                Err(Verdict::Failed(failure)) if failure.kind == Kind::NameNotFound => {
                    failed.get_or_insert(Verdict::Failed(failure));
                    break;
                }
                Err(other) => return Err(other),
            }
        }
    }
    Err(failed.unwrap_or_else(|| Verdict::unknown("no name was asked for")))
}

/// A question to a name server, with what its answer is to hold.
pub(crate) async fn ask(
    resolver: &Resolver,
    target: &Dns,
    end: Instant,
    trail: &mut Trail,
) -> Asked<()> {
    trail.begin(PhaseName::Query);
    let found = walk(resolver, &target.name, &target.kind, target.server, end, trail).await?;
    trail.end();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let plain = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let missing =
        target.expect.iter().find(|wanted| !found.iter().any(|own| plain(own) == plain(wanted)));
    match missing {
        None => Ok(()),
        Some(wanted) => Err(Verdict::failed(
            Kind::NameAnswerUnexpected,
            format!("{} {} is {}, without {wanted}", target.name, target.kind, found.join(", ")),
        )),
    }
}

/// Follows a name to its records.
async fn walk(
    resolver: &Resolver,
    name: &str,
    kind: &str,
    server: Option<SocketAddr>,
    end: Instant,
    trail: &mut Trail,
) -> Asked<Vec<Data>> {
    let mut chain = vec![plain(name)];
    loop {
        let at = chain.last().cloned().unwrap_or_default();
        let (reply, from) = asked(resolver, &at, kind, server, end).await?;
        trail.peer = Some(from);
        let alias = followed(&reply, kind, &mut chain)?;
        let last = chain.last().map(String::as_str).unwrap_or_default();
        let records: Vec<Data> = own(&reply, last)
            .filter(|(own, _)| *own == kind)
            .map(|(_, data)| data.clone())
            .collect();
        if !records.is_empty() {
            trail.seen.names.clone_from(&chain);
            trail.seen.names.extend(records.iter().map(ToString::to_string));
            return Ok(records);
        }
        // An alias without what it stands for: that is asked for by itself, unless the server says that there is nothing.
        if alias && reply.code == "NOERROR" && last != at {
            continue;
        }
        trail.seen.names.clone_from(&chain);
        return Err(nothing(&reply, &chain, kind));
    }
}

/// The records of a name in an answer, with their types.
fn own<'a>(reply: &'a Reply, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Data)> {
    let of = reply.records.iter().filter(move |record| plain(&record.owner) == name);
    of.map(|record| (record.kind.as_str(), &record.data))
}

/// Goes on along the aliases of one answer; whether there was one.
fn followed(reply: &Reply, kind: &str, chain: &mut Vec<String>) -> Asked<bool> {
    if kind == "CNAME" {
        return Ok(false);
    }
    let mut any = false;
    loop {
        let at = chain.last().cloned().unwrap_or_default();
        let alias = own(reply, &at)
            .find_map(|(_, data)| if let Data::Alias(to) = data { Some(plain(to)) } else { None });
        let Some(to) = alias else { return Ok(any) };
        any = true;
        let before = chain.contains(&to);
        chain.push(to);
        let way = || chain.join(" > ");
        if before {
            return Err(Verdict::failed(
                Kind::NameLoop { chain: chain.clone() },
                format!("aliases in a circle: {}", way()),
            ));
        }
        if chain.len() > ALIASES + 1 {
            let text = format!("more than {ALIASES} aliases in a row: {}", way());
            return Err(Verdict::failed(Kind::NameTooDeep { chain: chain.clone() }, text));
        }
    }
}

/// What an answer without records means.
fn nothing(reply: &Reply, chain: &[String], kind: &str) -> Verdict {
    let name = chain.last().map(String::as_str).unwrap_or_default();
    let way = if chain.len() > 1 { format!(" ({})", chain.join(" > ")) } else { String::new() };
    let more = reply.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    match reply.code.as_str() {
        "NOERROR" => {
            Verdict::failed(Kind::NameWithoutRecords, format!("{name} has no {kind}{way}"))
        }
        "NXDOMAIN" => Verdict::failed(Kind::NameNotFound, format!("{name} does not exist{way}")),
        "REFUSED" => Verdict::failed(
            Kind::NameServerRefused,
            format!("the name server refuses to answer for {name}{more}"),
        ),
        code => Verdict::failed(
            Kind::NameServerFailed,
            format!("the name server says {code} to {name}{more}"),
        ),
    }
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// One question to the servers, in turn until one answers; with who answered.
async fn asked(
    resolver: &Resolver,
    name: &str,
    kind: &str,
    server: Option<SocketAddr>,
    end: Instant,
) -> Asked<(Reply, SocketAddr)> {
    let servers: Vec<SocketAddr> =
        server.map_or_else(|| resolver.servers.clone(), |server| vec![server]);
    let mut failed = Verdict::unknown("this machine has no name server");
    for (index, server) in servers.iter().enumerate() {
        // Those that come later get their share of the time.
        let left = end.saturating_duration_since(Instant::now());
        let share = u32::try_from(servers.len() - index).unwrap_or(1);
        let until = Instant::now() + if share > 1 { left / share } else { left };
        match one(*server, name, kind, until).await {
            Ok(reply) => return Ok((reply, *server)),
            Err(verdict) => failed = verdict,
        }
    }
    Err(failed)
}

/// One question to one server.
async fn one(server: SocketAddr, name: &str, kind: &str, end: Instant) -> Asked<Reply> {
    let broken = |error: &std::io::Error| match super::connect::meaning(
        error,
        &format!("the name server {server}"),
    ) {
        Verdict::Failed(failure) => Verdict::failed(Kind::NameServerUnreachable, failure.text),
        other => other,
    };
    let mut octets = [0; 2];
    getrandom::fill(&mut octets).map_err(|error| {
        Verdict::unknown(format!("this machine has no random numbers: {error}"))
    })?;
    let number = u16::from_be_bytes(octets);
    let question = client::ask(name, kind, number).ok_or_else(|| {
        Verdict::failed(Kind::NameAnswerWrong, format!("`{name}` is no name that can be asked for"))
    })?;
    let datagram = over_udp(server, &question, name, kind, number, end)
        .await
        .map_err(|error| broken(&error))?;
    let reply = match datagram {
        Came::Reply(reply) => reply,
        Came::Lies(0) => {
            return Err(Verdict::failed(
                Kind::NameServerSilent,
                format!("the name server {server} does not answer"),
            ));
        }
        Came::Lies(count) => {
            return Err(Verdict::failed(
                Kind::NameAnswerWrong,
                format!(
                    "the name server {server} sent {count} datagrams that answer no question of ours, and nothing else"
                ),
            ));
        }
    };
    if !reply.truncated {
        return Ok(reply);
    }
    let left = end.saturating_duration_since(Instant::now());
    match tokio::time::timeout(left, over_tcp(server, &question, name, kind, number)).await {
        Ok(Ok(Ok(reply))) => Ok(reply),
        Ok(Ok(Err(wrong))) => Err(Verdict::failed(
            Kind::NameAnswerWrong,
            format!("what the name server {server} says over TCP is no answer: {}", wrong.words()),
        )),
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(Verdict::failed(
            Kind::NameServerSilent,
            format!("the name server {server} does not answer over TCP"),
        )),
    }
}

/// What came over UDP.
enum Came {
    Reply(Reply),
    /// Nothing but so many datagrams that are no answer.
    Lies(u32),
}

async fn over_udp(
    server: SocketAddr,
    question: &[u8],
    name: &str,
    kind: &str,
    number: u16,
    end: Instant,
) -> std::io::Result<Came> {
    let any: SocketAddr =
        if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // The kernel drops what comes from elsewhere.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut again = Some(Instant::now() + AGAIN);
    let mut octets = vec![0; 4_096];
    let mut lies = 0;
    loop {
        let now = Instant::now();
        if now >= end || lies >= NOISE {
            return Ok(Came::Lies(lies));
        }
        let until = again.unwrap_or(end).min(end);
        match tokio::time::timeout(until.saturating_duration_since(now), socket.recv(&mut octets))
            .await
        {
            Ok(read) => match client::reply(&octets[..read?], name, kind, number) {
                Ok(reply) => return Ok(Came::Reply(reply)),
                Err(_) => lies += 1,
            },
            Err(_) => {
                if again.take().is_some() {
                    socket.send(question).await?;
                }
            }
        }
    }
}

async fn over_tcp(
    server: SocketAddr,
    question: &[u8],
    name: &str,
    kind: &str,
    number: u16,
) -> std::io::Result<Result<Reply, Wrong>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length[..], question].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).await?;
    Ok(client::reply(&octets, name, kind, number))
}
