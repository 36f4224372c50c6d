//! Names and hardware addresses of links that stay when others come and go.
//!
//! While a plan is made, links are numbered (`i5`, `p0`): these numbers shift when something is added before them, and a link that has
//! another name is another link, which cuts what flows over it. Here each gets a name after what is at its far end.

use std::collections::{BTreeMap, BTreeSet};

use super::{End, Link, Namespace, Role, Via};

/// Longest name of a link in the kernel, in octets.
const LONGEST: usize = 15;
/// Octets of a hash in a name that is too long.
const HASHED: usize = 8;

/// Names by namespace and number.
type Names = BTreeMap<String, BTreeMap<String, String>>;

/// Gives every numbered end of a link a name after its far end, wherever the namespace speaks of it, and every end a hardware address
/// after the names of both ends.
pub(super) fn settle(namespaces: &mut [Namespace], links: &mut [Link]) {
    let names = names(links);
    for link in links.iter_mut() {
        for end in [&mut link.a, &mut link.b] {
            if let Some(name) = names.get(&end.namespace).and_then(|own| own.get(&end.name)) {
                end.name.clone_from(name);
            }
        }
    }
    let mut far: BTreeMap<(&str, &str), [u8; 6]> = BTreeMap::new();
    for link in links.iter_mut() {
        fn end(end: &End) -> (&str, &str) {
            (&end.namespace, &end.name)
        }
        let [a, b] =
            [(&link.a, &link.b), (&link.b, &link.a)].map(|(own, other)| mac(end(own), end(other)));
        (link.a.mac, link.b.mac) = (a, b);
    }
    for link in links.iter() {
        far.insert((&link.a.namespace, &link.a.name), link.b.mac);
        far.insert((&link.b.namespace, &link.b.name), link.a.mac);
    }
    for namespace in namespaces {
        if let Some(own) = names.get(&namespace.name) {
            rename(namespace, own);
        }
        for neighbour in &mut namespace.neighbours {
            if let Some(mac) = far.get(&(namespace.name.as_str(), neighbour.link.as_str())) {
                neighbour.mac = *mac;
            }
        }
    }
}

/// A letter and a number.
fn is_numbered(name: &str) -> bool {
    let digits = name.get(1..).unwrap_or_default();
    name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && !digits.is_empty()
        && digits.bytes().all(|octet| octet.is_ascii_digit())
}

fn names(links: &[Link]) -> Names {
    let mut taken: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for end in links.iter().flat_map(|link| [&link.a, &link.b]) {
        if !is_numbered(&end.name) {
            taken.entry(&end.namespace).or_default().insert(end.name.clone());
        }
    }
    let mut names = Names::new();
    for (own, other) in links.iter().flat_map(|link| [(&link.a, &link.b), (&link.b, &link.a)]) {
        if !is_numbered(&own.name) {
            continue;
        }
        let taken = taken.entry(&own.namespace).or_default();
        // Of several links to one place, the first is named after the place; further interfaces by their own names.
        let place = match other.name.as_str() {
            "eth0" => other.namespace.clone(),
            inside if !is_numbered(inside) && inside.starts_with("eth") => {
                format!("{}.{inside}", other.namespace)
            }
            _ => other.namespace.clone(),
        };
        let further = (2..).map(|number: u32| format!("{place}.{number}"));
        let mut all = std::iter::once(place.clone()).chain(further);
        let name = all.find_map(|place| {
            let name = name(&own.name, &place);
            taken.insert(name.clone()).then_some(name)
        });
        if let Some(name) = name {
            names.entry(own.namespace.clone()).or_default().insert(own.name.clone(), name);
        }
    }
    names
}

/// The letter of a numbered name, and what is at the far end: its own name where that fits, else its beginning and a hash.
fn name(numbered: &str, place: &str) -> String {
    let letter = &numbered[..1];
    let own = place.split_once('/').map_or(place, |(_, own)| own);
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if own.len() + 2 <= LONGEST && own.chars().all(|c| plain(&c)) {
        return format!("{letter}_{own}");
    }
    let beginning = own.chars().filter(plain).take(LONGEST - 3 - HASHED);
    let hash: String = hash(place).to_be_bytes()[..HASHED / 2].iter().map(hex).collect();
    format!("{letter}_{}~{hash}", beginning.collect::<String>())
}

fn hex(octet: &u8) -> String {
    format!("{octet:02x}")
}

/// The name of a relay's interface on one side of a link.
pub(super) fn of_relay(side: char, link: &str) -> String {
    let own = link.split_once('/').map_or(link, |(_, own)| own);
    let beginning: String =
        own.chars().filter(char::is_ascii_alphanumeric).take(LONGEST - 3 - HASHED).collect();
    let hash: String = hash(link).to_be_bytes()[..HASHED / 2].iter().map(hex).collect();
    format!("{side}_{beginning}~{hash}")
}

/// Names every link that has none yet after the end that it belongs to, and says which end that is.
pub(super) fn of_links(namespaces: &[Namespace], links: &mut [Link]) {
    let roles: BTreeMap<&str, Role> =
        namespaces.iter().map(|one| (one.name.as_str(), one.role)).collect();
    for link in links.iter_mut().filter(|link| link.name.is_empty()) {
        let rank =
            |end: &End| roles.get(end.namespace.as_str()).map_or(u8::MAX, |role| rank(*role));
        link.reversed = rank(&link.b) < rank(&link.a);
        let own = if link.reversed { &link.b } else { &link.a };
        link.name = match own.name.as_str() {
            "eth0" => own.namespace.clone(),
            name => format!("{}.{name}", own.namespace),
        };
    }
}

/// A link belongs to the end whose role comes first.
fn rank(role: Role) -> u8 {
    match role {
        Role::Machine => 0,
        Role::Serverless => 1,
        Role::External => 2,
        Role::Site => 3,
        Role::Nat => 4,
        Role::Gateway => 5,
        Role::Vpn => 6,
        Role::Transit => 7,
        Role::Vpc => 8,
        Role::Internet => 9,
        Role::Tunnel => 10,
        Role::Relay => 11,
        Role::Host => 12,
    }
}

/// FNV-1a.
pub(super) fn hash(text: &str) -> u64 {
    hash_on(0xcbf2_9ce4_8422_2325, text)
}

/// The hash of a text of which the beginning has a hash already, and this is the rest.
pub(super) fn hash_on(beginning: u64, rest: &str) -> u64 {
    rest.bytes()
        .fold(beginning, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// A locally administered hardware address for an end of a link. Two links may have the same: each has two ends only.
pub(super) fn mac(own: (&str, &str), other: (&str, &str)) -> [u8; 6] {
    let ends = format!("{} {} {} {}", own.0, own.1, other.0, other.1);
    let [a, b, c, d, e, ..] = hash(&ends).to_be_bytes();
    [0x02, a, b, c, d, e]
}

/// Puts names in the place of numbers wherever a namespace speaks of its links.
fn rename(namespace: &mut Namespace, names: &BTreeMap<String, String>) {
    let put = |link: &mut String| {
        if let Some(name) = names.get(link) {
            link.clone_from(name);
        }
    };
    namespace.addresses.iter_mut().for_each(|(link, _)| put(link));
    namespace.neighbours.iter_mut().for_each(|neighbour| put(&mut neighbour.link));
    for route in &mut namespace.routes {
        if let Via::Link { link, .. } = &mut route.via {
            put(link);
        }
    }
    // In a ruleset, links stand in quotes.
    let parts = namespace.ruleset.split('"').enumerate();
    let parts = parts.map(|(at, part)| match names.get(part) {
        Some(name) if at % 2 == 1 => name.as_str(),
        _ => part,
    });
    namespace.ruleset = parts.collect::<Vec<_>>().join("\"");
}

#[cfg(test)]
mod tests {
    use super::{is_numbered, name};

    #[test]
    fn numbers_are_told_from_names() {
        assert!(is_numbered("i0") && is_numbered("t12"));
        assert!(
            !is_numbered("eth0") && !is_numbered("in") && !is_numbered("v") && !is_numbered("I1")
        );
    }

    #[test]
    fn a_name_is_the_far_ends_where_it_fits_and_else_short_and_its_own() {
        assert_eq!(name("i7", "instance/web-1"), "i_web-1");
        let long = name("i7", "instance/a-very-long-name-of-a-machine");
        assert_eq!(long.len(), 15, "{long}");
        assert_ne!(long, name("i7", "instance/a-very-long-name-of-a-machina"));
        assert_eq!(name("p3", "vpc/naïve").chars().filter(|c| !c.is_ascii()).count(), 0);
    }
}
