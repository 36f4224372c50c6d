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
    let extended = message.edns.as_ref().and_then(|edns| {
        match edns.option(EdnsCode::Unknown(message::EXTENDED))? {
            EdnsOption::Unknown(_, octets) => {
                Some(String::from_utf8_lossy(octets.get(2..)?).into_owned())
            }
            _ => None,
        }
    });
    fits.then(|| Told {
        code: message::word(message.metadata.response_code).to_owned(),
        addresses: message.answers.iter().filter_map(|record| record.data.ip_addr()).collect(),
        text: extended,
        truncated: message.metadata.truncation,
    })
}
