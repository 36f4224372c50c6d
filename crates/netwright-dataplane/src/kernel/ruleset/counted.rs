//! Rulesets as the kernel itself tells of them: tables, chains, sets and maps, with the number of rules or elements of each.
//!
//! A program that lists them as text takes three milliseconds of a processor, most of it to begin, and agents look after each change and every few
//! seconds. The numbers are those of `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NlasIterator};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use crate::kernel::socket::{DATAGRAM, Frame, NLMSG_ERROR, error_code, frames};

/// The part of netfilter that messages are for, in their upper octet.
const NF_TABLES: u16 = 10 << 8;
const NEW_TABLE: u16 = NF_TABLES;
const GET_TABLE: u16 = NF_TABLES + 1;
const NEW_CHAIN: u16 = NF_TABLES + 3;
const GET_CHAIN: u16 = NF_TABLES + 4;
const NEW_RULE: u16 = NF_TABLES + 6;
const GET_RULE: u16 = NF_TABLES + 7;
const NEW_SET: u16 = NF_TABLES + 9;
const GET_SET: u16 = NF_TABLES + 10;
const NEW_ELEMENTS: u16 = NF_TABLES + 12;
const GET_ELEMENTS: u16 = NF_TABLES + 13;

/// Of all objects: the table; and of rules and lists of elements what of it they are in.
const TABLE: u16 = 1;
const WITHIN: u16 = 2;
const CHAIN_NAME: u16 = 3;
const CHAIN_FLAGS: u16 = 10;
/// The chain belongs to one rule, which has it in braces.
const CHAIN_OF_RULE: u32 = 4;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
/// The set belongs to one rule.
const SET_OF_RULE: u32 = 1;
const SET_IS_MAP: u32 = 8;
const SET_IS_MAP_OF_OBJECTS: u32 = 0x40;
const ELEMENTS: u16 = 3;
const ELEMENT_FLAGS: u16 = 3;
/// Not an element of its own: where the one before it ends.
const INTERVAL_ENDS: u32 = 1;
/// The length of a message's header, and of what netfilter adds to it: family, version, resource.
const HEADER: usize = 16;
const OWN_HEADER: usize = 4;
/// The length of an attribute's header.
const ATTRIBUTE: usize = 4;

/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the ruleset became another while it was told.
const INTERRUPTED: u16 = 0x10;
const ENOENT: i32 = 2;
/// How often a ruleset that becomes another meanwhile is asked for anew.
const TRIES: usize = 64;

/// What of the ruleset the namespace of the calling thread holds: `table inet t`, `table inet t chain c`, with rules or elements counted.
pub(super) fn here() -> io::Result<BTreeMap<String, usize>> {
    let mut netfilter = Netfilter::here()?;
    for _ in 0..TRIES {
        if let Some(parts) = netfilter.parts()? {
            return Ok(parts);
        }
    }
    Err(io::Error::other("the ruleset became another each time that it was looked at"))
}

/// An object that was told: its family, and its attributes.
struct Told<'a> {
    family: u8,
    attributes: &'a [u8],
}

impl<'a> Told<'a> {
    fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        attributes(self.attributes).find(|(own, _)| *own == kind).map(|(_, value)| value)
    }

    fn text(&self, kind: u16) -> String {
        let octets = self.attribute(kind).unwrap_or_default();
        String::from_utf8_lossy(octets).trim_end_matches('\0').to_owned()
    }

    /// How `nft` writes a table: with its family.
    fn table(&self) -> String {
        format!("table {} {}", family(self.family), self.text(TABLE))
    }
}

fn family(number: u8) -> String {
    let word = match number {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        other => return other.to_string(),
    };
    word.to_owned()
}

fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(octets).map_while(Result::ok).filter_map(|own| {
        let (kind, length) = (own.kind(), own.value_length());
        let value = own.into_inner().get(ATTRIBUTE..)?.get(..length)?;
        Some((kind, value))
    })
}

/// A number in network order; 0 where there is none.
fn number(value: Option<&[u8]>) -> u32 {
    value.and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// A set that has a name: its family, table, name, and what `nft` calls it.
struct Set {
    family: u8,
    table: String,
    name: String,
    part: String,
}

struct Netfilter {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netfilter {
    fn here() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(DATAGRAM) })
    }

    /// Everything; nothing where it became another meanwhile.
    fn parts(&mut self) -> io::Result<Option<BTreeMap<String, usize>>> {
        let mut parts = BTreeMap::new();
        let mut sets = Vec::new();
        let whole = self.dump((GET_TABLE, NEW_TABLE), 0, &[], |told| {
            parts.insert(told.table(), 0);
        })? && self.dump((GET_CHAIN, NEW_CHAIN), 0, &[], |told| {
            if number(told.attribute(CHAIN_FLAGS)) & CHAIN_OF_RULE == 0 {
                parts.insert(format!("{} chain {}", told.table(), told.text(CHAIN_NAME)), 0);
            }
        })? && self.dump((GET_RULE, NEW_RULE), 0, &[], |told| {
            let chain = format!("{} chain {}", told.table(), told.text(WITHIN));
            if let Some(count) = parts.get_mut(&chain) {
                *count += 1;
            }
        })? && self.dump((GET_SET, NEW_SET), 0, &[], |told| {
            let flags = number(told.attribute(SET_FLAGS));
            if flags & SET_OF_RULE == 0 {
                let map = flags & (SET_IS_MAP | SET_IS_MAP_OF_OBJECTS) != 0;
                let (word, name) = (if map { "map" } else { "set" }, told.text(SET_NAME));
                let part = format!("{} {word} {name}", told.table());
                sets.push(Set { family: told.family, table: told.text(TABLE), name, part });
            }
        })?;
        if !whole {
            return Ok(None);
        }
        for set in sets {
            let which = [(TABLE, set.table.as_str()), (WITHIN, set.name.as_str())];
            let mut count = 0;
            if !self.dump((GET_ELEMENTS, NEW_ELEMENTS), set.family, &which, |told| {
                count += elements(told.attribute(ELEMENTS).unwrap_or_default());
            })? {
                return Ok(None);
            }
            parts.insert(set.part, count);
        }
        Ok(Some(parts))
    }

    /// Asks for everything of a kind: whether it stayed as it was meanwhile.
    fn dump(
        &mut self,
        (ask, answer): (u16, u16),
        family: u8,
        which: &[(u16, &str)],
        mut each: impl FnMut(&Told<'_>),
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&request(ask, self.sequence, family, which), 0)?;
        let mut same = true;
        loop {
            self.buffer.clear();
            self.socket.recv(&mut self.buffer, 0)?;
            for (Frame { kind, flags, sequence }, payload) in frames(&self.buffer) {
                if sequence != self.sequence {
                    continue;
                }
                same &= flags & INTERRUPTED == 0;
                match (kind, error_code(payload)) {
                    (DONE, _) => return Ok(same),
                    // It has gone since it was named.
                    (NLMSG_ERROR, ENOENT) => return Ok(false),
                    (NLMSG_ERROR, code) => return Err(io::Error::from_raw_os_error(code)),
                    (kind, _) if kind == answer => {
                        let attributes = payload.get(OWN_HEADER..).unwrap_or_default();
                        let family = payload.first().copied().unwrap_or_default();
                        each(&Told { family, attributes });
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Elements of a list, without the ends of intervals.
fn elements(list: &[u8]) -> usize {
    let ends = |element: &[u8]| {
        let flags = attributes(element).find(|(kind, _)| *kind == ELEMENT_FLAGS);
        number(flags.map(|(_, value)| value)) & INTERVAL_ENDS != 0
    };
    attributes(list).filter(|(_, element)| !ends(element)).count()
}

/// A question for everything of a kind, of one set or of all.
fn request(kind: u16, sequence: u32, family: u8, which: &[(u16, &str)]) -> Vec<u8> {
    let mut octets = vec![0; HEADER];
    // The family, the version 0, no resource.
    octets.extend([family, 0, 0, 0]);
    for (kind, text) in which {
        let length = u16::try_from(text.len() + 5).unwrap_or(u16::MAX);
        octets.extend(length.to_ne_bytes());
        octets.extend(kind.to_ne_bytes());
        octets.extend(text.as_bytes());
        octets.push(0);
        octets.resize(octets.len().next_multiple_of(4), 0);
    }
    let mut header = Vec::with_capacity(HEADER);
    header.extend(u32::try_from(octets.len()).unwrap_or(u32::MAX).to_ne_bytes());
    header.extend(kind.to_ne_bytes());
    header.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    header.extend(sequence.to_ne_bytes());
    header.resize(HEADER, 0);
    octets.splice(..HEADER, header);
    octets
}
