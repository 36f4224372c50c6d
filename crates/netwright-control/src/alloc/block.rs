//! Aligned blocks of positions: what ranges, addresses, blocks of ports and numbers are, all alike.

/// Where positions are counted: an address family, the ports of one address, or numbers. Positions of different planes never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plane(pub u64);

impl Plane {
    /// IPv4 addresses.
    pub const V4: Self = Self(0);
    /// IPv6 addresses.
    pub const V6: Self = Self(1);
    /// Numbers.
    pub const NUMBERS: Self = Self(2);
    /// The first of the planes of ports.
    const PORTS: u64 = 1 << 32;

    /// Ports of an address.
    #[must_use]
    pub fn ports(address: std::net::Ipv4Addr) -> Self {
        Self(Self::PORTS | u64::from(u32::from(address)))
    }

    /// The address whose ports it is.
    #[must_use]
    pub fn address(self) -> Option<std::net::Ipv4Addr> {
        let rest = self.0.checked_sub(Self::PORTS)?;
        u32::try_from(rest).ok().map(Into::into)
    }
}

/// 2^`order` positions that begin at a multiple of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    plane: Plane,
    base: u128,
    order: u8,
}

/// The largest order: all IPv6 addresses.
pub const MAX_ORDER: u8 = 128;

/// The bits in which the positions of a block of an order differ.
const fn bits(order: u8) -> u128 {
    if order >= MAX_ORDER { u128::MAX } else { (1 << order) - 1 }
}

impl Block {
    /// A block; none where the base is no multiple of its size.
    #[must_use]
    pub const fn new(plane: Plane, base: u128, order: u8) -> Option<Self> {
        if order > MAX_ORDER || base & bits(order) != 0 {
            return None;
        }
        Some(Self { plane, base, order })
    }

    /// The block of an order that a position lies in.
    #[must_use]
    pub const fn around(plane: Plane, position: u128, order: u8) -> Self {
        Self { plane, base: position & !bits(order), order }
    }

    /// Its plane.
    #[must_use]
    pub const fn plane(self) -> Plane {
        self.plane
    }

    /// Its first position.
    #[must_use]
    pub const fn first(self) -> u128 {
        self.base
    }

    /// Its last position.
    #[must_use]
    pub const fn last(self) -> u128 {
        self.base | bits(self.order)
    }

    /// The logarithm of its size.
    #[must_use]
    pub const fn order(self) -> u8 {
        self.order
    }

    /// How many positions it has, as far as 128 bits hold it.
    #[must_use]
    pub const fn size(self) -> u128 {
        if self.order >= MAX_ORDER { u128::MAX } else { 1 << self.order }
    }

    /// Whether it contains another, itself included.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.plane == other.plane
            && self.order >= other.order
            && other.base & !bits(self.order) == self.base
    }

    /// Whether they have a position in common: then one contains the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Between what, in the order of blocks, all blocks within it sort.
    #[must_use]
    pub const fn span(self) -> std::ops::RangeInclusive<Self> {
        let end = Self { plane: self.plane, base: self.last(), order: MAX_ORDER };
        Self { order: 0, ..self }..=end
    }

    /// Its two halves.
    #[must_use]
    pub const fn halves(self) -> Option<[Self; 2]> {
        let Some(order) = self.order.checked_sub(1) else { return None };
        let upper = self.base | (1 << order);
        Some([Self { order, ..self }, Self { base: upper, order, ..self }])
    }

    /// The other half of the block that it is a half of.
    #[must_use]
    pub const fn buddy(self) -> Option<Self> {
        if self.order >= MAX_ORDER {
            return None;
        }
        Some(Self { base: self.base ^ (1 << self.order), ..self })
    }

    /// The block that it is a half of.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        if self.order >= MAX_ORDER {
            return None;
        }
        Some(Self::around(self.plane, self.base, self.order + 1))
    }
}

/// The fewest blocks that are all positions from one to another.
#[must_use]
pub fn cover(plane: Plane, first: u128, last: u128) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut at = first;
    while at <= last {
        let mut block = Block { plane, base: at, order: 0 };
        while let Some(parent) = block.parent()
            && parent.base == at
            && parent.last() <= last
        {
            block = parent;
        }
        blocks.push(block);
        let Some(next) = block.last().checked_add(1) else { break };
        at = next;
    }
    blocks
}

/// Sorted, without blocks that lie in others.
#[must_use]
pub fn normalised(mut blocks: Vec<Block>) -> Vec<Block> {
    blocks.sort_unstable_by_key(|block| (block.plane, block.base, std::cmp::Reverse(block.order)));
    let mut kept: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        if kept.last().is_none_or(|last| !last.contains(block)) {
            kept.push(block);
        }
    }
    kept
}

/// Those of normalised blocks that overlap one: those within it, or the one around it.
#[must_use]
pub fn overlapping(blocks: &[Block], one: Block) -> &[Block] {
    let place = |block: &Block| (block.plane, block.base);
    let mut from = blocks.partition_point(|block| place(block) < (one.plane, one.base));
    if from > 0 && blocks[from - 1].contains(one) {
        from -= 1;
    }
    let until = blocks.partition_point(|block| place(block) <= (one.plane, one.last()));
    blocks.get(from..until).unwrap_or_default()
}

/// What is left of a block without normalised others.
pub fn subtract(block: Block, others: &[Block], left: &mut Vec<Block>) {
    let others = overlapping(others, block);
    match (others.first(), block.halves()) {
        (None, _) => left.push(block),
        (Some(first), _) if first.contains(block) => {}
        // As deep as there are orders.
        (Some(_), Some(halves)) => {
            for half in halves {
                subtract(half, others, left);
            }
        }
        (Some(_), None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Plane, cover, normalised, overlapping, subtract};

    fn block(base: u128, order: u8) -> Block {
        Block::new(Plane::NUMBERS, base, order).expect("aligned")
    }

    #[test]
    fn a_block_begins_at_a_multiple_of_its_size() {
        assert!(Block::new(Plane::V4, 1, 1).is_none());
        assert!(Block::new(Plane::V6, 0, 128).is_some());
        assert!(Block::new(Plane::V6, 0, 129).is_none());
        assert_eq!(Block::new(Plane::V6, 0, 128).expect("all").last(), u128::MAX);
    }

    #[test]
    fn a_range_is_covered_by_the_fewest_blocks() {
        assert_eq!(
            cover(Plane::NUMBERS, 1, 6),
            [block(1, 0), block(2, 1), block(4, 1), block(6, 0)]
        );
        assert_eq!(cover(Plane::V6, 0, u128::MAX).len(), 1);
        assert_eq!(cover(Plane::V6, u128::MAX, u128::MAX).len(), 1);
        assert_eq!(cover(Plane::V6, 1, 0), []);
    }

    #[test]
    fn what_is_left_of_a_block_is_exactly_what_the_others_do_not_have() {
        let others = normalised(vec![block(5, 0), block(4, 1), block(8, 2)]);
        assert_eq!(others, [block(4, 1), block(8, 2)]);
        let mut left = Vec::new();
        subtract(block(0, 4), &others, &mut left);
        assert_eq!(left, [block(0, 2), block(6, 1), block(12, 2)]);
        left.clear();
        subtract(block(8, 1), &others, &mut left);
        assert_eq!(left, []);
        assert_eq!(overlapping(&others, block(9, 0)), [block(8, 2)]);
        assert_eq!(overlapping(&others, block(0, 2)), []);
    }

    #[test]
    fn planes_never_meet() {
        let four = Block::new(Plane::V4, 0, 32).expect("aligned");
        assert!(!four.overlaps(Block::new(Plane::V6, 0, 0).expect("aligned")));
        let address = "198.51.100.1".parse().expect("an address");
        assert_eq!(Plane::ports(address).address(), Some(address));
        assert_eq!(Plane::NUMBERS.address(), None);
    }
}
