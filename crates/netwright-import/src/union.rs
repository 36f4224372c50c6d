//! One description from several.

use netwright_model::decode::Entries;
use netwright_model::description_maps;
use netwright_model::diagnostic::Diagnostic;
use netwright_model::language::{Description, Egress, Service};

/// Adds the maps of one description to another. A name that both give is an error with both places.
pub(crate) fn unite(into: &mut Description, mut from: Description) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    macro_rules! maps {
        ($($field:ident),+ $(,)?) => { $( add(&mut into.$field, from.$field, stringify!($field), &mut errors); )+ };
    }
    // Services are told in parts.
    services(&mut into.services, std::mem::take(&mut from.services), &mut errors);
    description_maps!(maps);
    into.gaps.extend(from.gaps);
    into.netwright = into.netwright.take().or(from.netwright);
    into.name = into.name.take().or(from.name);
    if let (Some(one), Some(other)) = (&into.provider, &from.provider)
        && one.value != other.value
    {
        let message =
            format!("`provider` is {} in one file and {} in another", one.value, other.value);
        errors.push(
            Diagnostic::error("NW-IN-021", other.span, message)
                .with_note(one.span, "given here first")
                .with_help("give each VPC its own `provider`"),
        );
    }
    into.provider = into.provider.take().or(from.provider);
    errors
}

/// Services are told in parts: an export knows how one is deployed, and only people know what it depends on. What both parts give is
/// an error.
fn services(into: &mut Entries<Service>, from: Entries<Service>, errors: &mut Vec<Diagnostic>) {
    for (name, service) in from.0 {
        let Some(place) = into.iter().position(|(known, _)| known.value == name.value) else {
            into.0.push((name, service));
            continue;
        };
        let (first, known) = &mut into.0[place];
        let before = first.span;
        // Its place is where it was deployed from, not where something was added.
        if known.id.is_none() && service.id.is_some() {
            (first.span, known.span) = (name.span, service.span);
        }
        let twice = add_to_service(known, service, errors);
        if !twice.is_empty() {
            let message = format!("service `{}` has `{}` twice", name.value, twice.join("`, `"));
            errors.push(
                Diagnostic::error("NW-IN-022", name.span, message)
                    .with_note(before, "given here first")
                    .with_help("leave it out in one of the two"),
            );
        }
    }
}

/// Adds what the second part of a service says, and tells which fields both have.
fn add_to_service(
    into: &mut Service,
    from: Service,
    errors: &mut Vec<Diagnostic>,
) -> Vec<&'static str> {
    let mut twice = Vec::new();
    macro_rules! options {
        ($($field:ident),+ $(,)?) => { $(
            match (&into.$field, from.$field) {
                (Some(_), Some(_)) => twice.push(stringify!($field)),
                (None, given) => into.$field = given,
                (Some(_), None) => {}
            }
        )+ };
    }
    options!(
        id,
        provider,
        region,
        ingress,
        port,
        min_instances,
        max_instances,
        account,
        startup_limit,
        startup_probe,
        liveness_probe,
        request_timeout,
        peak_throughput,
    );
    match (into.egress == Egress::default(), from.egress == Egress::default()) {
        (true, false) => into.egress = from.egress,
        (false, false) => twice.push("egress"),
        (_, true) => {}
    }
    into.hosts.extend(from.hosts);
    add(&mut into.dependencies, from.dependencies, "dependencies", errors);
    add(&mut into.startup, from.startup, "startup", errors);
    add(&mut into.environment, from.environment, "environment", errors);
    twice
}

fn add<T>(into: &mut Entries<T>, from: Entries<T>, kind: &str, errors: &mut Vec<Diagnostic>) {
    let known: std::collections::BTreeMap<String, netwright_model::source::Span> =
        into.iter().map(|(name, _)| (name.value.clone(), name.span)).collect();
    for (name, value) in from.0 {
        match known.get(&name.value) {
            Some(first) => errors.push(
                Diagnostic::error(
                    "NW-IN-022",
                    name.span,
                    format!("`{}` is given twice in `{kind}`", name.value),
                )
                .with_note(*first, "given here first")
                .with_help("rename one of the two"),
            ),
            None => into.0.push((name, value)),
        }
    }
}
