//! Variants that are wrong on purpose, one for each checker: they show that it catches what it is for.

use std::time::Duration;

use clap::ValueEnum;

/// How long a broken variant waits between a read and the write that should have been one with it.
pub(crate) const GAP: Duration = Duration::from_millis(8);

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Broken {
    /// Markers, test writes, elements of sets and jobs are acknowledged from memory, and stored some time later: lost writes
    AckBeforeDurable,
    /// Reads come from a cache that may be two seconds old, and nothing says so: stale reads, registers that are not linearizable
    StaleReads,
    /// A job is chosen without a lock, and its effect is stored apart from its id: duplicated effects
    DuplicateEffects,
    /// An id is the largest one plus one, read without a lock: duplicate ids
    DuplicateIds,
    /// A counter is read, and written some time later: additions are lost
    NonatomicCounter,
    /// Versions of all documents come from one sequence: gaps
    VersionGaps,
    /// Whoever asks leads, in the epoch that there is, and nothing is fenced: two leaders
    NoFencing,
    /// A register is compared, and set some time later: it is not linearizable
    NonlinearRegister,
    /// A transaction over lists reads all and writes all back: lost updates and write skew
    LostUpdate,
    /// A document is deleted without its versions: orphans
    Orphans,
    /// Times are those of the wall clock, and go back with it: a later write of a record loses against an earlier one
    WallClockWins,
}

impl Broken {
    /// Its name, as it is written on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::Broken;

    #[test]
    fn those_who_start_it_know_every_variant() {
        let own: Vec<String> = Broken::value_variants().iter().map(|one| one.name()).collect();
        assert_eq!(own, netwright_servers::VARIANTS);
    }
}
