//! Messages: what of a datagram is a question, and an answer as octets that fit.

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::answer::{Answer, extended};

/// Largest datagram that is sent, and said to be taken: no path cuts it into pieces (DNS flag day 2020).
pub(crate) const DATAGRAM: u16 = 1232;
/// Largest datagram to one who does not say what he takes.
const PLAIN: u16 = 512;
/// Octets of a message's header.
const HEADER: usize = 12;
/// The code of the option that carries an extended error (RFC 8914).
pub(crate) const EXTENDED: u16 = 15;
/// Longest text of an extended error, in octets.
const TEXT: usize = 480;

/// A question, with what its answer must take over.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    metadata: Metadata,
    query: Option<Query>,
    /// What its sender takes, where he speaks EDNS.
    takes: Option<u16>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    /// A question that can be answered.
    Question(Question, Name, RecordType),
    /// One that cannot, and what is to be said to it.
    Wrong(Question, Answer),
    /// No question at all: nothing is said.
    Noise,
}

impl Question {
    pub(crate) fn recursive(&self) -> bool {
        self.metadata.recursion_desired
    }

    /// The answer as octets. Over UDP, one that does not fit says so and nothing else (RFC 2181, section 9).
    pub(crate) fn answered(&self, answer: &Answer, stream: bool) -> Vec<u8> {
        let mut metadata = Metadata::response_from_request(&self.metadata);
        metadata.recursion_available = true;
        metadata.authoritative = answer.own && answer.extended.is_none();
        metadata.response_code = answer.code;
        let mut message = Message::response(metadata.id, metadata.op_code);
        message.metadata = metadata;
        message.queries.extend(self.query.clone());
        message.edns = self.takes.map(|_| {
            let mut edns = Edns::new();
            edns.set_max_payload(DATAGRAM);
            if let Some((code, text)) = &answer.extended {
                let said = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= TEXT);
                let said: String = said.map(|(_, c)| c).collect();
                let octets = [&code.to_be_bytes()[..], said.as_bytes()].concat();
                edns.options_mut().insert(EdnsOption::Unknown(EXTENDED, octets));
            }
            edns
        });
        message.answers.clone_from(&answer.answers);
        message.authorities.clone_from(&answer.authorities);
        let most = match (stream, self.takes) {
            (true, _) => usize::from(u16::MAX),
            (false, None) => PLAIN.into(),
            (false, Some(takes)) => takes.clamp(PLAIN, DATAGRAM).into(),
        };
        match message.to_vec() {
            Ok(octets) if octets.len() <= most => octets,
            // On a stream everything fits that one record set may hold; what does not is told as a failure.
            whole => {
                message.answers.clear();
                message.authorities.clear();
                if stream || whole.is_err() {
                    message.metadata.response_code = ResponseCode::ServFail;
                } else {
                    message.metadata.truncation = true;
                }
                message.to_vec().unwrap_or_default()
            }
        }
    }
}

/// Reads what came.
pub(crate) fn read(octets: &[u8]) -> Came {
    let mut decoder = BinDecoder::new(octets);
    let Ok(header) = hickory_proto::op::Header::read(&mut decoder) else { return Came::Noise };
    if octets.len() < HEADER || header.metadata.message_type == MessageType::Response {
        return Came::Noise;
    }
    let mut question = Question { metadata: header.metadata, query: None, takes: None };
    let wrong = |question, code, text: &str| {
        Came::Wrong(question, Answer::refusal(code, extended::NOT_SUPPORTED, text))
    };
    if header.metadata.op_code != OpCode::Query {
        return wrong(question, ResponseCode::NotImp, "only queries are answered");
    }
    let Ok(message) = Message::from_vec(octets) else {
        return wrong(question, ResponseCode::FormErr, "the message cannot be read");
    };
    question.takes = message.edns.as_ref().map(Edns::max_payload);
    let [query] = message.queries.as_slice() else {
        return wrong(question, ResponseCode::FormErr, "a message asks one question");
    };
    question.query = Some(query.clone());
    if message.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return wrong(question, ResponseCode::BADVERS, "version 0 of EDNS is spoken");
    }
    if query.query_class() != DNSClass::IN {
        return wrong(question, ResponseCode::Refused, "only class IN is answered");
    }
    let kind = query.query_type();
    if matches!(kind, RecordType::AXFR | RecordType::IXFR) {
        return wrong(question, ResponseCode::Refused, "zones are not transferred");
    }
    if matches!(kind, RecordType::OPT | RecordType::TSIG) {
        return wrong(question, ResponseCode::FormErr, "this is no type of records of a name");
    }
    let name = query.name().clone();
    Came::Question(question, name, kind)
}

/// A code as people write it.
pub(crate) fn word(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::BADVERS => "BADVERS",
        _ => "other",
    }
}

/// A query to another server.
pub(crate) fn query(id: u16, name: &Name, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(DATAGRAM);
    message.edns = Some(edns);
    message.to_vec().unwrap_or_default()
}

/// What another server says to a query; `None` where it is no answer to it.
pub(crate) fn reply(octets: &[u8], id: u16, name: &Name, kind: RecordType) -> Option<Message> {
    let message = Message::from_vec(octets).ok()?;
    let [query] = message.queries.as_slice() else { return None };
    let fits = message.metadata.id == id
        && message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && query.query_type() == kind
        && query.query_class() == DNSClass::IN
        && query.name() == name;
    fits.then_some(message)
}
