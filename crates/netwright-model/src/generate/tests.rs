use super::{Plan, Shape, generate};
use crate::language::Provider;
use crate::source::Sources;

fn plans() -> impl Iterator<Item = Plan> {
    Shape::ALL.iter().flat_map(|&shape| {
        [Provider::Aws, Provider::Gcp].into_iter().flat_map(move |provider| {
            [1, 10, 97, 1_000].map(|instances| Plan { shape, provider, instances, seed: 7 })
        })
    })
}

#[test]
fn every_plan_gives_a_network_that_resolves_with_as_many_instances() {
    for plan in plans() {
        let description = generate(&plan);
        let wanted = plan.instances.max(10) as usize;
        let made = description.instances.len();
        assert!(made.abs_diff(wanted) <= 3, "{plan:?} gave {made} instances");
        let text = crate::to_yaml(&description, "");
        let mut sources = Sources::default();
        let parsed = crate::parse_description("generated.yaml", &text, &mut sources);
        assert_eq!(
            parsed.as_ref().ok(),
            Some(&description),
            "{plan:?} does not read as it was written"
        );
        let resolved = crate::network::resolve::resolve(description);
        assert!(resolved.is_ok(), "{plan:?}: {:#?}", resolved.err());
    }
}

#[test]
fn the_same_plan_gives_the_same_network_and_another_seed_another_one() {
    for plan in plans().filter(|plan| plan.instances == 1_000) {
        assert_eq!(generate(&plan), generate(&plan));
        let other = Plan { seed: 8, ..plan };
        assert_ne!(generate(&plan), generate(&other), "{plan:?}");
    }
}
