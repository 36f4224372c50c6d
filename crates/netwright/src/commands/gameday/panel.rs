//! How a run stands, in a few lines: phase and faults, who reaches whom, how many operations end how.

use std::collections::BTreeMap;

use netwright_gameday::detect::State;
use netwright_gameday::journal::Link;

/// Rows of the matrix at most.
const ROWS: usize = 10;
/// Columns before what belongs to the head.
const INDENT: &str = "           ";

/// Operations that ended, by workload: done, not done, not known.
type Counts = Vec<(String, [u64; 3])>;

/// What the lines are made of.
#[derive(Debug, Default)]
pub(super) struct Panel {
    told: Option<(u64, Counts)>,
    rates: Vec<(String, [f64; 3])>,
}

fn mark(state: State) -> Option<&'static str> {
    Some(match state {
        // What filters forbid is not shown.
        State::Closed => return None,
        State::Up => "✓",
        State::Unknown => "?",
        State::Slow => "~",
        State::InitiationOnly | State::OneWayThere | State::OneWayBack => "→",
        State::Flapping => "±",
        State::Stalled | State::Refused | State::Down | State::DnsBroken => "✗",
    })
}

fn cut(line: &str, width: usize) -> String {
    line.chars().take(width).collect()
}

/// Cells beside each other, in as many lines as they need, each line after so many columns of its own.
fn beside(first: &str, cells: &[String], width: usize) -> Vec<String> {
    let indent = " ".repeat(first.chars().count());
    let mut lines = vec![first.to_owned()];
    let mut used = first.chars().count();
    for cell in cells {
        let length = cell.chars().count();
        if used + length > width && used > indent.len() {
            lines.push(indent.clone());
            used = indent.len();
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(cell);
            last.push_str("  ");
        }
        used += length + 2;
    }
    lines.iter().map(|line| cut(line.trim_end(), width)).collect()
}

impl Panel {
    /// Takes how many operations have ended by now, in microseconds of a clock.
    pub(super) fn rates(&mut self, all: &[(String, [u64; 3])], now: u64) {
        if let Some((before, counts)) = &self.told {
            #[expect(clippy::cast_precision_loss, reason = "times and counts are far below 2^52")]
            let each = |(name, now_counts): &(String, [u64; 3])| {
                let seconds = (now.saturating_sub(*before).max(1)) as f64 / 1e6;
                let was =
                    counts.iter().find(|(own, _)| own == name).map_or([0; 3], |(_, was)| *was);
                let rate = |at: usize| (now_counts[at].saturating_sub(was[at])) as f64 / seconds;
                (name.clone(), [rate(0), rate(1), rate(2)])
            };
            self.rates = all.iter().map(each).collect();
        }
        self.told = Some((now, all.to_vec()));
    }

    /// The lines, of so many columns at most. Until what is usual was `seen`, what does not get through may be what filters forbid.
    pub(super) fn lines(
        &self,
        head: &str,
        (links, states): (&[Link], &[State]),
        (seen, width): (bool, usize),
    ) -> Vec<String> {
        let up = states.iter().filter(|state| **state == State::Up).count();
        let bad = states.iter().filter(|state| state.is_bad()).count();
        let not = if seen { format!(", {bad} not") } else { String::new() };
        let mut all = vec![cut(&format!("{head} │ {up} up{not}"), width)];
        let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (link, state) in links.iter().zip(states) {
            if let Some(mark) = mark(*state).filter(|_| seen || !state.is_bad()) {
                rows.entry(&link.from)
                    .or_default()
                    .push(format!("{mark} {}:{}", link.to, link.port));
            }
        }
        let names = rows.keys().map(|name| name.chars().count()).max().unwrap_or_default();
        for (from, cells) in rows.iter().take(ROWS) {
            all.extend(beside(&format!("{INDENT}{from:<names$}  "), cells, width));
        }
        let rates: Vec<String> = self
            .rates
            .iter()
            .map(|(name, [done, not, perhaps])| format!("{name} {done:.0}/{not:.0}/{perhaps:.0}"))
            .collect();
        if !rates.is_empty() {
            let each = rates.iter().map(|rate| rate.chars().count()).max().unwrap_or_default();
            let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:<each$}")).collect();
            all.push(cut(&format!("{INDENT}done/not/unknown a second:"), width));
            all.extend(beside(INDENT, &rates, width));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Link, Panel, State};

    #[test]
    fn it_tells_who_reaches_whom_and_how_many_operations_end_how() {
        let link = |from: &str, to: &str| Link { from: from.into(), to: to.into(), port: 5432 };
        let links = [link("gateway", "postgres"), link("worker", "postgres"), link("a", "b")];
        let states = [State::Down, State::Up, State::Closed];
        let mut panel = Panel::default();
        panel.rates(&[("markers".to_owned(), [10, 0, 0])], 1_000_000);
        panel.rates(&[("markers".to_owned(), [18, 4, 0])], 3_000_000);
        let lines = panel.lines("faults │ cut", (&links, &states), (true, 78));
        assert_eq!(
            lines,
            [
                "faults │ cut │ 1 up, 1 not",
                "           gateway  ✗ postgres:5432",
                "           worker   ✓ postgres:5432",
                "           done/not/unknown a second:",
                "           markers 4/2/0",
            ]
        );
        let lines = panel.lines("steady state", (&links, &states), (false, 78));
        assert_eq!(lines[..2], ["steady state │ 1 up", "           worker  ✓ postgres:5432"]);
        let many: Vec<(String, [u64; 3])> =
            (0..30).map(|number| (format!("workload {number}"), [0; 3])).collect();
        panel.rates(&many, 4_000_000);
        panel.rates(&many, 5_000_000);
        for width in [20, 78, 140] {
            let lines = panel.lines(&"x".repeat(200), (&links, &states), (true, width));
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{lines:#?}");
        }
    }
}
