//! The same access lists as binary decision diagrams of another library.

use biodivine_lib_bdd::{Bdd, BddVariable, BddVariableSet};
use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::super::arena::Level;
use super::*;

/// The bits of each field, most significant first.
struct Bits {
    set: BddVariableSet,
    fields: [Vec<BddVariable>; 5],
}

const WIDTHS: [usize; 5] = [32, 32, 8, 16, 16];

impl Bits {
    fn new() -> Self {
        let set =
            BddVariableSet::new_anonymous(u16::try_from(WIDTHS.iter().sum::<usize>()).unwrap());
        let mut all = set.variables().into_iter();
        let fields = WIDTHS.map(|width| all.by_ref().take(width).collect());
        Self { set, fields }
    }

    fn field(level: Level) -> usize {
        match level {
            Level::Dst4 => 0,
            Level::Src4 => 1,
            Level::Protocol => 2,
            Level::SrcPort => 3,
            Level::DstPort => 4,
            other => panic!("no bits for {other:?}"),
        }
    }

    fn at_most(&self, field: usize, bound: u128) -> Bdd {
        let mut result = self.set.mk_true();
        for (place, &variable) in self.fields[field].iter().rev().enumerate() {
            let bit = self.set.mk_var(variable);
            result = if bound >> place & 1 == 1 {
                bit.not().or(&result)
            } else {
                bit.not().and(&result)
            };
        }
        result
    }

    fn range(&self, field: usize, lo: u128, hi: u128) -> Bdd {
        let result = self.at_most(field, hi);
        if lo == 0 { result } else { result.and_not(&self.at_most(field, lo - 1)) }
    }

    /// The IPv4 packets of a set.
    fn of(&self, space: &Space, set: Set, known: &mut HashMap<Set, Bdd>) -> Bdd {
        if set.is_empty() {
            return self.set.mk_false();
        }
        if set.is_all() {
            return self.set.mk_true();
        }
        if let Some(bdd) = known.get(&set) {
            return bdd.clone();
        }
        let level = space.level(set);
        let bdd = if level == Level::Family {
            self.of(space, space.follow(set, level, 0), known)
        } else {
            let mut result = self.set.mk_false();
            for (lo, hi, child) in space.intervals(set) {
                let below = self.of(space, child, known);
                result = result.or(&self.range(Self::field(level), lo, hi).and(&below));
            }
            result
        };
        known.insert(set, bdd.clone());
        bdd
    }
}

#[derive(Clone, Debug)]
struct Access {
    dst: Ipv4Net,
    src: Ipv4Net,
    protocol: Option<u8>,
    src_ports: (u16, u16),
    dst_ports: (u16, u16),
    permit: bool,
}

fn access() -> impl Strategy<Value = Access> {
    // Few distinct addresses, so that prefixes nest and overlap.
    let prefix = || {
        (
            prop::sample::select(vec![0x0A00_0000_u32, 0x0A01_8000, 0xC0A8_0101, 0xFFFF_FFFF]),
            0..=32_u8,
        )
            .prop_map(|(address, length)| Ipv4Net::new(address.into(), length).unwrap().trunc())
    };
    let ports = || {
        let some = (0..200_u16, 0..60_000_u16).prop_map(|(lo, more)| (lo, lo + more % 300));
        prop_oneof![Just((0, u16::MAX)), some]
    };
    let protocol = prop::sample::select(vec![None, Some(6), Some(17), Some(47)]);
    (prefix(), prefix(), protocol, ports(), ports(), any::<bool>()).prop_map(
        |(dst, src, protocol, src_ports, dst_ports, permit)| match protocol {
            Some(6 | 17) => Access { dst, src, protocol, src_ports, dst_ports, permit },
            _ => {
                let any = (0, u16::MAX);
                Access { dst, src, protocol, src_ports: any, dst_ports: any, permit }
            }
        },
    )
}

impl Access {
    fn set(&self, space: &mut Space) -> Set {
        let range = |(lo, hi)| [lo..=hi];
        let layer4 = match self.protocol {
            None => Set::ALL,
            Some(number) => space.layer4(number, &range(self.src_ports), &range(self.dst_ports)),
        };
        let (dst, src) = (space.dst_prefix(self.dst.into()), space.src_prefix(self.src.into()));
        space.intersect_all([dst, src, layer4])
    }

    fn bdd(&self, bits: &Bits) -> Bdd {
        let number = |address: Ipv4Addr| u128::from(u32::from(address));
        let prefix =
            |field, net: Ipv4Net| bits.range(field, number(net.network()), number(net.broadcast()));
        let mut result = prefix(0, self.dst).and(&prefix(1, self.src));
        if let Some(protocol) = self.protocol.map(u128::from) {
            result = result.and(&bits.range(2, protocol, protocol));
        }
        for (field, (lo, hi)) in [(3, self.src_ports), (4, self.dst_ports)] {
            result = result.and(&bits.range(field, lo.into(), hi.into()));
        }
        result
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_access_list_permits_what_its_binary_diagram_permits(
        rules in prop::collection::vec(access(), 1..24),
        default in any::<bool>(),
    ) {
        let bits = Bits::new();
        let mut expected = if default { bits.set.mk_true() } else { bits.set.mk_false() };
        for rule in rules.iter().rev() {
            let matched = rule.bdd(&bits);
            expected =
                if rule.permit { expected.or(&matched) } else { expected.and_not(&matched) };
        }
        let mut space = Space::new();
        let sets: Vec<(Set, bool)> =
            rules.iter().map(|rule| (rule.set(&mut space), rule.permit)).collect();
        let permitted = space.first_match(&sets, default);
        let actual = bits.of(&space, permitted, &mut HashMap::new());
        prop_assert!(actual == expected, "{} or {} nodes", actual.size(), expected.size());
    }
}
