//! Real questions to the name servers of a lab, from inside its namespaces: what each says of a name, over UDP, and over TCP where the answer
//! does not fit.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::time::Duration;

use netwright_dataplane::kernel::{Kernel, enter};
use netwright_dns::client::{Told, question, told};
use netwright_dns::settings::PORT;
use serde_json::{Value, json};

/// Namespaces that ask at a time.
const PLACES: usize = 16;
/// How often a question is asked: servers come up, and answer each source so many questions a second.
const TRIES: u16 = 4;
/// Longest answer.
const LONGEST: usize = 65_535;

/// A name to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The namespace that asks.
    pub from: String,
    /// The server.
    pub server: IpAddr,
    /// The name.
    pub name: String,
}

/// What a server says of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The code of the answer for IPv4, or for IPv6 where that is none; `None` where nothing answers.
    pub code: Option<String>,
    /// The addresses of both families, sorted.
    pub addresses: Vec<IpAddr>,
    /// What the server says beside it, or why nothing answers.
    pub text: Option<String>,
}

impl Wanted {
    pub(crate) fn to_json(&self) -> Value {
        json!({"from": self.from, "server": self.server.to_string(), "name": self.name})
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        Some(Self {
            from: text("from")?.to_owned(),
            server: text("server")?.parse().ok()?,
            name: text("name")?.to_owned(),
        })
    }
}

impl Said {
    fn nothing(why: impl Into<String>) -> Self {
        Self { text: Some(why.into()), ..Self::default() }
    }

    pub(crate) fn to_json(&self) -> Value {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        json!({"code": self.code, "addresses": addresses, "text": self.text})
    }

    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let addresses = value.get("addresses").and_then(Value::as_array);
        let addresses = addresses.map_or(&[][..], Vec::as_slice).iter();
        Self {
            code: text("code"),
            addresses: addresses.filter_map(|address| address.as_str()?.parse().ok()).collect(),
            text: text("text"),
        }
    }
}

/// Asks, each answer given so long; the answers are in the order of the questions.
pub fn ask(kernel: &Kernel, wanted: &[Wanted], patience: Duration) -> Vec<Said> {
    let mut places: BTreeMap<(&str, IpAddr), Vec<usize>> = BTreeMap::new();
    for (at, one) in wanted.iter().enumerate() {
        places.entry((&one.from, one.server)).or_default().push(at);
    }
    let said = Mutex::new(vec![Said::nothing("it was not asked"); wanted.len()]);
    let queue = Mutex::new(places.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..PLACES {
            // A thread that has entered a namespace stays in some namespace until it ends.
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some(((from, server), own)) = next else { return };
                    let names: Vec<&str> = own.iter().map(|at| wanted[*at].name.as_str()).collect();
                    let found =
                        place(kernel, from, SocketAddr::new(server, PORT), &names, patience);
                    let Ok(mut said) = said.lock() else { return };
                    for (at, found) in own.into_iter().zip(found) {
                        said[at] = found;
                    }
                }
            });
        }
    });
    said.into_inner().unwrap_or_default()
}

/// All questions of one namespace to one server.
fn place(
    kernel: &Kernel,
    from: &str,
    server: SocketAddr,
    names: &[&str],
    patience: Duration,
) -> Vec<Said> {
    let all = |why: String| vec![Said::nothing(why); names.len()];
    let Some(space) = kernel.namespace(from) else { return all(format!("the lab has no {from}")) };
    if let Err(error) = enter(space) {
        return all(format!("{from} cannot be entered: {error}"));
    }
    let mut number = 0;
    names
        .iter()
        .map(|name| {
            let mut both = Said::default();
            for v6 in [false, true] {
                number += 1;
                match one(server, name, v6, number, patience) {
                    Ok(told) => {
                        both.addresses.extend(told.addresses);
                        both.text = both.text.or(told.text);
                        // Where one family has an answer and the other none, the name is there.
                        if both.code.is_none() || told.code != "NOERROR" {
                            both.code = Some(told.code);
                        }
                    }
                    Err(error) => return Said::nothing(error.to_string()),
                }
            }
            both.addresses.sort();
            both.addresses.dedup();
            both
        })
        .collect()
}

fn one(
    server: SocketAddr,
    name: &str,
    v6: bool,
    number: u16,
    patience: Duration,
) -> io::Result<Told> {
    let query = question(name, v6, number).ok_or_else(|| io::Error::other("it is no name"))?;
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..TRIES {
        let tried = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect(server)?;
            socket.set_read_timeout(Some(patience))?;
            socket.send(&query)?;
            let mut octets = [0; 4096];
            let read = socket.recv(&mut octets);
            if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
                // The server is about to come up: nothing arrives until the time is over.
                let (nobody, mut none) = (UdpSocket::bind((any, 0))?, [0]);
                nobody.set_read_timeout(Some(patience))?;
                let _nothing = nobody.recv(&mut none);
            }
            let told = told(&octets[..read?], name, v6, number);
            told.ok_or_else(|| io::Error::other("what it says is no answer"))
        });
        match tried {
            Ok(told) if told.truncated => {
                return whole(server, (name, v6, number), &query, patience);
            }
            Ok(told) => return Ok(told),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks over TCP.
fn whole(
    server: SocketAddr,
    (name, v6, number): (&str, bool, u16),
    query: &[u8],
    patience: Duration,
) -> io::Result<Told> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], query].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length)).min(LONGEST)];
    stream.read_exact(&mut octets)?;
    let told = told(&octets, name, v6, number);
    told.ok_or_else(|| io::Error::other("what it says over TCP is no answer"))
}
