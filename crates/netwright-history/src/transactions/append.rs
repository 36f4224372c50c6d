//! Lists: the longest that was read of a key tells the order in which its elements were appended.

use rustc_hash::FxHashMap;

use super::graph::{Edges, RW, WR, WW};
use super::{Keyed, NOBODY, Step, Told, Transactions, Writer, link, lost_updates};
use crate::report::Finding;
use crate::value::Value;

/// Readers of the end of a list times appends after it that are linked with each other, for each key.
const LINKED: usize = 20_000;

#[derive(Default)]
struct List<'a> {
    name: Option<&'a Value>,
    /// The longest that was read, and by which node.
    longest: &'a [Value],
    writers: FxHashMap<&'a Value, Writer>,
    /// Nodes that appended, with what, in the order of the file.
    appends: Vec<(u32, &'a Value)>,
    /// Who appended each of the longest; NOBODY where it failed or nobody did.
    order: Vec<u32>,
    /// Appends that happened and were never read.
    unread: Vec<u32>,
    twice: bool,
}

/// All lists of a history.
pub(super) struct Lists<'a, 'b> {
    transactions: &'b Transactions<'a>,
    lists: Keyed<'a, List<'a>>,
}

/// What a transaction knows of a key: a list that it read, if any, and what it appended since.
type Known<'a> = (&'a Value, Option<&'a [Value]>, Vec<&'a Value>);

/// A list that was read; `nil` is the empty one.
fn elements(value: &Value) -> &[Value] {
    value.items().unwrap_or_default()
}

/// Adds what a transaction did: its node, or its operation where it failed, and its operation.
fn take<'a>(
    lists: &mut Keyed<'a, List<'a>>,
    transactions: &Transactions<'a>,
    (by, operation): (u32, u32),
    failed: bool,
) {
    let ok = transactions.is_ok(operation);
    let mut mine: Vec<(&Value, &Value)> = Vec::new();
    for (step, key, value) in transactions.steps(operation) {
        let list = lists.at(key, || List { name: Some(key), ..List::default() });
        match step {
            Step::Read => {
                let read = elements(value);
                if ok && read.len() > list.longest.len() {
                    list.longest = read;
                }
            }
            Step::Write => {
                if !failed {
                    list.appends.push((by, value));
                }
                let writer = Writer { by, failed, last: true, doubled: false };
                list.twice |= writer.add(value, &mut list.writers);
                let before = mine.iter_mut().find(|(known, _)| *known == key);
                if let Some((_, before)) = before {
                    if let Some(writer) = list.writers.get_mut(*before)
                        && (writer.by, writer.failed) == (by, failed)
                    {
                        writer.last = false;
                    }
                    *before = value;
                } else {
                    mine.push((key, value));
                }
            }
        }
    }
}

/// The beginning of a list, for messages.
fn brief(elements: &[Value]) -> String {
    Value::list(elements.iter().take(80).cloned().collect()).brief(80)
}

impl<'a, 'b> Lists<'a, 'b> {
    pub(super) fn of(transactions: &'b Transactions<'a>) -> Self {
        let mut lists = Keyed::of(transactions, |lists, by, operation, failed| {
            take(lists, transactions, (by, operation), failed);
        });
        for list in &mut lists.all {
            let of = |element: &Value| {
                list.writers.get(element).filter(|writer| !writer.failed).map_or(NOBODY, |w| w.by)
            };
            list.order = list.longest.iter().map(of).collect();
        }
        // What nobody knows the end of has happened, where any of it was read.
        let nodes = &transactions.nodes;
        let mut happened: Vec<bool> = nodes.iter().map(|at| transactions.is_ok(*at)).collect();
        for node in lists.all.iter().filter(|list| !list.twice).flat_map(|list| &list.order) {
            if let Some(happened) = happened.get_mut(*node as usize) {
                *happened = true;
            }
        }
        for list in &mut lists.all {
            let read: rustc_hash::FxHashSet<&Value> = list.longest.iter().collect();
            let unread = list
                .appends
                .iter()
                .filter(|(node, element)| happened[*node as usize] && !read.contains(element));
            list.unread = unread.map(|(node, _)| *node).collect();
            list.unread.dedup();
        }
        Self { transactions, lists }
    }

    /// All that the lists tell.
    pub(super) fn told(&mut self) -> Told {
        let mut told = Told {
            edges: Edges::new(),
            findings: Vec::new(),
            unchecked: Vec::new(),
            unknown: None,
        };
        let twice = self.lists.all.iter().find(|list| list.twice).and_then(|list| list.name);
        if let Some(key) = twice {
            told.unknown = Some(format!(
                "an element is appended to {key} more than once: who wrote what was read cannot be told"
            ));
        }
        let mut cut = false;
        for list in self.lists.all.iter().filter(|list| !list.twice) {
            let pairs = list.order.windows(2).map(|pair| (pair[0], pair[1]));
            for (before, after) in pairs {
                link(&mut told.edges, before, after, WW);
            }
            if let Some(last) = list.order.last() {
                for unread in &list.unread {
                    link(&mut told.edges, *last, *unread, WW);
                }
            }
            told.findings.extend(self.dirty_updates(list));
        }
        let mut linked: Vec<usize> = vec![0; self.lists.all.len()];
        let mut collided: FxHashMap<(u32, u64), Vec<u32>> = FxHashMap::default();
        for (node, operation) in self.transactions.nodes.iter().enumerate() {
            if self.transactions.is_ok(*operation) {
                let node = u32::try_from(node).unwrap_or(NOBODY);
                cut |= self.reads(node, *operation, &mut told, &mut linked);
                self.within(*operation, &mut told.findings);
                self.updates(node, *operation, &mut collided);
            }
        }
        let shown = |key: u32, nodes: &[u32]| {
            let key = self.lists.all[key as usize].name.unwrap_or(&Value::Nil);
            format!(
                "{} transactions read the same list of {key} and then appended to it",
                nodes.len()
            )
        };
        told.findings.extend(lost_updates(self.transactions, collided, shown));
        if cut {
            told.unchecked.push("of lists with very many appends that nobody read, not all were related to all readers".to_owned());
        }
        told
    }

    /// What a committed transaction's reads say of others. Tells whether something was left out.
    fn reads(&self, node: u32, operation: u32, told: &mut Told, linked: &mut [usize]) -> bool {
        let mut cut = false;
        for (step, key, value) in self.transactions.steps(operation) {
            if step == Step::Write {
                continue;
            }
            let Some(at) = self.lists.number(key) else { continue };
            let list = &self.lists.all[at];
            if list.twice {
                continue;
            }
            let read = elements(value);
            self.each(list, node, operation, key, read, &mut told.findings);
            let fits = list.longest.get(..read.len()) == Some(read);
            if !fits {
                let message = format!(
                    "key {key} was read as {} and as {}: no order of appends has both",
                    brief(read),
                    brief(list.longest)
                );
                told.findings.push(
                    Finding::fails("incompatible-order", message).with(vec![operation as usize]),
                );
            }
            if let Some(writer) = read.last().and_then(|last| list.writers.get(last))
                && !writer.failed
            {
                link(&mut told.edges, writer.by, node, WR);
            }
            if !fits {
                continue;
            }
            if let Some(next) = list.order.get(read.len()) {
                link(&mut told.edges, node, *next, RW);
            } else {
                linked[at] += list.unread.len();
                if linked[at] > LINKED && list.unread.len() > 1 {
                    cut = true;
                    continue;
                }
                for unread in &list.unread {
                    link(&mut told.edges, node, *unread, RW);
                }
            }
        }
        cut
    }

    /// What is wrong with a read by itself.
    fn each(
        &self,
        list: &List<'_>,
        node: u32,
        operation: u32,
        key: &Value,
        read: &[Value],
        findings: &mut Vec<Finding>,
    ) {
        let this = operation as usize;
        let mut nobody = None;
        for element in read {
            match list.writers.get(element) {
                Some(writer) if writer.failed => {
                    let message = format!(
                        "{element} was read of key {key}, which a transaction appended that failed"
                    );
                    findings
                        .push(Finding::fails("G1a", message).with(vec![writer.by as usize, this]));
                }
                Some(_) => {}
                None => nobody = nobody.or(Some(element)),
            }
        }
        if let Some(element) = nobody {
            let message = format!("{element} was read of key {key}, and nobody appended it");
            findings.push(Finding::fails("unwritten", message).with(vec![this]));
        }
        if let Some(last) = read.last()
            && let Some(writer) = list.writers.get(last)
            && !writer.last
            && (writer.failed || writer.by != node)
        {
            let by =
                if writer.failed { writer.by } else { self.transactions.nodes[writer.by as usize] };
            let message = format!(
                "key {key} was read up to {last}, after which the same transaction appended more"
            );
            findings.push(Finding::fails("G1b", message).with(vec![by as usize, this]));
        }
        // Lists are short where they were compared with the longest before; those that differ are few.
        if list.longest.get(..read.len()) != Some(read) || read.len() == list.longest.len() {
            let mut once = rustc_hash::FxHashSet::default();
            if let Some(element) = read.iter().find(|element| !once.insert(*element)) {
                let message = format!("{element} is twice in what was read of key {key}");
                findings.push(Finding::fails("duplicate-elements", message).with(vec![this]));
            }
        }
    }

    /// Whether what a transaction reads fits what it did itself before.
    fn within(&self, operation: u32, findings: &mut Vec<Finding>) {
        if self.transactions.history.operations[operation as usize]
            .value
            .items()
            .is_none_or(|steps| steps.len() < 2)
        {
            return;
        }
        // What is known of a key: a list that was read, if any, and what was appended since.
        let mut known: Vec<Known<'_>> = Vec::new();
        for (step, key, value) in self.transactions.steps(operation) {
            let at = known.iter().position(|(name, _, _)| *name == key);
            match (step, at) {
                (Step::Write, Some(at)) => known[at].2.push(value),
                (Step::Write, None) => known.push((key, None, vec![value])),
                (Step::Read, None) => known.push((key, Some(elements(value)), Vec::new())),
                (Step::Read, Some(at)) => {
                    let read = elements(value);
                    let (_, before, since) = &known[at];
                    let split = read.len().checked_sub(since.len());
                    let ends =
                        split.is_some_and(|split| read[split..].iter().eq(since.iter().copied()));
                    let begins = before
                        .is_none_or(|before| split.is_some_and(|split| read[..split] == *before));
                    if !(ends && begins) {
                        let message = format!(
                            "a transaction read {} of key {key}, which does not fit what it did before",
                            brief(read)
                        );
                        findings.push(
                            Finding::fails("internal", message).with(vec![operation as usize]),
                        );
                    }
                    known[at] = (key, Some(read), Vec::new());
                }
            }
        }
        self.future(operation, findings);
    }

    /// Whether a transaction reads what it appends only later.
    fn future(&self, operation: u32, findings: &mut Vec<Finding>) {
        let mut read: Vec<(&Value, &[Value])> = Vec::new();
        for (step, key, value) in self.transactions.steps(operation) {
            match step {
                Step::Read => read.push((key, elements(value))),
                Step::Write => {
                    let seen = |(name, elements): &(&Value, &[Value])| {
                        *name == key && elements.contains(value)
                    };
                    let told = self.lists.get(key).is_some_and(|list| !list.twice);
                    if told && read.iter().any(seen) {
                        let message = format!(
                            "a transaction read {value} of key {key} before it appended it"
                        );
                        findings.push(
                            Finding::fails("future-read", message).with(vec![operation as usize]),
                        );
                    }
                }
            }
        }
    }

    /// Which list a transaction read before it appended to it.
    fn updates(&self, node: u32, operation: u32, collided: &mut FxHashMap<(u32, u64), Vec<u32>>) {
        let mut read: Vec<(&Value, u64)> = Vec::new();
        let mut written: Vec<&Value> = Vec::new();
        for (step, key, value) in self.transactions.steps(operation) {
            let before = read.iter().find(|(name, _)| *name == key);
            match step {
                Step::Read if before.is_none() => {
                    // Of lists that fit, the length tells them apart.
                    let elements = elements(value);
                    let fits = self.lists.get(key).is_some_and(|list| {
                        !list.twice && list.longest.get(..elements.len()) == Some(elements)
                    });
                    if fits {
                        read.push((key, elements.len() as u64));
                    }
                }
                Step::Write if !written.contains(&key) => {
                    written.push(key);
                    if let (Some((_, version)), Some(at)) = (before, self.lists.numbers.get(key)) {
                        collided.entry((*at, *version)).or_default().push(node);
                    }
                }
                _ => {}
            }
        }
    }

    /// Elements of committed transactions on top of those of failed ones.
    fn dirty_updates(&self, list: &List<'_>) -> Option<Finding> {
        let failed = |element: &Value| list.writers.get(element).filter(|writer| writer.failed);
        let at = list.longest.iter().position(|element| failed(element).is_some())?;
        let by = failed(&list.longest[at])?.by;
        let ok = |node: &&u32| {
            **node != NOBODY && self.transactions.is_ok(self.transactions.nodes[**node as usize])
        };
        let over = list.order[at + 1..].iter().find(ok)?;
        let message = format!(
            "{} of key {} was appended by a transaction that failed, and another's was kept on top of it",
            list.longest[at], list.name?
        );
        let operations = vec![by as usize, self.transactions.nodes[*over as usize] as usize];
        Some(Finding::fails("dirty-update", message).with(operations))
    }

    /// Why one transaction comes before another.
    pub(super) fn because(&self, a: u32, b: u32, why: u8) -> String {
        let of = |node: u32| self.transactions.steps(self.transactions.nodes[node as usize]);
        let read = |value: &Value| value.brief(60);
        for (step, key, value) in of(a) {
            let Some(list) = self.lists.get(key) else { continue };
            for (other, _, later) in of(b).filter(|(_, name, _)| *name == key) {
                let place =
                    |element: &Value| list.longest.iter().position(|known| known == element);
                match (why, step, other) {
                    (WW, Step::Write, Step::Write) => match (place(value), place(later)) {
                        (Some(x), Some(y)) if y == x + 1 => {
                            return format!(
                                "{later} was appended to key {key} right after {value}"
                            );
                        }
                        (Some(x), None) if x + 1 == list.longest.len() => {
                            return format!(
                                "{value} is the last that was read of key {key}, and {later} was appended later"
                            );
                        }
                        _ => {}
                    },
                    (WR, Step::Write, Step::Read) if elements(later).last() == Some(value) => {
                        return format!(
                            "{value} was appended to key {key} and read as the last of {}",
                            read(later)
                        );
                    }
                    (RW, Step::Read, Step::Write) => {
                        let len = elements(value).len();
                        let next = place(later).map_or(len == list.longest.len(), |at| at == len);
                        if next {
                            return format!(
                                "key {key} was read as {}, without {later}",
                                read(value)
                            );
                        }
                    }
                    _ => {}
                }
            }
        }
        String::new()
    }
}
