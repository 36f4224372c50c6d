//! The scenarios that ship: network partitions of a frontend, a backend, a database and a queue.

/// A scenario: its name, and its text.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The name that `netwright gameday run` takes.
    pub name: &'static str,
    /// The experiment.
    pub text: &'static str,
}

macro_rules! scenarios {
    ($($name:literal),+ $(,)?) => {
        /// All scenarios.
        pub const SCENARIOS: &[Scenario] = &[
            $(Scenario {
                name: $name,
                text: include_str!(concat!("../../../examples/gamedays/", $name, ".yaml")),
            }),+
        ];
    };
}

scenarios!(
    "frontend-backend",
    "frontend-dns",
    "backend-database",
    "queue-split-brain",
    "region",
    "slow-network",
    "intermittent",
    "asymmetric",
    "clocks",
);

/// The folder of the scenarios' files, in a copy of the project: networks are named from there.
pub const FOLDER: &str = "examples/gamedays";

/// A scenario by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}
