//! What a run changes of an experiment's file: another variant of the reference system, shorter steps, what chance has a part in.

use netwright_model::random::Random;
use netwright_model::scalar::Duration;
use netwright_model::source::{Span, Spanned};

use crate::language::{Experiment, Reference, Step};

/// What is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The variant of the reference system.
    pub variant: Option<String>,
    /// No step of the method lasts longer, in milliseconds.
    pub shorten: Option<u64>,
    /// What is drawn follows from this number: how long steps last, which pairs and turns faults have, what clients ask for.
    pub seed: Option<u64>,
}

/// How long it is watched before and after the steps of a shortened run at most, in milliseconds.
const WATCHED: u64 = 1_000;
/// Shortest turn of a schedule, in milliseconds.
const TURN: u64 = 100;

impl Changes {
    /// Changes an experiment that was read.
    ///
    /// # Errors
    ///
    /// A variant is asked for, and the experiment has no reference system.
    pub fn apply(&self, experiment: &mut Experiment) -> Result<(), String> {
        if let Some(variant) = &self.variant {
            let reference = experiment.reference.as_mut();
            let reference: &mut Reference = reference.ok_or_else(|| {
                "a variant is one of the reference system, and the experiment has none: `reference: {}`".to_owned()
            })?;
            reference.variant = Some(Spanned { value: variant.clone(), span: reference.span.0 });
        }
        if let Some(most) = self.shorten {
            shorten(experiment, most.max(1));
        }
        if let Some(seed) = self.seed {
            draw(experiment, seed);
        }
        Ok(())
    }
}

fn at_most(given: &mut Option<Spanned<Duration>>, otherwise: u64, most: u64, span: Span) {
    let millis = given.as_ref().map_or(otherwise, |given| given.value.as_millis());
    let span = given.as_ref().map_or(span, |given| given.span);
    *given = Some(Spanned { value: Duration::from_millis(millis.min(most)), span });
}

fn length(step: &Step) -> u64 {
    step.r#for.as_ref().map_or(0, |length| length.value.as_millis())
}

/// Steps are cut to a length; turns of the faults that they inject in the same proportion.
fn shorten(experiment: &mut Experiment, most: u64) {
    for step in &mut experiment.method {
        let before = length(step);
        let names = step.fault.as_ref().map(|fault| fault.value.clone());
        if let Some(wait) = &mut step.wait {
            wait.value = Duration::from_millis(wait.value.as_millis().min(most));
        }
        if before <= most {
            continue;
        }
        if let Some(length) = &mut step.r#for {
            length.value = Duration::from_millis(most);
        }
        let fault = names.and_then(|name| {
            experiment.faults.iter_mut().find(|(own, _)| own.value == name).map(|(_, fault)| fault)
        });
        if let Some(schedule) = fault.and_then(|fault| fault.schedule.as_mut()) {
            for turn in [&mut schedule.on, &mut schedule.off] {
                let millis = turn.value.as_millis().saturating_mul(most) / before;
                turn.value = Duration::from_millis(millis.max(TURN));
            }
        }
    }
    let span = experiment.span.0;
    let phases = &mut experiment.phases;
    at_most(&mut phases.steady, WATCHED, WATCHED, span);
    at_most(&mut phases.after, WATCHED, WATCHED, span);
}

/// Steps last between half as long and as long as they did; everything else that is drawn has another seed.
fn draw(experiment: &mut Experiment, seed: u64) {
    let mut random = Random::new(seed);
    for step in &mut experiment.method {
        for time in [&mut step.r#for, &mut step.wait].into_iter().flatten() {
            let millis = time.value.as_millis();
            let more = random.below(u32::try_from(millis / 2).unwrap_or(u32::MAX).max(1));
            time.value = Duration::from_millis(millis / 2 + u64::from(more));
        }
    }
    for (name, fault) in experiment.faults.iter_mut() {
        let drawn = u64::from(random.below(u32::MAX));
        fault.seed = Some(Spanned { value: drawn, span: name.span });
    }
    experiment.seed = Some(Spanned { value: seed, span: experiment.span.0 });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

    use std::path::Path;

    use netwright_model::source::Sources;

    use super::*;

    fn changed(changes: &Changes) -> Experiment {
        let text = "{ title: t, faults: { cut: { between: a, schedule: { on: 30s, off: 20s } } },
            method: [ { fault: cut, for: 90s }, { wait: 10s } ] }";
        let mut experiment =
            crate::load::parse(Path::new("e"), text, &mut Sources::default(), &|_| None).unwrap();
        changes.apply(&mut experiment).unwrap();
        experiment
    }

    fn times(experiment: &Experiment) -> [u64; 4] {
        let fault = experiment.faults.get("cut").unwrap();
        let schedule = fault.schedule.as_ref().unwrap();
        let wait = experiment.method[1].wait.as_ref().unwrap();
        [
            length(&experiment.method[0]),
            wait.value.as_millis(),
            schedule.on.value.as_millis(),
            schedule.off.value.as_millis(),
        ]
    }

    #[test]
    fn turns_are_shortened_in_the_proportion_of_their_step() {
        let short = changed(&Changes { shorten: Some(9_000), ..Changes::default() });
        assert_eq!(times(&short), [9_000, 9_000, 3_000, 2_000]);
        assert_eq!(times(&changed(&Changes::default())), [90_000, 10_000, 30_000, 20_000]);
    }

    #[test]
    fn a_seed_draws_the_same_again_and_no_step_longer_than_it_was() {
        let of = |seed| times(&changed(&Changes { seed: Some(seed), ..Changes::default() }));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        for seed in 0..50 {
            let [cut, wait, ..] = of(seed);
            assert!((45_000..=90_000).contains(&cut) && (5_000..=10_000).contains(&wait));
        }
    }

    #[test]
    fn a_variant_without_a_reference_system_is_refused() {
        let changes = Changes { variant: Some("orphans".to_owned()), ..Changes::default() };
        let mut experiment = changed(&Changes::default());
        assert!(changes.apply(&mut experiment).is_err());
        experiment.reference = Some(Reference::default());
        changes.apply(&mut experiment).unwrap();
        assert_eq!(
            crate::reference::variant(experiment.reference.as_ref().unwrap()),
            Some("orphans")
        );
    }
}
