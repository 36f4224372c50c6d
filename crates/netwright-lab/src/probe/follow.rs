//! One question's packets, in the order of their way.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use netwright_dataplane::kernel::{Fate, Passage, Selection};

use super::{Kind, Probe};

/// Most passages that are told of one question.
const MOST: usize = 64;

/// Where a packet is on its way: the question, its answer, or a message of somebody who could not pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    There,
    Message,
    Back,
}

impl Probe {
    /// Which packets belong to this question.
    pub(crate) fn selection(&self) -> Selection {
        let protocol = match self.what.kind() {
            Kind::Stream => "tcp",
            Kind::Datagram => "udp",
            Kind::Echo => "icmp",
        };
        let ports = [self.target.port(), self.source.port()];
        Selection { protocol, ports: ports.into_iter().filter(|port| *port > 0).collect() }
    }

    /// One passage for each namespace and way: one that was dropped, else the first; in the order of the way, which the time to live tells.
    pub(crate) fn in_order(&self, passages: Vec<Passage>) -> Vec<Passage> {
        let mut all: Vec<(Way, Passage)> =
            passages.into_iter().map(|passage| (self.way(&passage), passage)).collect();
        let stops =
            |passage: &Passage| matches!(passage.fate, Fate::Dropped { .. } | Fate::NotRouted);
        // Where it is sent comes before where it comes in: no router is in between.
        all.sort_by_key(|(way, passage)| {
            (*way, Reverse(passage.ttl), passage.came_by.is_some(), !stops(passage))
        });
        let mut told = BTreeSet::new();
        all.retain(|(way, passage)| told.insert((*way, passage.namespace.clone())));
        all.truncate(MOST);
        all.into_iter().map(|(_, passage)| passage).collect()
    }

    fn way(&self, passage: &Passage) -> Way {
        let words: Vec<&str> = passage.protocol.split_whitespace().collect();
        match (self.what.kind(), words.as_slice()) {
            (Kind::Echo, ["icmp" | "icmpv6", "echo-request"]) => Way::There,
            (Kind::Echo, ["icmp" | "icmpv6", "echo-reply"]) => Way::Back,
            (_, ["icmp" | "icmpv6", ..]) => Way::Message,
            (_, [_, from, ..]) if *from == self.target.port().to_string() => Way::Back,
            _ => Way::There,
        }
    }
}
