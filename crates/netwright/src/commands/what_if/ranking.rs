//! What options cure, break and leave, and which is recommended.

use netwright_verify::what_if::Outcome;
use netwright_verify::what_if::rank::{Advice, Comparison, Fault, Ranking};
use serde_json::{Value, json};

use super::{cost_words, settings_words};
use crate::console::{Console, Style};

/// Most options that are listed in text.
const SHOWN: usize = 12;

/// The options from the best to the worst, and which is recommended.
pub(super) fn text(console: &mut Console, options: &[Outcome], ranking: &Ranking) {
    console.line(&console.styled(Style::Strong, "\noptions, the best first"));
    for (place, index) in ranking.order.iter().take(SHOWN).enumerate() {
        let option = &options[*index];
        console.line(&format!("  {:<3} {}", place + 1, settings_words(option)));
        comparison(console, &ranking.comparisons[*index]);
    }
    let more = ranking.order.len().saturating_sub(SHOWN);
    if more > 0 {
        console.line(&format!("  and {more} more"));
    }
    advice(console, options, ranking);
}

/// What an option changes, a line for each kind.
pub(super) fn comparison(console: &mut Console, comparison: &Comparison) {
    let Comparison { cures, breaks, leaves, clouds } = comparison;
    let lines = [
        ("cures", Style::Good, cures),
        ("breaks", Style::Bad, breaks),
        ("makes unknown", Style::Doubt, clouds),
        ("does not cure", Style::Doubt, leaves),
    ];
    if lines.iter().all(|(.., faults)| faults.is_empty()) {
        console.line("      changes nothing of what holds and what fails");
    }
    for (word, style, faults) in lines.into_iter().filter(|(.., faults)| !faults.is_empty()) {
        let word = console.styled(style, word);
        console.line(&format!("      {word}: {}", list(faults)));
    }
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn advice(console: &mut Console, options: &[Outcome], ranking: &Ranking) {
    let word = match ranking.advice {
        Advice::Take(_) | Advice::StayAsItIs => "recommended",
        Advice::NoneIsGood => "none is recommended",
    };
    let which = match ranking.advice {
        Advice::Take(index) => format!(": {}", settings_words(&options[index])),
        Advice::StayAsItIs => ": as it is".to_owned(),
        Advice::NoneIsGood => String::new(),
    };
    console.line(&format!("{}{which}", console.styled(Style::Strong, word)));
    console.line(&format!("  because {}", because(options, ranking)));
}

/// Why an option is recommended, or none.
fn because(options: &[Outcome], ranking: &Ranking) -> String {
    let Advice::Take(index) = ranking.advice else {
        return match ranking.advice {
            Advice::StayAsItIs => "nothing fails as it is, and no option is better or cheaper",
            _ => "every option that cures something breaks something else, or none cures anything",
        }
        .to_owned();
    };
    let Comparison { cures, leaves, .. } = &ranking.comparisons[index];
    let cured = if cures.is_empty() {
        "nothing that holds gets worse".to_owned()
    } else {
        format!("it cures {} and breaks nothing", list(cures))
    };
    let left = if leaves.is_empty() {
        "leaves nothing that fails".to_owned()
    } else {
        format!("does not cure {}", list(leaves))
    };
    // Others that hold as much are told apart by what they cost and how much is to be changed.
    let option = &options[index];
    let charged = option.dependencies.iter().filter(|answer| answer.through_nat).count();
    let cost = cost_words(option).map_or_else(String::new, |cost| {
        let plural = if charged == 1 { "y" } else { "ies" };
        format!("; NAT costs {cost}, for {charged} dependenc{plural}")
    });
    let changed = option.changed;
    let plural = if changed == 1 { "" } else { "s" };
    format!("{cured}; it {left}{cost}; {changed} setting{plural} to be changed")
}

/// A comparison as fields.
pub(super) fn document(comparison: &Comparison) -> Value {
    let texts =
        |faults: &[Fault]| -> Vec<String> { faults.iter().map(ToString::to_string).collect() };
    json!({
        "cures": texts(&comparison.cures),
        "breaks": texts(&comparison.breaks),
        "makes_unknown": texts(&comparison.clouds),
        "does_not_cure": texts(&comparison.leaves),
    })
}

/// The recommended option, by its position among the combinations, and why it is.
pub(super) fn recommended(options: &[Outcome], ranking: &Ranking) -> Value {
    let combination = match ranking.advice {
        Advice::Take(index) => Some(index),
        Advice::StayAsItIs | Advice::NoneIsGood => None,
    };
    json!({ "combination": combination, "because": because(options, ranking) })
}
