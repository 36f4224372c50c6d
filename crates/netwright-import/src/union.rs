//! One description from several.

use netwright_model::decode::Entries;
use netwright_model::diagnostic::Diagnostic;
use netwright_model::language::Description;

/// Adds the maps of one description to another. A name that both give is an error with both places.
pub(crate) fn unite(into: &mut Description, from: Description) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    macro_rules! maps {
        ($($field:ident),+ $(,)?) => { $( add(&mut into.$field, from.$field, stringify!($field), &mut errors); )+ };
    }
    maps!(
        vpcs,
        prefix_lists,
        filters,
        instances,
        internet_gateways,
        nat_gateways,
        peerings,
        vpns,
        sites,
        transits,
        private_endpoints,
        connectors,
        services,
        load_balancers,
        databases,
        externals,
        dns_zones,
        certificates,
        timeouts,
        alerts,
        criteria,
        golden_paths,
        expect,
        profiles,
    );
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
