//! The other side: a question to a name server, and what it says, for those who compare that with something.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};

use crate::message;
use crate::zones;

/// What a server says to a question for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The code, as people write it.
    pub code: String,
    /// The addresses, in the order of the answer.
    pub addresses: Vec<IpAddr>,
    /// The text of an extended error.
    pub text: Option<String>,
    /// The answer did not fit: over TCP it does.
    pub truncated: bool,
}

/// A question for the addresses of one family; `None` where the name cannot be one.
#[must_use]
pub fn question(name: &str, v6: bool, number: u16) -> Option<Vec<u8>> {
    let name = zones::wire(name).ok()?;
    Some(message::query(number, &name, kind(v6))).filter(|octets| !octets.is_empty())
}

fn kind(v6: bool) -> RecordType {
    if v6 { RecordType::AAAA } else { RecordType::A }
}

/// What a message says to a question; `None` where it is no answer to it.
#[must_use]
pub fn told(octets: &[u8], name: &str, v6: bool, number: u16) -> Option<Told> {
    let message = Message::from_vec(octets).ok()?;
    let name: Name = zones::wire(name).ok()?;
    let [query] = message.queries.as_slice() else { return None };
    let fits = message.metadata.id == number
        && message.metadata.message_type == MessageType::Response
        && query.query_type() == kind(v6)
        && *query.name() == name;
    fits.then(|| Told {
        code: message::word(message.metadata.response_code).to_owned(),
        addresses: message.answers.iter().filter_map(|record| record.data.ip_addr()).collect(),
        text: extended(&message),
        truncated: message.metadata.truncation,
    })
}

/// What a server says to a question for records of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code, as people write it.
    pub code: String,
    /// The records of the answer, in its order.
    pub records: Vec<Record>,
    /// The text of an extended error.
    pub text: Option<String>,
    /// The answer did not fit: over TCP it does.
    pub truncated: bool,
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name that it belongs to.
    pub owner: String,
    /// Its type, for example `A`.
    pub kind: String,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// An address.
    Address(IpAddr),
    /// Another name for the same.
    Alias(String),
    /// Anything else, as people write it.
    Other(String),
}

impl std::fmt::Display for Data {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Alias(text) | Self::Other(text) => out.write_str(text),
        }
    }
}

/// Why octets are no answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// They are no message.
    Malformed,
    /// They are a question, or of another kind of operation.
    NoAnswer,
    /// They answer something with another number.
    Number,
    /// They answer another question.
    Question,
}

impl Wrong {
    /// The same in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Malformed => "it is no DNS message",
            Self::NoAnswer => "it is a question itself",
            Self::Number => "it has another number than the question",
            Self::Question => "it answers another question",
        }
    }
}

/// A question for records of a type (`A`, `CNAME`, `TXT`); `None` where the name cannot be one, or there is no such type.
#[must_use]
pub fn ask(name: &str, kind: &str, number: u16) -> Option<Vec<u8>> {
    let kind: RecordType = kind.parse().ok()?;
    let name = zones::wire(name).ok()?;
    Some(message::query(number, &name, kind)).filter(|octets| !octets.is_empty())
}

/// What octets say to a question that [`ask`] made.
///
/// # Errors
///
/// They are no answer to it.
pub fn reply(octets: &[u8], name: &str, kind: &str, number: u16) -> Result<Reply, Wrong> {
    let message = Message::from_vec(octets).map_err(|_| Wrong::Malformed)?;
    if message.metadata.message_type != MessageType::Response {
        return Err(Wrong::NoAnswer);
    }
    if message.metadata.id != number {
        return Err(Wrong::Number);
    }
    let (Ok(kind), Ok(name)) = (kind.parse(), zones::wire(name)) else {
        return Err(Wrong::Question);
    };
    let message = message::reply(octets, number, &name, kind).ok_or(Wrong::Question)?;
    let text = extended(&message);
    let records = message.answers.iter().map(|record| Record {
        owner: record.name.to_string(),
        kind: record.record_type().to_string(),
        data: match &record.data {
            hickory_proto::rr::RData::CNAME(to) => Data::Alias(to.0.to_string()),
            data => data.ip_addr().map_or_else(|| Data::Other(data.to_string()), Data::Address),
        },
    });
    Ok(Reply {
        code: message::word(message.metadata.response_code).to_owned(),
        records: records.collect(),
        text,
        truncated: message.metadata.truncation,
    })
}

/// The text of a message's extended error.
fn extended(message: &Message) -> Option<String> {
    match message.edns.as_ref()?.option(EdnsCode::Unknown(message::EXTENDED))? {
        EdnsOption::Unknown(_, octets) => {
            Some(String::from_utf8_lossy(octets.get(2..)?).into_owned())
        }
        _ => None,
    }
}
