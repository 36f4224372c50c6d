//! What an agent says of hosts and faults, in few words.

use netwright_control::agents::Trouble;
use netwright_control::faults::{Broken, Standing};
use netwright_dataplane::kernel::Failure;

/// Characters of what is said of one object.
const SAID: usize = 300;

/// The faults that stand otherwise than before, with how.
pub(super) fn stands_otherwise<'f>(
    before: &[Broken],
    now: &'f [Broken],
) -> Vec<(&'f Broken, String)> {
    let had = |fault: &Broken| {
        let own = before.iter().find(|own| own.id == fault.id);
        own.is_some_and(|own| own.standing == fault.standing)
    };
    let words = |fault: &Broken| match fault.standing {
        Standing::Waiting => "is waited for".to_owned(),
        Standing::On => "is on".to_owned(),
        Standing::Off if fault.struck > 0 => {
            format!("is off; it struck {} processes", fault.struck)
        }
        Standing::Off => format!("is off; it met {} packets", fault.there + fault.back),
        Standing::Refused => {
            format!("is refused: {}", fault.why.as_deref().unwrap_or("nobody says why"))
        }
    };
    now.iter().filter(|fault| !had(fault)).map(|fault| (fault, words(fault))).collect()
}

pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= SAID {
        return text.to_owned();
    }
    text.chars().take(SAID).chain(['…']).collect()
}

pub(super) fn deviation(what: &str) -> Trouble {
    let (object, said) = what.split_once(": ").unwrap_or(("this host", what));
    Trouble { object: object.to_owned(), said: said.to_owned() }
}

pub(super) fn trouble(failure: &Failure) -> Trouble {
    match failure {
        Failure::Refused { namespace, object, said } => {
            Trouble { object: format!("{namespace}: {object}"), said: said.clone() }
        }
        Failure::Ruleset { namespace, .. } => {
            Trouble { object: format!("{namespace}: ruleset"), said: failure.to_string() }
        }
        other => Trouble { object: "this host".to_owned(), said: other.to_string() },
    }
}
