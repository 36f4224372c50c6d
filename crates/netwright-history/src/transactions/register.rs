//! Registers: who read whose write is told by unique values; the order of writes only where a transaction wrote what it had read before, and that
//! nothing was there at first.

use rustc_hash::FxHashMap;

use super::graph::{Edges, RW, WR, WW};
use super::{Keyed, NOBODY, Step, Told, Transactions, Writer, link, lost_updates};
use crate::report::Finding;
use crate::value::Value;

/// Readers of a register before any write, times writes that may have been the first, that are linked for each key.
const LINKED: usize = 20_000;

#[derive(Default)]
struct Register<'a> {
    name: Option<&'a Value>,
    writers: FxHashMap<&'a Value, Writer>,
    /// Nodes that read a value before they wrote the key.
    readers: FxHashMap<&'a Value, Vec<u32>>,
    /// Nodes with what they read and what they wrote last.
    followed: Vec<(u32, &'a Value, &'a Value)>,
    /// Nodes that wrote last what nothing is known to come before.
    roots: Vec<(u32, &'a Value)>,
    twice: Option<&'a Value>,
}

/// All registers of a history.
pub(super) struct Registers<'a, 'b> {
    transactions: &'b Transactions<'a>,
    registers: Keyed<'a, Register<'a>>,
}

/// Adds what a transaction did: its node, or its operation where it failed, and its operation.
fn take<'a>(
    registers: &mut Keyed<'a, Register<'a>>,
    transactions: &Transactions<'a>,
    (by, operation): (u32, u32),
    failed: bool,
) {
    let ok = transactions.is_ok(operation);
    // Of each key: what it read before it wrote, and what it wrote last.
    let mut mine: Vec<(&'a Value, Option<&'a Value>, Option<&'a Value>)> = Vec::new();
    for (step, key, value) in transactions.steps(operation) {
        let register = registers.at(key, || Register { name: Some(key), ..Register::default() });
        let known = mine.iter_mut().find(|(name, _, _)| *name == key);
        match step {
            Step::Read => {
                if known.is_none() {
                    mine.push((key, Some(value), None));
                    if ok {
                        register.readers.entry(value).or_default().push(by);
                    }
                }
            }
            Step::Write => {
                let new = Writer { by, failed, last: true, doubled: false };
                new.add(value, &mut register.writers);
                if register.writers.get(value).is_some_and(|writer| writer.doubled) {
                    register.twice = Some(value);
                }
                match known {
                    Some((_, _, wrote)) => {
                        if let Some(before) = wrote.replace(value)
                            && before != value
                            && let Some(writer) = register.writers.get_mut(before)
                            && (writer.by, writer.failed) == (by, failed)
                        {
                            writer.last = false;
                        }
                    }
                    None => mine.push((key, None, Some(value))),
                }
            }
        }
    }
    if ok {
        for (key, read, wrote) in mine {
            if let (Some(read), Some(wrote)) = (read, wrote) {
                registers.at(key, Register::default).followed.push((by, read, wrote));
            }
        }
    }
}

impl<'a, 'b> Registers<'a, 'b> {
    pub(super) fn of(transactions: &'b Transactions<'a>) -> Self {
        let mut registers = Keyed::of(transactions, |registers, by, operation, failed| {
            take(registers, transactions, (by, operation), failed);
        });
        for register in &mut registers.all {
            let follows: rustc_hash::FxHashSet<&Value> = register
                .followed
                .iter()
                .filter(|(_, read, _)| {
                    register.writers.get(*read).is_some_and(|writer| !writer.failed)
                })
                .map(|(_, _, wrote)| *wrote)
                .collect();
            let mut roots: Vec<(u32, &Value)> = register
                .writers
                .iter()
                .filter(|(value, writer)| {
                    let root = writer.last && !value.is_nil() && !follows.contains(*value);
                    root && !writer.failed && !writer.doubled
                })
                .map(|(value, writer)| (writer.by, *value))
                .collect();
            roots.sort_unstable();
            register.roots = roots;
        }
        Self { transactions, registers }
    }

    /// All that the registers tell.
    pub(super) fn told(&mut self) -> Told {
        let mut told = Told {
            edges: Edges::new(),
            findings: Vec::new(),
            unchecked: Vec::new(),
            unknown: None,
        };
        let mut cut = false;
        let mut collided: FxHashMap<(u32, u64), Vec<u32>> = FxHashMap::default();
        for (at, register) in self.registers.all.iter().enumerate() {
            let Some(key) = register.name else { continue };
            if let Some(value) = register.twice {
                told.unknown = Some(format!(
                    "{value} is written to {key} more than once: who wrote what was read cannot be told"
                ));
            }
            cut |= register_edges(register, &mut told.edges);
            let mut versions: FxHashMap<&Value, u64> = FxHashMap::default();
            for (node, read, _) in &register.followed {
                if register.writers.get(read).is_some_and(|writer| writer.doubled) {
                    continue;
                }
                let next = versions.len() as u64;
                let version = *versions.entry(read).or_insert(next);
                let key = u32::try_from(at).unwrap_or(NOBODY);
                collided.entry((key, version)).or_default().push(*node);
            }
        }
        for (node, operation) in self.transactions.nodes.iter().enumerate() {
            if self.transactions.is_ok(*operation) {
                self.within(u32::try_from(node).unwrap_or(NOBODY), *operation, &mut told.findings);
            }
        }
        let shown = |key: u32, nodes: &[u32]| {
            let key = self.registers.all[key as usize].name.unwrap_or(&Value::Nil);
            format!("{} transactions read the same value of {key} and then wrote it", nodes.len())
        };
        told.findings.extend(lost_updates(self.transactions, collided, shown));
        if cut {
            told.unchecked.push("of registers that very many read before they were written, not all readers were related to all writers".to_owned());
        }
        told
    }

    /// What is wrong with a transaction's reads by themselves.
    fn within(&self, node: u32, operation: u32, findings: &mut Vec<Finding>) {
        let this = operation as usize;
        let mut known: Vec<(&Value, &Value)> = Vec::new();
        for (step, key, value) in self.transactions.steps(operation) {
            let at = known.iter().position(|(name, _)| *name == key);
            if step == Step::Write {
                match at {
                    Some(at) => known[at].1 = value,
                    None => known.push((key, value)),
                }
                continue;
            }
            if let Some(at) = at {
                if known[at].1 != value {
                    let message = format!(
                        "a transaction read {value} of {key}, where it had {} before",
                        known[at].1
                    );
                    findings.push(Finding::fails("internal", message).with(vec![this]));
                }
                known[at].1 = value;
            } else {
                known.push((key, value));
            }
            match self.registers.get(key).and_then(|register| register.writers.get(value)) {
                Some(writer) if writer.failed => {
                    let message =
                        format!("{value} was read of {key}, which a transaction wrote that failed");
                    findings
                        .push(Finding::fails("G1a", message).with(vec![writer.by as usize, this]));
                }
                // Of several that wrote it, another may be meant.
                Some(writer) if writer.doubled => {}
                Some(writer) if !writer.last && writer.by != node => {
                    let by = self.transactions.nodes[writer.by as usize] as usize;
                    let message = format!(
                        "{value} was read of {key}, which the same transaction overwrote later"
                    );
                    findings.push(Finding::fails("G1b", message).with(vec![by, this]));
                }
                Some(writer) if writer.by == node && at.is_none() => {
                    let message = format!("a transaction read {value} of {key} before it wrote it");
                    findings.push(Finding::fails("future-read", message).with(vec![this]));
                }
                None if !value.is_nil() => {
                    let message = format!("{value} was read of {key}, and nobody wrote it");
                    findings.push(Finding::fails("unwritten", message).with(vec![this]));
                }
                _ => {}
            }
        }
    }

    /// Why one transaction comes before another.
    pub(super) fn because(&self, a: u32, b: u32, why: u8) -> String {
        let of = |node: u32| self.transactions.steps(self.transactions.nodes[node as usize]);
        for (step, key, value) in of(a) {
            for (other, _, later) in of(b).filter(|(_, name, _)| *name == key) {
                match (why, step, other) {
                    (WR, Step::Write, Step::Read) if value == later => {
                        return format!("{value} was written to {key} and read");
                    }
                    (WW, Step::Write, Step::Write) => {
                        return format!(
                            "{value} was written to {key}, read, and overwritten with {later}"
                        );
                    }
                    (RW, Step::Read, Step::Write) if value != later => {
                        return format!("{value} was read of {key}, which became {later} later");
                    }
                    _ => {}
                }
            }
        }
        String::new()
    }
}

/// Dependencies by one register. Tells whether some were left out.
fn register_edges(register: &Register<'_>, edges: &mut Edges) -> bool {
    let mut cut = false;
    let mut linked = 0_usize;
    let known = |writer: &&Writer| !writer.failed && !writer.doubled;
    let written = |value: &Value| register.writers.get(value).filter(known);
    for (value, readers) in &register.readers {
        if let Some(writer) = written(value) {
            readers.iter().for_each(|reader| link(edges, writer.by, *reader, WR));
        } else if value.is_nil() && !register.writers.contains_key(value) {
            for reader in readers {
                linked += register.roots.len();
                if linked > LINKED && register.roots.len() > 1 {
                    cut = true;
                    break;
                }
                register.roots.iter().for_each(|(root, _)| link(edges, *reader, *root, RW));
            }
        }
    }
    for (node, read, _) in &register.followed {
        if let Some(writer) = written(read).filter(|writer| writer.last) {
            link(edges, writer.by, *node, WW);
            let others = register.readers.get(read).into_iter().flatten();
            others.for_each(|other| link(edges, *other, *node, RW));
        }
    }
    cut
}
