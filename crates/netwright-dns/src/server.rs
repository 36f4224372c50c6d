//! The server without sockets and without a clock: what comes goes in, with the time; what is to be sent comes out.

use std::fmt;
use std::net::SocketAddr;

use crate::answer::{Answer, Chain, Next, extended};
use crate::cache::{Cache, Kept};
use crate::forward::{Ended, Queries, Waiter};
use crate::limits::Limits;
use crate::message::{self, Came, Question};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::trouble::{self, Late, Troubles, Wronged};
use crate::zones::{Zones, key};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

/// Who asks, and how he is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Where the query came from.
    pub from: SocketAddr,
    /// The socket or connection that it came by: a number of the caller's.
    pub door: u64,
    /// It came over TCP: the answer may be long.
    pub stream: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Do {
    /// An answer is sent.
    Reply(Client, Vec<u8>),
    /// Another server is asked; what was under way with this number is over.
    Ask {
        /// The query's number.
        number: u64,
        /// The server.
        to: SocketAddr,
        /// Over TCP.
        stream: bool,
        /// The query.
        octets: Vec<u8>,
    },
    /// The query with this number is over.
    Forget(u64),
    /// A line is written to the log.
    Say(String),
}

/// Gives an unpredictable number, for queries to other servers.
pub type Random = Box<dyn FnMut() -> u16 + Send>;

/// A name server.
pub struct Server {
    settings: Settings,
    zones: Zones,
    cache: Cache,
    queries: Queries,
    limits: Limits,
    metrics: Metrics,
    random: Random,
    troubles: Troubles,
    late: Late,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Server {
    /// A server, and what of its settings it cannot answer with, in words. Its clock begins at 0.
    #[must_use]
    pub fn new(settings: Settings, random: Random) -> (Self, Vec<String>) {
        let (zones, problems) = Zones::of(&settings);
        let limits = Limits::new(settings.queries_per_second);
        let troubles = Troubles::of(&settings, 0);
        let server = Self {
            settings,
            zones,
            cache: Cache::default(),
            queries: Queries::default(),
            limits,
            metrics: Metrics::default(),
            random,
            troubles,
            late: Late::default(),
        };
        (server, problems)
    }

    /// Holds something else from now on; what is under way goes on. Gives what it cannot answer with, in words.
    pub fn adopt(&mut self, settings: Settings, now: u64) -> Vec<String> {
        self.troubles = Troubles::of(&settings, now);
        let (zones, problems) = Zones::of(&settings);
        self.zones = zones;
        if settings.queries_per_second != self.settings.queries_per_second {
            self.limits = Limits::new(settings.queries_per_second);
        }
        // What was remembered may be of servers that are asked no more.
        self.cache = Cache::default();
        self.settings = settings;
        problems
    }

    /// Takes a message of a client. `now` is in milliseconds of any clock that does not go back.
    pub fn query(&mut self, client: Client, octets: &[u8], now: u64, out: &mut Vec<Do>) {
        self.metrics.queries[usize::from(client.stream)] += 1;
        let source = client.from.ip();
        if !self.limits.allow(source, now) {
            self.metrics.limited += 1;
            return;
        }
        let clients = &self.settings.clients;
        let stranger = !clients.is_empty() && !clients.iter().any(|own| own.contains(source));
        let (question, name, kind) = match message::read(octets) {
            Came::Noise => {
                self.metrics.noise += 1;
                return;
            }
            Came::Wrong(question, answer) => {
                return self.reply(client, &question, &answer, out);
            }
            Came::Question(question, ..) if stranger => {
                self.metrics.strangers += 1;
                let text = format!("{source} is no address of {}", self.settings.view);
                let answer = Answer::refusal(ResponseCode::Refused, extended::PROHIBITED, text);
                return self.reply(client, &question, &answer, out);
            }
            Came::Question(question, name, kind) => (question, name, kind),
        };
        if let Some(wrong) = self.troubles.with(source, &name, now) {
            self.metrics.wronged += 1;
            match trouble::answer(wrong, &name, kind) {
                Wronged::Silent => {}
                Wronged::Answer(answer) => self.reply(client, &question, &answer, out),
                Wronged::Late(wait) => {
                    self.late.hold(now.saturating_add(wait), (client, question, name, kind));
                }
            }
            return;
        }
        self.asked((client, question), (name, kind), now, out);
    }

    /// Answers a question as it should be.
    fn asked(
        &mut self,
        (client, question): (Client, Question),
        (name, kind): (Name, RecordType),
        now: u64,
        out: &mut Vec<Do>,
    ) {
        let chain = Chain::new(name, kind, question.recursive());
        let next = chain.follow(&self.zones, self.settings.most_aliases);
        self.go_on((client, question), next, now, out);
    }

    /// Answers, or asks other servers, unless what they say is remembered.
    fn go_on(
        &mut self,
        (client, question): (Client, Question),
        mut next: Next,
        now: u64,
        out: &mut Vec<Do>,
    ) {
        loop {
            let (chain, servers) = match next {
                Next::Done(answer) => return self.reply(client, &question, &answer, out),
                Next::Ask(chain, servers) => (chain, servers),
            };
            if let Some(kept) = self.cache.get(&key(&chain.name), chain.kind, now) {
                self.metrics.remembered += 1;
                next = self.kept(chain, kept, true);
                continue;
            }
            let waiter = Waiter { client, question: question.clone(), chain };
            let stamp = (now, (self.random)());
            let before = out.len();
            if !self.queries.ask(waiter, servers, stamp, out) {
                let answer =
                    Answer::failure(extended::OTHER, "too many questions wait for other servers");
                return self.reply(client, &question, &answer, out);
            }
            self.count_asked(&out[before..]);
            return;
        }
    }

    fn count_asked(&mut self, done: &[Do]) {
        let asked = done.iter().filter(|what| matches!(what, Do::Ask { .. })).count();
        self.metrics.asked += u64::try_from(asked).unwrap_or_default();
    }

    /// Goes on with what other servers said.
    fn kept(&self, chain: Chain, kept: Kept, before: bool) -> Next {
        match kept {
            Kept::Said(code, answers, authorities) => {
                chain.told(&self.zones, self.settings.most_aliases, code, (answers, authorities))
            }
            Kept::Failed(why) => {
                let reason =
                    if before { extended::CACHED } else { extended::NO_REACHABLE_AUTHORITY };
                Next::Done(Answer::failure(reason, format!("{}: {why}", chain.name)))
            }
        }
    }

    /// Takes what another server said to the query with this number.
    pub fn told(&mut self, number: u64, octets: &[u8], now: u64, out: &mut Vec<Do>) {
        let (stamp, before) = ((now, (self.random)()), out.len());
        let ended = self.queries.told(number, octets, stamp, out);
        self.count_asked(&out[before..]);
        self.ended(ended, now, out);
    }

    /// The other server cannot be asked.
    pub fn failed(&mut self, number: u64, why: &str, now: u64, out: &mut Vec<Do>) {
        self.metrics.unanswered += 1;
        let (stamp, before) = ((now, (self.random)()), out.len());
        let ended = self.queries.failed(number, why, stamp, out);
        self.count_asked(&out[before..]);
        self.ended(ended, now, out);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Do>) {
        self.troubles.tick(now);
        for number in self.queries.due(now) {
            self.failed(number, "does not answer", now, out);
        }
        for (client, question, name, kind) in self.late.due(now) {
            self.asked((client, question), (name, kind), now, out);
        }
    }

    /// When something is due, in milliseconds.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let all = [self.queries.next_due(), self.late.next_due(), self.troubles.next_due()];
        all.into_iter().flatten().min()
    }

    fn ended(&mut self, ended: Option<Ended>, now: u64, out: &mut Vec<Do>) {
        let Some(ended) = ended else { return };
        let kept = match ended.said {
            Ok(message) => {
                let message = *message;
                Kept::Said(message.metadata.response_code, message.answers, message.authorities)
            }
            Err(why) => {
                out.push(Do::Say(format!("no server answers: {why}")));
                Kept::Failed(why)
            }
        };
        self.cache.put(ended.name, ended.kind, kept.clone(), now);
        for Waiter { client, question, chain } in ended.waiters {
            let next = self.kept(chain, kept.clone(), false);
            self.go_on((client, question), next, now, out);
        }
    }

    fn reply(&mut self, client: Client, question: &Question, answer: &Answer, out: &mut Vec<Do>) {
        if let Some(circle) = &answer.circle {
            let count = self.metrics.circle(&circle.names);
            // The first is news, and then each doubling: a program that asks all the time does not fill the log.
            if count.is_power_of_two() {
                let from = client.from.ip();
                let times = if count > 1 { format!(", met {count} times") } else { String::new() };
                out.push(Do::Say(format!("alias loop: {}, asked by {from}{times}", circle.way)));
            }
        }
        let octets = question.answered(answer, client.stream);
        let count = self.metrics.answers.entry(message::word(answer.code)).or_default();
        *count += 1;
        // The bit that says so is in the third octet.
        if octets.get(2).is_some_and(|flags| flags & 2 != 0) {
            self.metrics.truncated += 1;
        }
        out.push(Do::Reply(client, octets));
    }

    /// The counters as text for Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let now = [self.cache.len(), self.queries.len(), self.troubles.len()];
        self.metrics.text(&self.settings.view, now)
    }
}

#[cfg(test)]
mod tests;
