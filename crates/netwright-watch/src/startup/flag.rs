//! What turns a bypass on: one word, strictly.

use schemars::JsonSchema;
use serde::Serialize;

/// How a flag is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "setting", rename_all = "kebab-case")]
pub enum Setting {
    /// It is not set, or says `false`.
    Off,
    /// It says `true`.
    On,
    /// It says something else, which turns nothing on.
    Unparsed {
        /// What it says.
        value: String,
    },
}

/// A switch by which phases may be passed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name, as people set it: an environment's variable, an option.
    pub name: String,
    /// How it is set.
    pub setting: Setting,
    /// It is meant to stay on, and is never stale.
    pub for_good: bool,
}

/// The longest value that is repeated to people, in characters.
const TOLD: usize = 64;

impl Flag {
    /// A flag that a program decides.
    #[must_use]
    pub fn new(name: impl Into<String>, on: bool) -> Self {
        let setting = if on { Setting::On } else { Setting::Off };
        Self { name: name.into(), setting, for_good: false }
    }

    /// It is meant to stay on: the service is built to start without what is missing.
    #[must_use]
    pub const fn for_good(mut self) -> Self {
        self.for_good = true;
        self
    }

    /// A flag as it is written, none where it is not. Only `true`, in letters of any case and nothing around it, turns it on; `false` and nothing
    /// leave it off; whatever else leaves it off too, and is told.
    #[must_use]
    pub fn parse(name: impl Into<String>, value: Option<&str>) -> Self {
        let setting = match value {
            None => Setting::Off,
            Some(value) if value.eq_ignore_ascii_case("true") => Setting::On,
            Some(value) if value.eq_ignore_ascii_case("false") => Setting::Off,
            Some(value) => Setting::Unparsed { value: value.chars().take(TOLD).collect() },
        };
        Self { name: name.into(), setting, for_good: false }
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.setting == Setting::On
    }
}

#[cfg(test)]
mod tests {
    use super::{Flag, Setting};

    #[test]
    fn only_true_turns_a_bypass_on_and_what_else_it_says_is_told() {
        for on in ["true", "TRUE", "True", "tRuE"] {
            assert!(Flag::parse("EMERGENCY_ALLOW_NO_DATABASE", Some(on)).is_on(), "{on}");
        }
        for off in [None, Some("false"), Some("FALSE")] {
            assert_eq!(Flag::parse("f", off).setting, Setting::Off, "{off:?}");
        }
        for odd in ["1", "yes", " true ", "true\n", "on", "", "tru", "t", "0", "ｔｒｕｅ"] {
            let flag = Flag::parse("f", Some(odd));
            assert!(!flag.is_on(), "{odd}");
            assert_eq!(flag.setting, Setting::Unparsed { value: odd.to_owned() });
        }
    }
}
