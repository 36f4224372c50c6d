//! Mail through a relay: SMTP (RFC 5321) in small, over TLS from the first octet on (RFC 8314), after STARTTLS (RFC 3207), or in the clear for a relay
//! nearby. Who asks for STARTTLS has it: a relay that refuses it is told nothing.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::post::{Authorities, secured, split};
use super::{Failure, WrongTarget, text};
use crate::alert::desk::Notification;

/// The longest line of an answer, in octets, and the most lines of one.
const BOUNDS: (usize, usize) = (2048, 64);

/// When the connection to a relay is made secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    Never,
    AfterStartTls,
    FromTheFirst,
}

/// The schemes of relays, with their usual ports.
const SCHEMES: [(&str, Secret, u16); 3] = [
    ("smtp://", Secret::Never, 25),
    ("smtp+starttls://", Secret::AfterStartTls, 587),
    ("smtps://", Secret::FromTheFirst, 465),
];

/// A relay and what is sent through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    secret: Secret,
    host: String,
    port: u16,
    from: String,
    to: Vec<String>,
    authorities: Authorities,
}

impl Mail {
    /// A relay as `smtp://host:25`, `smtp+starttls://host:587` or `smtps://host:465`, and addresses.
    ///
    /// # Errors
    ///
    /// The relay's address is none, or an address of mail cannot be one.
    pub fn new(relay: &str, from: &str, to: &[String]) -> Result<Self, WrongTarget> {
        let wrong = |why: &str| WrongTarget(format!("`{}` {why}", relay.escape_debug()));
        let own = |(scheme, secret, port): &(&str, Secret, u16)| {
            Some((*secret, *port, relay.strip_prefix(scheme)?))
        };
        let (secret, usual, rest) = SCHEMES
            .iter()
            .find_map(own)
            .ok_or_else(|| wrong("begins with none of smtp://, smtp+starttls:// and smtps://"))?;
        let graphic = rest.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'/');
        let found = split(rest, usual).filter(|(host, _)| graphic && !host.is_empty());
        let (host, port) = found.ok_or_else(|| wrong("is no relay"))?;
        for address in to.iter().map(String::as_str).chain([from]) {
            if !is_address(address) {
                return Err(WrongTarget(format!(
                    "`{}` is no address of mail",
                    address.escape_debug()
                )));
            }
        }
        if to.is_empty() {
            return Err(WrongTarget("nobody is named whom to write to".to_owned()));
        }
        let (from, to, authorities) = (from.to_owned(), to.to_vec(), Authorities::default());
        Ok(Self { secret, host, port, from, to, authorities })
    }

    /// Believed by these authorities too.
    #[must_use]
    pub fn with_authorities(mut self, authorities: Authorities) -> Self {
        self.authorities = authorities;
        self
    }
}

/// Strict: what could end a command is no address.
fn is_address(text: &str) -> bool {
    let fine = |octet: u8| octet.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&octet);
    let parts = text.split_once('@');
    text.len() <= 254
        && text.bytes().all(fine)
        && parts
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// A notification as a message, without the dots that SMTP adds.
#[must_use]
pub fn message(
    mail: &Mail,
    notification: &Notification,
    moments: &dyn Fn(Duration) -> String,
) -> String {
    let count = notification.alerts.len();
    let mut text = String::new();
    let mut line = |line: &str| {
        // Nothing that an alert says ends a line of the head.
        let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Writing to a string cannot fail.
        let _always = write!(text, "{clean}\r\n");
    };
    line(&format!("From: {}", mail.from));
    line(&format!("To: {}", mail.to.join(", ")));
    let subject =
        format!("{} {}: {count} alerts", notification.level.as_str(), notification.component);
    line(&format!("Subject: {}", subject.replace(|c: char| !c.is_ascii(), "?")));
    line("MIME-Version: 1.0");
    line("Content-Type: text/plain; charset=utf-8");
    line("Content-Transfer-Encoding: 8bit");
    line("Auto-Submitted: auto-generated");
    line("");
    line(&moments(notification.at));
    for alert in text::lines(notification) {
        line("");
        // 998 octets a line at most (RFC 5321, 4.5.3.1.6).
        let mut rest = alert.as_str();
        while !rest.is_empty() {
            let end = (1..=900.min(rest.len())).rev().find(|end| rest.is_char_boundary(*end));
            let (part, more) = rest.split_at(end.unwrap_or(rest.len()));
            line(part);
            rest = more;
        }
    }
    text
}

pub(super) async fn send(mail: &Mail, message: &str) -> Result<(), Failure> {
    let stream = TcpStream::connect((mail.host.as_str(), mail.port)).await;
    let stream = stream.map_err(|error| Failure::Again(error.to_string()))?;
    let tls = async |stream| secured(&mail.host, stream, &mail.authorities).await;
    match mail.secret {
        Secret::Never => {
            let mut relay = Relay::of(stream);
            relay.answer(220).await?;
            relay.speak(mail, message).await
        }
        Secret::FromTheFirst => {
            let mut relay = Relay::of(tls(stream).await?);
            relay.answer(220).await?;
            relay.speak(mail, message).await
        }
        Secret::AfterStartTls => {
            let mut relay = Relay::of(stream);
            relay.answer(220).await?;
            relay.ask(HELLO, 250).await?;
            relay.ask("STARTTLS", 220).await?;
            // What somebody on the way said before it was secret may not be taken for what was said after (RFC 3207, 6).
            if !relay.stream.buffer().is_empty() {
                return Err(Failure::Again("the relay speaks before TLS begins".to_owned()));
            }
            Relay::of(tls(relay.stream.into_inner()).await?).speak(mail, message).await
        }
    }
}

const HELLO: &str = "EHLO netwright";

struct Relay<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<S> {
    fn of(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a message, once the relay has presented itself.
    async fn speak(&mut self, mail: &Mail, message: &str) -> Result<(), Failure> {
        self.ask(HELLO, 250).await?;
        self.ask(&format!("MAIL FROM:<{}>", mail.from), 250).await?;
        for to in &mail.to {
            self.ask(&format!("RCPT TO:<{to}>"), 250).await?;
        }
        self.ask("DATA", 354).await?;
        // A line of a dot alone would end the message.
        let stuffed = message.replace("\r\n.", "\r\n..");
        self.ask(&format!("{stuffed}\r\n."), 250).await?;
        // It has the message: how it parts does not matter.
        let _parted = self.ask("QUIT", 221).await;
        Ok(())
    }

    async fn ask(&mut self, line: &str, expected: u16) -> Result<(), Failure> {
        let again = |error: std::io::Error| Failure::Again(error.to_string());
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.map_err(again)?;
        self.stream.flush().await.map_err(again)?;
        self.answer(expected).await
    }

    async fn answer(&mut self, expected: u16) -> Result<(), Failure> {
        for _ in 0..BOUNDS.1 {
            let line = self.line().await?;
            let status = line.get(..3).and_then(|status| status.parse::<u16>().ok());
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            return match status {
                Some(status) if status == expected => Ok(()),
                Some(500..=599) => {
                    Err(Failure::Final(format!("the relay answered `{}`", line.trim())))
                }
                _ => Err(Failure::Again(format!(
                    "the relay answered `{}`",
                    line.trim().escape_debug()
                ))),
            };
        }
        Err(Failure::Again("the relay's answer has no end".to_owned()))
    }

    async fn line(&mut self) -> Result<String, Failure> {
        let again = |error: std::io::Error| Failure::Again(error.to_string());
        let mut line = Vec::new();
        loop {
            let part = self.stream.fill_buf().await.map_err(again)?;
            if part.is_empty() {
                return Err(Failure::Again("the relay closed the connection".to_owned()));
            }
            let end = part.iter().position(|octet| *octet == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            line.extend_from_slice(&part[..taken]);
            self.stream.consume(taken);
            if end.is_some() || line.len() > BOUNDS.0 {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }
}
