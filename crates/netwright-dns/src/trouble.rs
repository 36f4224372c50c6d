//! What a server does wrong on purpose: answers that are none, wrong or late, for the names and clients of a game day.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::answer::{Answer, extended};
use crate::message::Question;
use crate::server::Client;
use crate::settings::{Settings, Trouble, Wrong};

/// Time to live of wrong addresses, in seconds: whoever has asked asks again.
const TTL: u32 = 1;
/// Questions that are held back at a time; more are answered at once.
const HELD: usize = 4096;

/// How a question is answered wrongly.
pub(crate) enum Wronged {
    /// Not at all.
    Silent,
    /// With this.
    Answer(Answer),
    /// As it should be, so many milliseconds later.
    Late(u64),
}

/// What is done wrong on purpose, each with when it is over.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Vec<(Option<u64>, Trouble)>);

impl Troubles {
    /// Those of settings that are taken now.
    pub(crate) fn of(settings: &Settings, now: u64) -> Self {
        let ends = |own: &Trouble| own.lasts.map(|lasts| now.saturating_add(lasts));
        Self(settings.troubles.iter().map(|own| (ends(own), own.clone())).collect())
    }

    /// What is to be done wrong with a question.
    pub(crate) fn with(&self, client: IpAddr, name: &Name, now: u64) -> Option<&Wrong> {
        if self.0.is_empty() {
            return None;
        }
        let name = name.to_ascii();
        let name = name.trim_end_matches('.');
        let on = self.0.iter().filter(|(ends, _)| ends.is_none_or(|ends| now < ends));
        let mut all = on.filter(|(_, one)| one.concerns(client, name));
        all.next().map(|(_, one)| &one.what)
    }

    /// Forgets what is over.
    pub(crate) fn tick(&mut self, now: u64) {
        self.0.retain(|(ends, _)| ends.is_none_or(|ends| now < ends));
    }

    /// When the next is over.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.0.iter().filter_map(|(ends, _)| *ends).min()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The wrong answer.
pub(crate) fn answer(wrong: &Wrong, name: &Name, kind: RecordType) -> Wronged {
    const WHY: &str = "a game day is under way";
    match wrong {
        Wrong::Silent => Wronged::Silent,
        Wrong::Failure => Wronged::Answer(Answer::failure(extended::OTHER, WHY)),
        Wrong::NoName => {
            Wronged::Answer(Answer::refusal(ResponseCode::NXDomain, extended::OTHER, WHY))
        }
        Wrong::Late(milliseconds) => Wronged::Late(*milliseconds),
        Wrong::Addresses(addresses) => {
            let data = addresses.iter().filter_map(|address| match (address, kind) {
                (IpAddr::V4(own), RecordType::A) => Some(RData::A(A(*own))),
                (IpAddr::V6(own), RecordType::AAAA) => Some(RData::AAAA(AAAA(*own))),
                _ => None,
            });
            let answers = data.map(|data| Record::from_rdata(name.clone(), TTL, data)).collect();
            Wronged::Answer(Answer {
                code: ResponseCode::NoError,
                own: false,
                answers,
                authorities: Vec::new(),
                extended: Some((extended::OTHER, WHY.to_owned())),
                circle: None,
            })
        }
    }
}

type Asked = (Client, Question, Name, RecordType);

/// Questions that are answered late, by when and in the order in which they came.
#[derive(Default)]
pub(crate) struct Late {
    held: BTreeMap<(u64, u64), Asked>,
    number: u64,
}

impl Late {
    /// Holds a question back. Of too many, the one that is due first gives way.
    pub(crate) fn hold(&mut self, due: u64, asked: Asked) {
        self.number += 1;
        if self.held.len() >= HELD {
            self.held.pop_first();
        }
        self.held.insert((due, self.number), asked);
    }

    /// The questions that are to be answered now.
    pub(crate) fn due(&mut self, now: u64) -> Vec<Asked> {
        let later = self.held.split_off(&(now.saturating_add(1), 0));
        std::mem::replace(&mut self.held, later).into_values().collect()
    }

    /// When the next is to be answered.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }
}
