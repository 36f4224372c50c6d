//! Counters, and how they are told: in the text form that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Most circles of aliases that are counted by their names; the others are counted together.
const CIRCLES: usize = 64;

/// What is counted under the names of no circle.
const OTHERS: &str = "others";

/// The counters of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Queries over UDP, and over TCP.
    pub queries: [u64; 2],
    /// Answers by their code.
    pub answers: BTreeMap<&'static str, u64>,
    /// Datagrams that were no queries.
    pub noise: u64,
    /// Queries of sources that may not ask.
    pub strangers: u64,
    /// Queries over a source's limit.
    pub limited: u64,
    /// Answers that did not fit into a datagram.
    pub truncated: u64,
    /// Queries that were sent to other servers.
    pub asked: u64,
    /// Queries to other servers that were not answered in time, or not as they should.
    pub unanswered: u64,
    /// Questions that were answered from what is remembered.
    pub remembered: u64,
    /// Questions that were answered wrongly on purpose, or not at all.
    pub wronged: u64,
    /// Questions that led in a circle, by the names of the circle.
    pub circles: BTreeMap<String, u64>,
}

impl Metrics {
    /// Counts a question that led in a circle; gives how often that circle was met.
    pub(crate) fn circle(&mut self, names: &str) -> u64 {
        let known = self.circles.contains_key(names) || self.circles.len() < CIRCLES;
        let count = self.circles.entry(if known { names } else { OTHERS }.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// The counters as text; `view` and the numbers of what is held now stand beside them.
    #[must_use]
    pub fn text(&self, view: &str, [remembered, waiting, troubles]: [usize; 3]) -> String {
        let mut text = String::new();
        let view = escaped(view);
        let mut write = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
            // Writing into a string does not fail.
            let _fine = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for (labels, value) in rows {
                let _fine = writeln!(text, "{name}{{view=\"{view}\"{labels}}} {value}");
            }
        };
        let one = |value: u64| [(String::new(), value)];
        let over = |word: &str, value| (format!(",transport=\"{word}\""), value);
        write(
            "netwright_dns_queries_total",
            "counter",
            "Queries that came.",
            &[over("udp", self.queries[0]), over("tcp", self.queries[1])],
        );
        let codes = self.answers.iter().map(|(word, count)| by("code", word, *count));
        let circles = self.circles.iter().map(|(names, count)| by("chain", names, *count));
        let (codes, circles): (Vec<_>, Vec<_>) = (codes.collect(), circles.collect());
        write("netwright_dns_answers_total", "counter", "Answers by their code.", &codes);
        for (name, help, value) in [
            ("noise", "Datagrams that were no queries.", self.noise),
            ("strangers", "Queries of sources that may not ask.", self.strangers),
            ("limited", "Queries over a source's limit.", self.limited),
            ("truncated", "Answers that did not fit into a datagram.", self.truncated),
            ("asked", "Queries sent to other servers.", self.asked),
            ("unanswered", "Queries that other servers did not answer.", self.unanswered),
            ("remembered", "Questions answered from what is remembered.", self.remembered),
            ("wronged", "Questions answered wrongly on purpose, or not at all.", self.wronged),
        ] {
            write(&format!("netwright_dns_{name}_total"), "counter", help, &one(value));
        }
        write(
            "netwright_dns_alias_loops_total",
            "counter",
            "Questions whose aliases led in a circle, by the names of the circle.",
            &circles,
        );
        let count = |value: usize| one(u64::try_from(value).unwrap_or(u64::MAX));
        write("netwright_dns_cache_entries", "gauge", "Answers remembered.", &count(remembered));
        write("netwright_dns_waiting", "gauge", "Questions that wait.", &count(waiting));
        let help = "What is done wrong on purpose.";
        write("netwright_dns_troubles", "gauge", help, &count(troubles));
        text
    }
}

/// A count with one label more.
fn by(label: &str, value: &str, count: u64) -> (String, u64) {
    (format!(",{label}=\"{}\"", escaped(value)), count)
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{CIRCLES, Metrics};

    #[test]
    fn so_many_circles_are_counted_by_name_and_no_more() {
        let mut metrics = Metrics::default();
        for number in 0..CIRCLES + 10 {
            metrics.circle(&format!("a{number} → a{number}"));
        }
        assert_eq!(metrics.circle("a0 → a0"), 2);
        assert_eq!(metrics.circles.len(), CIRCLES + 1);
        assert_eq!(metrics.circles["others"], 10);
    }

    #[test]
    fn labels_are_escaped() {
        let mut metrics = Metrics::default();
        metrics.circle("a\"\\\n → a");
        let text = metrics.text("v", [0; 3]);
        let wanted = r#"netwright_dns_alias_loops_total{view="v",chain="a\"\\\n → a"} 1"#;
        assert!(text.contains(wanted), "{text}");
    }
}
