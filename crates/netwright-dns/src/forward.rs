//! Queries to other servers: which are under way, when they are given up, and what waits for them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use crate::answer::Chain;
use crate::message::{self, Question};
use crate::server::{Client, Do};
use crate::zones::{Key, key};

/// Most queries that are under way at a time.
const QUERIES: usize = 256;
/// Most questions that wait for one query.
const WAITERS: usize = 64;
/// How long a server is given, in milliseconds. All tries together take less than clients wait.
const PATIENCE: u64 = 1000;
/// How often servers are asked for one question, one after the other.
const TRIES: usize = 4;

/// A question that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) client: Client,
    pub(crate) question: Question,
    pub(crate) chain: Chain,
}

#[derive(Debug)]
struct Query {
    name: Name,
    kind: RecordType,
    servers: Vec<SocketAddr>,
    tries: usize,
    id: u16,
    stream: bool,
    due: u64,
    /// Why the last server did not do.
    why: String,
    waiters: Vec<Waiter>,
}

impl Query {
    fn server(&self) -> Option<SocketAddr> {
        let at = self.tries.checked_sub(1)? % self.servers.len().max(1);
        self.servers.get(at).copied()
    }
}

/// How a query ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: Key,
    pub(crate) kind: RecordType,
    /// What was said; or why nobody said anything.
    pub(crate) said: Result<Box<Message>, String>,
    pub(crate) waiters: Vec<Waiter>,
}

/// All queries under way, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    under_way: BTreeMap<u64, Query>,
    by_question: HashMap<(Key, RecordType), u64>,
    next: u64,
}

impl Queries {
    /// Asks servers for the name at the end of a question's chain, or waits with those who ask for the same. False where too much is
    /// under way.
    pub(crate) fn ask(
        &mut self,
        waiter: Waiter,
        servers: Vec<SocketAddr>,
        (now, id): (u64, u16),
        out: &mut Vec<Do>,
    ) -> bool {
        let (name, kind) = (waiter.chain.name.clone(), waiter.chain.kind);
        let question = (key(&name), kind);
        if let Some(query) =
            self.by_question.get(&question).and_then(|number| self.under_way.get_mut(number))
        {
            if query.waiters.len() >= WAITERS {
                return false;
            }
            query.waiters.push(waiter);
            return true;
        }
        if self.under_way.len() >= QUERIES || servers.is_empty() {
            return false;
        }
        let number = self.next;
        self.next += 1;
        let mut query = Query {
            name,
            kind,
            servers,
            tries: 0,
            id,
            stream: false,
            due: now,
            why: String::new(),
            waiters: vec![waiter],
        };
        send(number, &mut query, now, out);
        self.by_question.insert(question, number);
        self.under_way.insert(number, query);
        true
    }

    /// Takes what a server said. Gives how the query ended, where it did.
    pub(crate) fn told(
        &mut self,
        number: u64,
        octets: &[u8],
        (now, id): (u64, u16),
        out: &mut Vec<Do>,
    ) -> Option<Ended> {
        let query = self.under_way.get_mut(&number)?;
        // What is no answer to this query may be somebody's try to be believed: the right one may still come.
        let reply = message::reply(octets, query.id, &query.name, query.kind)?;
        if reply.metadata.truncation && !query.stream {
            query.stream = true;
            query.tries -= 1;
            send(number, query, now, out);
            return None;
        }
        let fine =
            matches!(reply.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
        if !fine {
            let why = format!("says {}", reply.metadata.response_code);
            return self.failed(number, &why, (now, id), out);
        }
        self.end(number, Ok(Box::new(reply)), out)
    }

    /// A server cannot be asked, or says what does not help: the next is asked. Gives how the query ended, where none is left.
    pub(crate) fn failed(
        &mut self,
        number: u64,
        why: &str,
        (now, id): (u64, u16),
        out: &mut Vec<Do>,
    ) -> Option<Ended> {
        let query = self.under_way.get_mut(&number)?;
        if let Some(server) = query.server() {
            query.why = format!("{} {why}", server.ip());
        }
        if query.tries < TRIES {
            query.id = id;
            query.stream = false;
            send(number, query, now, out);
            return None;
        }
        let why = query.why.clone();
        self.end(number, Err(why), out)
    }

    fn end(
        &mut self,
        number: u64,
        said: Result<Box<Message>, String>,
        out: &mut Vec<Do>,
    ) -> Option<Ended> {
        let query = self.under_way.remove(&number)?;
        out.push(Do::Forget(number));
        let (name, kind) = (key(&query.name), query.kind);
        self.by_question.remove(&(name.clone(), kind));
        Some(Ended { name, kind, said, waiters: query.waiters })
    }

    /// The queries whose time is up.
    pub(crate) fn due(&self, now: u64) -> Vec<u64> {
        let due = self.under_way.iter().filter(|(_, query)| query.due <= now);
        due.map(|(number, _)| *number).collect()
    }

    /// When the next query's time is up, in milliseconds.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.under_way.values().map(|query| query.due).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.under_way.len()
    }
}

/// Asks the next server.
fn send(number: u64, query: &mut Query, now: u64, out: &mut Vec<Do>) {
    query.tries += 1;
    query.due = now + PATIENCE;
    let Some(to) = query.server() else { return };
    let octets = message::query(query.id, &query.name, query.kind);
    out.push(Do::Ask { number, to, stream: query.stream, octets });
}
