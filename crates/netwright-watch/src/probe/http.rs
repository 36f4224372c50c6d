//! HTTP/1.1, one request on a connection of its own. [`answer`] reads what comes, without a socket.

pub mod answer;

use std::net::IpAddr;
use std::time::Instant;

use netwright_model::language::is_secret_header;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use answer::Answer;
use answer::{Decoder, Wrong};

use super::connect::{self, meaning};
use super::outcome::{HttpSeen, Kind, PhaseName, Verdict};
use super::prober::Prober;
use super::target::{Host, Http, HttpExpect, Spec, Url};
use super::tls;
use super::trail::{Asked, Trail};

/// Octets that are read at a time.
const PART: usize = 16_384;

/// Asks, follows redirects, and judges the last answer.
pub(crate) async fn ask(
    prober: &Prober,
    target: &Http,
    spec: &Spec,
    end: Instant,
    trail: &mut Trail,
) -> Asked<Answer> {
    let mut url = target.url.clone();
    let mut redirects = 0;
    loop {
        let first = redirects == 0;
        let answer = once(prober, target, (&url, first), spec, end, trail).await?;
        let health = health(&answer);
        trail.seen.http = Some(Box::new(HttpSeen {
            status: answer.status,
            version: format!("1.{}", answer.minor),
            redirects,
            body_length: answer.length,
            content_length: answer.content_length,
            health: health.clone(),
        }));
        let location = matches!(answer.status, 301 | 302 | 303 | 307 | 308)
            .then(|| answer.header("location"))
            .flatten();
        let expected =
            target.expect.status.iter().any(|(low, high)| (*low..=*high).contains(&answer.status));
        let Some(location) = location.filter(|_| !expected && target.expect.redirects > 0) else {
            judge(&target.expect, &answer, health.as_deref())?;
            if !spec.sources.is_empty()
                && let Some(address) = told_source(&answer, target.expect.source_at.as_deref())
            {
                trail.seen_from(address);
            }
            return Ok(answer);
        };
        if redirects == target.expect.redirects {
            return Err(Verdict::failed(
                Kind::HttpRedirect,
                format!("more than {redirects} redirects"),
            ));
        }
        redirects += 1;
        let next = url.joined(&location);
        url = next.map_err(|wrong| {
            Verdict::failed(
                Kind::HttpRedirect,
                format!("a redirect that cannot be followed: {wrong}"),
            )
        })?;
    }
}

/// One request.
async fn once(
    prober: &Prober,
    target: &Http,
    (url, first): (&Url, bool),
    spec: &Spec,
    end: Instant,
    trail: &mut Trail,
) -> Asked<Answer> {
    let to = url.web_address();
    let address = prober.address(&to.host, to.port, end, trail).await?;
    let stream = connect::connect(address, spec.bind, trail).await?;
    let same = first
        || (url.host == target.url.host
            && url.scheme == target.url.scheme
            && url.port == target.url.port);
    let request = request(target, url, (same, first), false);
    let most = target.expect.most;
    let decoder = Decoder::new(if target.method == "HEAD" {
        answer::Body::None
    } else {
        answer::Body::Keep(most)
    });
    if url.scheme == "https" {
        let name = target.name.clone().filter(|_| same).map_or_else(|| to.host.clone(), Host::Name);
        let stream = tls::handshake(prober, stream, &name, target.valid_for, trail).await?;
        exchange(stream, &request, decoder, trail).await
    } else {
        exchange(stream, &request, decoder, trail).await
    }
}

/// A request as octets; `lean`: over a connection that stays, with nothing that is not needed.
pub(crate) fn request(
    target: &Http,
    url: &Url,
    (same, first): (bool, bool),
    lean: bool,
) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\n", target.method, url.path);
    let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\r\n"]);
    let has = |name: &str| target.headers.iter().any(|(own, _)| own == name);
    if !has("host") || !same {
        let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
        line("host", &format!("{}{port}", url.host));
    }
    let usual: &[_] = &[("user-agent", "netwright"), ("accept", "*/*"), ("connection", "close")];
    for (name, value) in usual.iter().take(if lean { 1 } else { 3 }).filter(|(name, _)| !has(name))
    {
        line(name, value);
    }
    // Who is redirected elsewhere takes no secrets along.
    let stays = |name: &str| name == "host" || is_secret_header(name);
    for (name, value) in target.headers.iter().filter(|(name, _)| same || !stays(name)) {
        line(name, value);
    }
    // A body goes to who was asked first.
    let body: &[u8] = if first { &target.body } else { &[] };
    let sends = !body.is_empty() || matches!(target.method.as_str(), "POST" | "PUT" | "PATCH");
    if sends && !has("content-length") {
        line("content-length", &body.len().to_string());
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
    mut decoder: Decoder,
    trail: &mut Trail,
) -> Asked<Answer> {
    trail.begin(PhaseName::FirstOctet);
    stream.write_all(request).await.map_err(|error| meaning(&error, "the peer"))?;
    let mut part = vec![0; PART];
    let mut begun = false;
    while !decoder.done() {
        let read = match stream.read(&mut part).await {
            Ok(read) => read,
            // An end without the notice that TLS has for it: what came is judged by its own lengths.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(meaning(&error, "the peer")),
        };
        if !begun && read > 0 {
            begun = true;
            trail.begin(PhaseName::Body);
        }
        let told = if read == 0 { decoder.end() } else { decoder.feed(&part[..read]).map(drop) };
        told.map_err(|wrong| malformed(wrong, begun))?;
    }
    trail.end();
    Ok(decoder.answer())
}

pub(crate) fn malformed(wrong: Wrong, begun: bool) -> Verdict {
    match wrong {
        Wrong::Ended if !begun => Verdict::failed(
            Kind::ConnectionClosed,
            "the peer closed the connection without an answer",
        ),
        Wrong::TooLarge(most) => Verdict::failed(
            Kind::HttpTooLarge,
            format!("the body is larger than the {most} octets that are read"),
        ),
        other => Verdict::failed(Kind::HttpMalformed, other.to_string()),
    }
}

/// `status` of an answer in health+json (draft-inadarei-api-health-check).
fn health(answer: &Answer) -> Option<String> {
    let kind = answer.header("content-type")?;
    if !kind.to_ascii_lowercase().starts_with("application/health+json") {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let status = value.get("status")?.as_str()?.to_ascii_lowercase();
    // The draft's other words for the same.
    Some(match status.as_str() {
        "ok" | "up" => "pass".to_owned(),
        "error" | "down" => "fail".to_owned(),
        _ => status,
    })
}

/// Measures an answer by what is expected of it.
pub(crate) fn judge_answer(expect: &HttpExpect, answer: &Answer) -> Asked<()> {
    judge(expect, answer, health(answer).as_deref())
}

fn judge(expect: &HttpExpect, answer: &Answer, health: Option<&str>) -> Asked<()> {
    let status = answer.status;
    let failed = |kind, text: String| Err(Verdict::failed(kind, text));
    if health == Some("fail") {
        return failed(
            Kind::SaysUnhealthy,
            format!("it says itself that it is not well (status {status})"),
        );
    }
    if !expect.status.iter().any(|(low, high)| (*low..=*high).contains(&status)) {
        return failed(Kind::HttpStatus { status }, format!("the answer is {status}"));
    }
    for (name, wanted) in &expect.headers {
        match answer.header(name) {
            Some(value) if value.contains(wanted.as_str()) => {}
            Some(_) => {
                return failed(
                    Kind::HeaderMismatch,
                    format!("the header {name} is not `{wanted}`"),
                );
            }
            None => return failed(Kind::HeaderMismatch, format!("there is no header {name}")),
        }
    }
    let holds = |text: &str| {
        text.is_empty() || answer.body.windows(text.len()).any(|part| part == text.as_bytes())
    };
    if let Some(wanted) = expect.contains.iter().find(|wanted| !holds(wanted)) {
        return failed(Kind::BodyMismatch, format!("the body does not hold `{wanted}`"));
    }
    if let Some(wanted) = expect.matches.iter().find(|wanted| !wanted.0.is_match(&answer.body)) {
        return failed(
            Kind::BodyMismatch,
            format!("the body does not match `{}`", wanted.0.as_str()),
        );
    }
    Ok(())
}

fn told_source(answer: &Answer, at: Option<&str>) -> Option<IpAddr> {
    match at.filter(|at| !at.is_empty()) {
        None => std::str::from_utf8(&answer.body).ok()?.trim().parse().ok(),
        Some(at) => {
            let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
            value.pointer(at)?.as_str()?.trim().parse().ok()
        }
    }
}
