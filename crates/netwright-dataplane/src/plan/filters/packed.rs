//! Many rules of one verdict as few look-ups: rules become elements of sets whose keys are the fields that the rules name, so that what a
//! packet meets does not grow with the number of rules, and a rule that comes or goes is an element that comes or goes.
//!
//! Each element counts its packets and bears the name of its rule.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::intervals::{address, number};
use super::super::nft::Set;

/// Rules of one verdict that follow each other are packed from so many elements on: below, lines are as fast and read more easily.
const FEWEST: usize = 3;

/// Elements of a set do not overlap. Those that do go to a further set, of at most so many; what overlaps in all of them is a line.
const LAYERS: usize = 4;

/// Most elements that one rule becomes.
pub(super) const MOST: usize = 256;

/// A closed interval.
pub(super) type Interval = (u128, u128);

/// The fields of a key, in their order.
pub(super) const FIELDS: usize = 5;
pub(super) const SOURCE: usize = 0;
pub(super) const DESTINATION: usize = 1;
pub(super) const PROTOCOL: usize = 2;
pub(super) const SOURCE_PORT: usize = 3;
pub(super) const PORT: usize = 4;

/// What a rule matches: a closed interval in each field that it names. Both addresses are of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    /// IPv6 where it names addresses of it; none where it names no address.
    pub(super) v6: Option<bool>,
    /// The intervals.
    pub(super) fields: [Option<Interval>; FIELDS],
}

/// Which fields are named, and whether with single values only: a set of those is a hash, which is the fastest to ask and to change.
type Form = (Option<bool>, [bool; FIELDS], bool);

impl Cell {
    fn form(&self) -> Form {
        let exact = self.fields.iter().flatten().all(|(first, last)| first == last);
        (self.v6, self.fields.map(|field| field.is_some()), exact)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let apart = |a: Interval, b: Interval| a.1 < b.0 || b.1 < a.0;
        let mut both = self.fields.iter().zip(&other.fields);
        !both.any(|(a, b)| a.zip(*b).is_some_and(|(a, b)| apart(a, b)))
    }

    fn is_within(&self, other: &Self) -> bool {
        let within = |a: Interval, b: Interval| b.0 <= a.0 && a.1 <= b.1;
        let mut both = self.fields.iter().zip(&other.fields);
        both.all(|(a, b)| a.zip(*b).is_none_or(|(a, b)| within(a, b)))
    }

    /// The element's key.
    fn key(&self) -> String {
        let v6 = self.v6 == Some(true);
        let fields = self.fields.iter().enumerate();
        let words: Vec<String> = fields
            .filter_map(|(field, interval)| Some((field, (*interval)?)))
            .map(|(field, (first, last))| {
                let word = |value: u128| match field {
                    SOURCE | DESTINATION => address(value, v6).to_string(),
                    _ => value.to_string(),
                };
                if first == last { word(first) } else { format!("{}-{}", word(first), word(last)) }
            })
            .collect();
        words.join(" . ")
    }
}

/// The interval of addresses from the first to the last.
pub(super) fn between(first: IpAddr, last: IpAddr) -> Interval {
    (number(first), number(last))
}

/// The expression and the type of a key.
fn expression((v6, named, _): Form) -> (String, String) {
    let (ip, kind) = if v6 == Some(true) { ("ip6", "ipv6_addr") } else { ("ip", "ipv4_addr") };
    let all = [
        (format!("{ip} saddr"), kind),
        (format!("{ip} daddr"), kind),
        ("meta l4proto".to_owned(), "inet_proto"),
        ("th sport".to_owned(), "inet_service"),
        ("th dport".to_owned(), "inet_service"),
    ];
    let all = all.into_iter().zip(named).filter(|(_, named)| *named).map(|(field, _)| field);
    let (fields, kinds): (Vec<String>, Vec<&str>) = all.unzip();
    (fields.join(" . "), kinds.join(" . "))
}

/// Cells of one form that do not overlap.
#[derive(Default)]
struct Layer {
    cells: Vec<(Cell, String)>,
    /// Positions by the beginning of the interval of addresses, which are nested or apart.
    starts: BTreeMap<u128, Vec<usize>>,
}

impl Layer {
    /// A cell of the layer that overlaps another.
    fn overlapping(&self, cell: &Cell) -> Option<&Cell> {
        let hit = |at: &usize| {
            let (other, _) = &self.cells[*at];
            other.overlaps(cell).then_some(other)
        };
        let Some((first, last)) = cell.leading() else {
            return (0..self.cells.len()).find_map(|at| hit(&at));
        };
        let inside = self.starts.range(first..=last).flat_map(|(_, all)| all).find_map(hit);
        inside.or_else(|| {
            // Prefixes that hold this one begin where its leading bits, and zeros, say.
            let beginnings =
                (0..=128).filter_map(|bits| first.checked_shr(bits)?.checked_shl(bits));
            let mut known = None;
            let mut all = beginnings.filter(|start| known.replace(*start) != Some(*start));
            all.find_map(|start| self.starts.get(&start)?.iter().find_map(hit))
        })
    }

    fn push(&mut self, cell: Cell, comment: String) {
        if let Some((first, _)) = cell.leading() {
            self.starts.entry(first).or_default().push(self.cells.len());
        }
        self.cells.push((cell, comment));
    }
}

impl Cell {
    /// The interval of addresses that cells are found by.
    fn leading(&self) -> Option<Interval> {
        self.fields[SOURCE].or(self.fields[DESTINATION])
    }
}

/// Rules of one verdict that follow each other: their order among themselves says nothing.
#[derive(Default)]
pub(super) struct Run {
    cells: Vec<(Cell, String)>,
    lines: Vec<String>,
}

impl Run {
    /// A rule that is a line of its own.
    pub(super) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// A rule that can be elements.
    pub(super) fn cells(&mut self, cells: Vec<Cell>, comment: &str) {
        self.cells.extend(cells.into_iter().map(|cell| (cell, comment.to_owned())));
    }

    /// The run as lines of a chain, with sets that are named after it.
    pub(super) fn finish(
        self,
        chain: &str,
        verdict: &str,
        sets: &mut Vec<Set>,
        lines: &mut Vec<String>,
    ) {
        let few = self.cells.len() < FEWEST;
        let mut forms: BTreeMap<Form, Vec<Layer>> = BTreeMap::new();
        for (cell, comment) in self.cells {
            let line = || format!("{}counter {verdict} comment \"{comment}\"", line_of(&cell));
            if few {
                lines.push(line());
                continue;
            }
            let layers = forms.entry(cell.form()).or_default();
            let mut free = None;
            let mut known = false;
            for (at, layer) in layers.iter().enumerate() {
                match layer.overlapping(&cell) {
                    None => free = free.or(Some(at)),
                    Some(other) => known |= cell.is_within(other),
                }
            }
            match free {
                // What an earlier rule of the same verdict matches wholly, it matches first.
                _ if known => {}
                Some(at) => layers[at].push(cell, comment),
                None if layers.len() < LAYERS => {
                    let mut layer = Layer::default();
                    layer.push(cell, comment);
                    layers.push(layer);
                }
                None => lines.push(line()),
            }
        }
        for (form, layers) in forms {
            let (fields, kind) = expression(form);
            for layer in layers {
                let own = format!("{chain}_");
                let of_chain = |set: &&Set| set.name.starts_with(&own);
                let number = sets.iter().rev().take_while(of_chain).count();
                let name = format!("{own}{number}");
                lines.push(format!("{fields} @{name} {verdict}"));
                let elements = layer.cells.iter();
                let elements = elements
                    .map(|(cell, comment)| format!("{} comment \"{comment}\"", cell.key()))
                    .collect();
                let (_, _, exact) = form;
                let kind = kind.clone();
                sets.push(Set { name, kind, intervals: !exact, counts: true, elements });
            }
        }
        lines.extend(self.lines);
    }
}

/// A cell as the beginning of a line.
fn line_of(cell: &Cell) -> String {
    let mut text = String::new();
    for field in 0..FIELDS {
        let mut own = Cell { v6: cell.v6, fields: [None; FIELDS] };
        own.fields[field] = cell.fields[field];
        if own.fields[field].is_some() {
            text.push_str(&format!("{} {} ", expression(own.form()).0, own.key()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Cell, FIELDS, PORT, PROTOCOL, Run, SOURCE, between};
    use proptest::prelude::*;

    fn cell(first: &str, last: &str, ports: (u128, u128)) -> Cell {
        let parse = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} is an address"));
        let mut fields = [None; FIELDS];
        fields[SOURCE] = Some(between(parse(first), parse(last)));
        fields[PROTOCOL] = Some((6, 6));
        fields[PORT] = Some(ports);
        Cell { v6: Some(false), fields }
    }

    fn packed(cells: &[Cell]) -> (Vec<String>, Vec<Vec<String>>) {
        let mut run = Run::default();
        for (number, cell) in cells.iter().enumerate() {
            run.cells(vec![*cell], &format!("f: {number}"));
        }
        let (mut sets, mut lines) = (Vec::new(), Vec::new());
        run.finish("policy0", "return", &mut sets, &mut lines);
        (lines, sets.into_iter().map(|set| set.elements).collect())
    }

    #[test]
    fn rules_that_do_not_overlap_are_one_set() {
        let cells = [
            cell("10.0.0.0", "10.0.0.255", (443, 443)),
            cell("10.0.0.0", "10.0.0.255", (80, 90)),
            cell("10.0.1.7", "10.0.1.7", (443, 444)),
        ];
        let (lines, sets) = packed(&cells);
        assert_eq!(lines, ["ip saddr . meta l4proto . th dport @policy0_0 return"]);
        assert_eq!(
            sets,
            [[
                "10.0.0.0-10.0.0.255 . 6 . 443 comment \"f: 0\"",
                "10.0.0.0-10.0.0.255 . 6 . 80-90 comment \"f: 1\"",
                "10.0.1.7 . 6 . 443-444 comment \"f: 2\"",
            ]]
        );
    }

    #[test]
    fn rules_that_overlap_are_in_several_sets_and_one_inside_another_in_none() {
        let cells = [
            cell("10.0.0.0", "10.0.0.255", (80, 90)),
            cell("10.0.0.0", "10.255.255.255", (85, 100)),
            cell("10.0.0.9", "10.0.0.9", (80, 81)),
        ];
        let (lines, sets) = packed(&cells);
        assert_eq!((lines.len(), sets.len()), (2, 2), "{lines:?} {sets:?}");
    }

    #[test]
    fn rules_of_single_values_are_a_set_of_their_own() {
        let cells = [
            cell("10.0.0.0", "10.0.0.255", (443, 443)),
            cell("10.0.1.7", "10.0.1.7", (443, 443)),
            cell("10.0.1.8", "10.0.1.8", (443, 443)),
        ];
        let (lines, sets) = packed(&cells);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn few_rules_stay_lines() {
        let (lines, sets) = packed(&[cell("10.0.0.0", "10.0.0.255", (443, 443))]);
        assert_eq!(
            lines,
            [
                "ip saddr 10.0.0.0-10.0.0.255 meta l4proto 6 th dport 443 counter return comment \"f: 0\""
            ]
        );
        assert!(sets.is_empty());
    }

    prop_compose! {
        fn any_cell()(bits in 24_u32..=32, host in 0_u32..256, first in 0_u128..20, more in 0_u128..6)
            -> Cell {
            let last = u32::MAX.checked_shr(bits).unwrap_or(0);
            let start = (0x0a00_0000 | host) & !last;
            let mut fields = [None; FIELDS];
            fields[SOURCE] = Some((start.into(), (start | last).into()));
            fields[PORT] = Some((first, first + more));
            Cell { v6: Some(false), fields }
        }
    }

    proptest! {
        #[test]
        fn what_sets_and_lines_hold_is_what_the_rules_match(cells in prop::collection::vec(any_cell(), 0..40)) {
            let mut run = Run::default();
            for cell in &cells {
                run.cells(vec![*cell], "f: r");
            }
            let (mut sets, mut lines) = (Vec::new(), Vec::new());
            run.finish("p", "return", &mut sets, &mut lines);
            let texts = sets.iter().flat_map(|set| &set.elements);
            let held: Vec<Cell> = cells.iter().copied().filter(|cell| {
                let key = format!("{} comment", cell.key());
                let line = super::line_of(cell);
                texts.clone().any(|text| text.starts_with(&key)) || lines.iter().any(|own| own.starts_with(&line))
            }).collect();
            // Elements of one set never overlap.
            for set in &sets {
                let own: Vec<&Cell> = cells.iter().filter(|cell| set.elements.iter().any(|text| text.starts_with(&format!("{} comment", cell.key())))).collect();
                for (at, one) in own.iter().enumerate() {
                    for other in &own[at + 1..] {
                        prop_assert!(one == other || !one.overlaps(other), "{one:?} {other:?}");
                    }
                }
            }
            let matches = |cells: &[Cell], source: u128, port: u128| cells.iter().any(|cell| {
                let within = |field: usize, value: u128| cell.fields[field].is_none_or(|(first, last)| (first..=last).contains(&value));
                within(SOURCE, source) && within(PORT, port)
            });
            for host in 0..256_u128 {
                for port in 0..26 {
                    let source = 0x0a00_0000 | host;
                    prop_assert_eq!(matches(&cells, source, port), matches(&held, source, port));
                }
            }
        }
    }
}
