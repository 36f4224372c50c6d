//! A ruleset as text: the one table that is ours, with its sets and chains.

use std::fmt::Display;

/// The table in the making.
pub(super) struct Table(String);

/// A named set.
pub(super) struct Set {
    pub(super) name: String,
    /// The type of its keys.
    pub(super) kind: String,
    /// Its elements are intervals.
    pub(super) intervals: bool,
    /// Each element counts its packets.
    pub(super) counts: bool,
    pub(super) elements: Vec<String>,
}

/// Text that stands in quotes of a ruleset: what a name holds beyond letters, digits and a few signs is shown as `_`.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " -_.:/@*".contains(c);
    text.chars().map(|c| if plain(c) { c } else { '_' }).take(COMMENT).collect()
}

/// What names of sets and maps of backends begin with.
pub(crate) const BACKENDS: &str = "backends_";

/// Longest comment, in octets; the kernel's limit is 128.
const COMMENT: usize = 120;

impl Table {
    pub(super) fn new() -> Self {
        Self("table inet netwright {\n".to_owned())
    }

    /// A named set.
    pub(super) fn put(&mut self, set: &Set) {
        let properties = (set.intervals, set.counts);
        self.elements(("set", &set.name), &set.kind, properties, &set.elements);
    }

    /// A named map.
    pub(super) fn map(&mut self, name: &str, kind: &str, elements: &[String]) {
        self.elements(("map", name), kind, (false, false), elements);
    }

    /// A named map of source addresses to what they become, each element with its counter.
    pub(super) fn translations(&mut self, name: &str, elements: &[String]) {
        self.elements(("map", name), "ipv4_addr : ipv4_addr", (true, true), elements);
    }

    /// A named map of numbers to backends, each element with its counter.
    pub(super) fn backends(&mut self, name: &str, kind: &str, elements: &[String]) {
        self.elements(("map", &format!("{BACKENDS}{name}")), kind, (true, true), elements);
    }

    /// A named set of backends, each element with its counter.
    pub(super) fn counted_backends(&mut self, name: &str, kind: &str, elements: &[String]) {
        self.elements(("set", &format!("{BACKENDS}{name}")), kind, (false, true), elements);
    }

    /// A set or a map: of intervals or not, with a counter for each element or not.
    fn elements(
        &mut self,
        (what, name): (&str, &str),
        kind: &str,
        (intervals, counts): (bool, bool),
        elements: &[String],
    ) {
        self.open(&format!("{what} {name}"));
        self.line(format!("type {kind}"));
        if intervals {
            self.line("flags interval");
        }
        if counts {
            self.line("counter");
        }
        if !elements.is_empty() {
            self.line(format!("elements = {{ {} }}", elements.join(", ")));
        }
        self.close();
    }

    /// A chain that others jump to.
    pub(super) fn chain(&mut self, name: &str, lines: impl IntoIterator<Item = impl Display>) {
        self.open(&format!("chain {name}"));
        for line in lines {
            self.line(line);
        }
        self.close();
    }

    /// A chain that the kernel enters: `base` says at which hook, at which priority and with which policy.
    pub(super) fn hook(
        &mut self,
        name: &str,
        base: &str,
        lines: impl IntoIterator<Item = impl Display>,
    ) {
        self.open(&format!("chain {name}"));
        self.line(base);
        for line in lines {
            self.line(line);
        }
        self.close();
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn open(&mut self, what: &str) {
        self.0.push_str(&format!("  {what} {{\n"));
    }

    fn line(&mut self, line: impl Display) {
        self.0.push_str(&format!("    {line}\n"));
    }

    fn close(&mut self) {
        self.0.push_str("  }\n");
    }
}

/// Before a packet is routed.
pub(super) const BEFORE_ROUTING: &str =
    "type filter hook prerouting priority mangle; policy accept;";
/// Destinations are translated.
pub(super) const DESTINATIONS: &str = "type nat hook prerouting priority dstnat; policy accept;";
/// Sources are translated.
pub(super) const SOURCES: &str = "type nat hook postrouting priority srcnat; policy accept;";
/// What is passed on, unless it is dropped.
pub(super) const PASSED_ON: &str = "type filter hook forward priority filter; policy accept;";
/// What is passed on, if it is accepted.
pub(super) const PASSED_ON_IF_ACCEPTED: &str =
    "type filter hook forward priority filter; policy drop;";
/// What is for this namespace itself, if it is accepted.
pub(super) const RECEIVED_IF_ACCEPTED: &str =
    "type filter hook input priority filter; policy drop;";
/// What this namespace sends, unless it is dropped.
pub(super) const SENT: &str = "type filter hook output priority filter; policy accept;";
/// What this namespace sends, before its route is chosen for good.
pub(super) const ROUTED_AGAIN: &str = "type route hook output priority mangle; policy accept;";
/// What belongs to a connection that was let through.
pub(super) const KNOWN: &str = "ct state established,related accept";
