//! What is said to a question: from the zones, alias by alias, until there is an answer, a reason for none, or somebody else to ask.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA, HINFO};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::settings::PORT;
use crate::zones::{Key, Node, Said, Set, Zone, Zones, key};

/// Time to live of addresses of names that are in no zone, in seconds.
const HOST_TTL: u32 = 60;

/// Extended errors of RFC 8914.
pub(crate) mod extended {
    /// Any other: the text says which.
    pub(crate) const OTHER: u16 = 0;
    /// A failure of before is told again.
    pub(crate) const CACHED: u16 = 13;
    /// The source may not ask.
    pub(crate) const PROHIBITED: u16 = 18;
    /// The server does not answer for the name.
    pub(crate) const NOT_AUTHORITATIVE: u16 = 20;
    /// A kind of question that is not answered.
    pub(crate) const NOT_SUPPORTED: u16 = 21;
    /// No server answers for the name.
    pub(crate) const NO_REACHABLE_AUTHORITY: u16 = 22;
}

/// How a question is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: ResponseCode,
    /// The name that was asked for is of this server's own zones.
    pub(crate) own: bool,
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    /// An extended error and its text.
    pub(crate) extended: Option<(u16, String)>,
    /// Aliases that lead in a circle.
    pub(crate) circle: Option<Circle>,
}

/// Aliases that lead in a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circle {
    /// The way: from the name that was asked for to the name that was met before.
    pub(crate) way: String,
    /// The circle alone, beginning with its first name in order and ending with it.
    pub(crate) names: String,
}

impl Answer {
    pub(crate) fn refusal(code: ResponseCode, why: u16, text: impl Into<String>) -> Self {
        Self {
            code,
            own: false,
            answers: Vec::new(),
            authorities: Vec::new(),
            extended: Some((why, text.into())),
            circle: None,
        }
    }

    pub(crate) fn failure(why: u16, text: impl Into<String>) -> Self {
        Self::refusal(ResponseCode::ServFail, why, text)
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing: this is the answer.
    Done(Answer),
    /// One of these servers is asked for the name at the end of the chain.
    Ask(Chain, Vec<SocketAddr>),
}

/// An answer in the making.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// The name that is looked for now.
    pub(crate) name: Name,
    /// What is looked for.
    pub(crate) kind: RecordType,
    /// The names that were aliases, in order.
    met: Vec<(Key, Name)>,
    answers: Vec<Record>,
    own: bool,
    /// Aliases of other servers may be followed too: the question wants it.
    recurse: bool,
}

impl Chain {
    pub(crate) fn new(name: Name, kind: RecordType, recurse: bool) -> Self {
        Self { name, kind, met: Vec::new(), answers: Vec::new(), own: false, recurse }
    }

    /// Goes on until there is an answer or somebody else is to be asked. At most `most` aliases are followed.
    pub(crate) fn follow(mut self, zones: &Zones, most: usize) -> Next {
        loop {
            let at = key(&self.name);
            if let Some(start) = self.met.iter().position(|(known, _)| *known == at) {
                return Next::Done(self.circle(start));
            }
            if self.met.len() >= most {
                let text = format!("{} goes on over more than {most} aliases", self.first());
                return Next::Done(self.failed((extended::OTHER, text)));
            }
            let Some(zone) = zones.find(&at) else { return Next::Done(self.host(zones, &at)) };
            if !zone.forward_to.is_empty() {
                return self.ask(&zone.forward_to);
            }
            self.own |= self.met.is_empty();
            let node = match zone.ask(&at) {
                Said::Here(node) => node,
                Said::Nothing => return Next::Done(self.none(ResponseCode::NXDomain, zone)),
                Said::Delegated(length, servers) => {
                    return self.delegated(zones, at.len() - length, servers);
                }
            };
            match self.take(node, &at) {
                Some(next) => self.name = next,
                None if self.answers.last().is_some_and(|last| last.name == self.name) => {
                    return Next::Done(self.done(ResponseCode::NoError, Vec::new()));
                }
                None => return Next::Done(self.none(ResponseCode::NoError, zone)),
            }
        }
    }

    /// Takes what a name has of what is looked for; or, where it is an alias of another name, that.
    fn take(&mut self, node: &Node, at: &Key) -> Option<Name> {
        let alias = node.iter().find(|set| set.kind == RecordType::CNAME);
        if self.kind == RecordType::ANY && !node.is_empty() {
            // RFC 8482: who asks for everything is told little.
            let little = RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()));
            self.answers.push(Record::from_rdata(self.name.clone(), HOST_TTL, little));
            return None;
        }
        if let Some(set) = alias
            && self.kind != RecordType::CNAME
            && let Some(RData::CNAME(target)) = set.data.first()
        {
            let target = target.0.clone();
            self.add(set);
            self.met.push((at.clone(), self.name.clone()));
            return Some(target);
        }
        if let Some(set) = node.iter().find(|set| set.kind == self.kind) {
            self.add(set);
        }
        None
    }

    fn add(&mut self, set: &Set) {
        let data = set.data.iter().cloned();
        self.answers.extend(data.map(|one| Record::from_rdata(self.name.clone(), set.ttl, one)));
    }

    /// What other servers said to the name at the end of the chain: the answer; or, where theirs ends in an alias whose name this server
    /// holds, what comes next.
    pub(crate) fn told(
        mut self,
        zones: &Zones,
        most: usize,
        code: ResponseCode,
        (answers, authorities): (Vec<Record>, Vec<Record>),
    ) -> Next {
        let mut rest = answers;
        loop {
            let here =
                |record: &Record, kind| record.name == self.name && record.record_type() == kind;
            let (own, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|record| here(record, self.kind));
            rest = others;
            if !own.is_empty() {
                self.answers.extend(own);
                return Next::Done(self.done(ResponseCode::NoError, Vec::new()));
            }
            let alias = rest.iter().position(|record| here(record, RecordType::CNAME));
            let Some(alias) = alias.map(|at| rest.swap_remove(at)) else {
                // The alias that was taken last may lead back to what this server holds.
                let at = key(&self.name);
                let known = self.met.iter().any(|(known, _)| *known == at)
                    || zones.find(&at).is_some_and(|zone| zone.forward_to.is_empty())
                    || self.met.len() >= most;
                let moved = self.answers.last().is_some_and(
                    |last| matches!(&last.data, RData::CNAME(to) if to.0 == self.name),
                );
                if known && moved {
                    return self.follow(zones, most);
                }
                return Next::Done(self.done(code, authorities));
            };
            let RData::CNAME(to) = &alias.data else {
                return Next::Done(self.done(code, authorities));
            };
            let to = to.0.clone();
            self.met.push((key(&self.name), self.name.clone()));
            self.answers.push(alias);
            self.name = to;
            let at = key(&self.name);
            if self.met.len() >= most || self.met.iter().any(|(known, _)| *known == at) {
                return self.follow(zones, most);
            }
        }
    }

    fn ask(self, servers: &[SocketAddr]) -> Next {
        if !self.recurse {
            let text = format!("{} is forwarded, and the query asks for no recursion", self.name);
            return Next::Done(self.failed((extended::NOT_AUTHORITATIVE, text)));
        }
        Next::Ask(self, servers.to_vec())
    }

    /// The name lies in a part of a zone that other servers answer for.
    fn delegated(mut self, zones: &Zones, below: usize, servers: &Set) -> Next {
        let names = servers.data.iter().filter_map(|data| match data {
            RData::NS(name) => Some(&name.0),
            _ => None,
        });
        let mut addresses: Vec<IpAddr> = names.flat_map(|name| addresses(zones, name)).collect();
        addresses.dedup();
        if !self.recurse {
            let at = key(&self.name);
            let labels = crate::zones::ancestors(&at[below.min(at.len())..]).count() - 1;
            let part = self.name.trim_to(labels);
            let referral = servers.data.iter().cloned();
            let referral = referral.map(|data| Record::from_rdata(part.clone(), servers.ttl, data));
            let referral = referral.collect();
            self.own = false;
            return Next::Done(self.done(ResponseCode::NoError, referral));
        }
        if addresses.is_empty() {
            let text = format!("no zone has an address of a name server of {}", self.name);
            return Next::Done(self.failed((extended::NO_REACHABLE_AUTHORITY, text)));
        }
        let servers: Vec<SocketAddr> =
            addresses.into_iter().map(|address| SocketAddr::new(address, PORT)).collect();
        Next::Ask(self, servers)
    }

    /// A name that is in no zone.
    fn host(mut self, zones: &Zones, at: &Key) -> Answer {
        let Some(addresses) = zones.host(at) else {
            let text =
                format!("no zone of the description that is seen from here holds {}", self.name);
            return self.failed((extended::NOT_AUTHORITATIVE, text));
        };
        if addresses.is_empty() {
            let text = format!("the description gives {} no address", self.name);
            return self.failed((extended::OTHER, text));
        }
        self.own |= self.met.is_empty();
        let wanted = addresses.iter().filter_map(|address| match (address, self.kind) {
            (IpAddr::V4(address), RecordType::A) => Some(RData::A(A(*address))),
            (IpAddr::V6(address), RecordType::AAAA) => Some(RData::AAAA(AAAA(*address))),
            _ => None,
        });
        let found: Vec<Record> =
            wanted.map(|data| Record::from_rdata(self.name.clone(), HOST_TTL, data)).collect();
        let start = if found.is_empty() { vec![Zone::start_of(&self.name)] } else { Vec::new() };
        self.answers.extend(found);
        self.done(ResponseCode::NoError, start)
    }

    /// The name, or what is looked for of it, is not there: the zone says for how long that may be remembered (RFC 2308).
    fn none(self, code: ResponseCode, zone: &Zone) -> Answer {
        let start = zone.start();
        self.done(code, vec![start])
    }

    fn done(self, code: ResponseCode, authorities: Vec<Record>) -> Answer {
        let Self { answers, own, .. } = self;
        Answer { code, own, answers, authorities, extended: None, circle: None }
    }

    fn failed(self, why: (u16, String)) -> Answer {
        Answer { own: self.own, ..Answer::failure(why.0, why.1) }
    }

    /// The name that was asked for.
    fn first(&self) -> &Name {
        self.met.first().map_or(&self.name, |(_, name)| name)
    }

    fn circle(self, start: usize) -> Answer {
        let text = |name: &Name| {
            let text = name.to_ascii().to_ascii_lowercase();
            if text.len() > 1 { text.trim_end_matches('.').to_owned() } else { text }
        };
        let all: Vec<String> = self.met.iter().map(|(_, name)| text(name)).collect();
        let again = all[start].clone();
        let way = format!("{} → {again}", all.join(" → "));
        let mut names = all[start..].to_vec();
        let least = (0..names.len()).min_by_key(|at| &names[*at]).unwrap_or(0);
        names.rotate_left(least);
        let names = format!("{} → {}", names.join(" → "), names[0]);
        let said = format!("these names stand for each other: {way}");
        let circle = Some(Circle { way, names });
        Answer { circle, ..self.failed((extended::OTHER, said)) }
    }
}

/// The addresses that the zones themselves give a name server.
fn addresses(zones: &Zones, name: &Name) -> Vec<IpAddr> {
    let at = key(name);
    let Some(zone) = zones.find(&at) else {
        return zones.host(&at).map(<[IpAddr]>::to_vec).unwrap_or_default();
    };
    // Also below a delegation: that is glue.
    zone.glue(&at)
}
