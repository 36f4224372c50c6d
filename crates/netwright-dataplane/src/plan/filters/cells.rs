//! A rule as cells: what each of its alternatives matches.

use netwright_model::network::{AddressSet, FilterMember, Rule};
use netwright_model::scalar::{PortRange, ProtocolMatch};
use netwright_verify::space::protocol;

use super::super::intervals;
use super::packed::{
    self, Cell, DESTINATION, FIELDS, Interval, PORT, PROTOCOL, SOURCE, SOURCE_PORT,
};

/// Addresses of one family: whether it is IPv6, and the interval.
type Addresses = (bool, Interval);

/// A rule as cells of prefixes, protocols and ports; none where it names something else, or is too many.
pub(super) fn cells(rule: &Rule) -> Option<Vec<Cell>> {
    if rule.uncertain.is_some() || rule.targets.is_some() {
        return None;
    }
    if rule.icmp.kind.is_some() || rule.icmp.code.is_some() {
        return None;
    }
    let names_ports = !rule.source_ports.is_empty() || !rule.ports.is_empty();
    let numbers = (0..=u8::MAX).filter(|number| rule.protocol.matches(*number));
    let numbers = numbers.filter(|number| !names_ports || protocol::has_ports(*number));
    let protocols: Vec<Option<Interval>> =
        if matches!(rule.protocol, ProtocolMatch::Any) && !names_ports {
            vec![None]
        } else {
            numbers.map(|number| Some((number.into(), number.into()))).collect()
        };
    let (from, to) = (prefixes(&rule.from)?, prefixes(&rule.to)?);
    let (source_ports, ports) = (ports(&rule.source_ports), ports(&rule.ports));
    let sizes = [from.len(), to.len(), protocols.len(), source_ports.len(), ports.len()];
    if sizes.iter().product::<usize>() > packed::MOST {
        return None;
    }
    let mut cells = Vec::new();
    for (source, destination) in from.iter().flat_map(|a| to.iter().map(move |b| (a, b))) {
        let families = [source, destination].map(|side| side.map(|(v6, _)| v6));
        if families[0].zip(families[1]).is_some_and(|(a, b)| a != b) {
            continue;
        }
        let mut fields = [None; FIELDS];
        fields[SOURCE] = source.map(|(_, interval)| interval);
        fields[DESTINATION] = destination.map(|(_, interval)| interval);
        for protocol in &protocols {
            fields[PROTOCOL] = *protocol;
            for (source_port, port) in
                source_ports.iter().flat_map(|a| ports.iter().map(move |b| (a, b)))
            {
                fields[SOURCE_PORT] = *source_port;
                fields[PORT] = *port;
                // What names nothing is a line without a condition.
                if fields.iter().all(Option::is_none) {
                    return None;
                }
                cells.push(Cell { v6: families[0].or(families[1]), fields });
            }
        }
    }
    Some(cells)
}

/// The alternatives of a field of ports; a single `None` for any.
fn ports(ranges: &[PortRange]) -> Vec<Option<Interval>> {
    match intervals::united(ranges) {
        all if all.is_empty() => vec![None],
        all => all.into_iter().map(Some).collect(),
    }
}

/// The alternatives of a side that names prefixes only; a single `None` for any address.
fn prefixes(side: &AddressSet) -> Option<Vec<Option<Addresses>>> {
    if side.any {
        return Some(vec![None]);
    }
    let each = side.members.iter().map(|member| match member {
        FilterMember::Prefix(prefix) => {
            Some(Some((!prefix.is_v4(), packed::between(prefix.first(), prefix.last()))))
        }
        _ => None,
    });
    each.collect()
}
