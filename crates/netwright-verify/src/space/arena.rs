//! Where the nodes of all sets live: interning, the memo of operations, and the memory limit.

use super::packet::Family;

/// A set of packets: an id that is meaningful only in the [`Space`] that made it.
///
/// Equal ids mean equal sets and unequal ids unequal sets.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Set(pub(super) u32);

impl Set {
    /// No packet. The same in every space.
    pub const EMPTY: Self = Self(0);
    /// Every packet. The same in every space.
    pub const ALL: Self = Self(1);

    /// A number that only this set has in its space.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether no packet is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether every packet is in the set.
    #[must_use]
    pub fn is_all(self) -> bool {
        self == Self::ALL
    }
}

/// The memory limit of a [`Space`] was reached, so the answer is unknown.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Overflow {
    /// The limit, in bytes.
    pub limit: usize,
}

impl std::fmt::Display for Overflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = self.limit >> 20;
        write!(f, "packet sets needed more than the {mebibytes} MiB allowed")
    }
}

impl std::error::Error for Overflow {}

/// How large a [`Space`] has become.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct SpaceStats {
    /// Distinct nodes, that is, distinct sets and parts of sets ever made.
    pub nodes: usize,
    /// Edges of all nodes.
    pub edges: usize,
    /// Bytes held, tables included.
    pub bytes: usize,
}

/// The question a node asks. The order is the order of the diagram.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub(super) enum Level {
    Family,
    Dst4,
    Src4,
    Dst6,
    Src6,
    Protocol,
    SrcPort,
    DstPort,
    /// Nothing left to ask: the set is empty or full.
    Leaf,
}

impl Level {
    /// The greatest value the field can take.
    pub(super) const fn top(self) -> u128 {
        match self {
            Self::Family => 1,
            Self::Dst4 | Self::Src4 => u32::MAX as u128,
            Self::Dst6 | Self::Src6 => u128::MAX,
            Self::Protocol => 255,
            Self::SrcPort | Self::DstPort | Self::Leaf => 65_535,
        }
    }

    pub(super) const fn is_wide(self) -> bool {
        matches!(self, Self::Dst6 | Self::Src6)
    }

    pub(super) const fn dst(family: Family) -> Self {
        match family {
            Family::V4 => Self::Dst4,
            Family::V6 => Self::Dst6,
        }
    }

    pub(super) const fn src(family: Family) -> Self {
        match family {
            Family::V4 => Self::Src4,
            Family::V6 => Self::Src6,
        }
    }
}

/// The packets whose field is above the previous edge's `hi` and at most this `hi` are in `child`.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Edge<B> {
    pub(super) hi: B,
    pub(super) child: Set,
}

#[derive(Copy, Clone)]
pub(super) struct Node {
    pub(super) start: u32,
    pub(super) len: u32,
    hash: u32,
    pub(super) level: Level,
}

/// How wide the bounds of a level are: `u32` for all but IPv6 addresses, whose nodes are kept apart
/// so that the others stay small.
pub(super) trait Bound: Copy + Ord {
    fn pool(space: &Space) -> &Pool<Self>;
    fn pool_mut(space: &mut Space) -> &mut Pool<Self>;
    fn top(level: Level) -> Self;
    fn narrow(value: u128) -> Self;
    fn mix(self) -> u64;
}

/// The edges of all nodes of one width, and the stack on which new nodes are built.
#[derive(Clone)]
pub(super) struct Pool<B> {
    pub(super) edges: Vec<Edge<B>>,
    pub(super) draft: Vec<Edge<B>>,
}

impl<B: Bound> Pool<B> {
    fn new() -> Self {
        Self { edges: Vec::new(), draft: Vec::new() }
    }

    fn bytes(&self) -> usize {
        (self.edges.capacity() + self.draft.capacity()) * size_of::<Edge<B>>()
    }
}

impl Bound for u32 {
    fn pool(space: &Space) -> &Pool<Self> {
        &space.narrow
    }
    fn pool_mut(space: &mut Space) -> &mut Pool<Self> {
        &mut space.narrow
    }
    fn top(level: Level) -> Self {
        Self::narrow(level.top())
    }
    fn narrow(value: u128) -> Self {
        Self::try_from(value).unwrap_or(Self::MAX)
    }
    fn mix(self) -> u64 {
        u64::from(self)
    }
}

impl Bound for u128 {
    fn pool(space: &Space) -> &Pool<Self> {
        &space.wide
    }
    fn pool_mut(space: &mut Space) -> &mut Pool<Self> {
        &mut space.wide
    }
    fn top(level: Level) -> Self {
        level.top()
    }
    fn narrow(value: u128) -> Self {
        value
    }
    #[expect(clippy::cast_possible_truncation, reason = "a hash folds the two halves")]
    fn mix(self) -> u64 {
        (self as u64) ^ ((self >> 64) as u64).rotate_left(17)
    }
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The last results of operations, by operation and operands. Of two that fall on one place the
/// later stays.
#[derive(Clone)]
struct Memo {
    entries: Vec<MemoEntry>,
    shift: u32,
    /// Results noted since the memo last grew.
    noted: usize,
}

#[derive(Copy, Clone)]
struct MemoEntry {
    a: u32,
    b: u32,
    /// 0 marks a free entry.
    operation: u32,
    result: Set,
}

const FREE: MemoEntry = MemoEntry { a: 0, b: 0, operation: 0, result: Set::EMPTY };
const MEMO_START: usize = 1 << 10;
const MEMO_MOST: usize = 1 << 22;

impl Memo {
    fn new() -> Self {
        let shift = 64 - MEMO_START.trailing_zeros();
        Self { entries: vec![FREE; MEMO_START], shift, noted: 0 }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the shift leaves fewer bits than usize has"
    )]
    fn place(&self, operation: u32, a: u32, b: u32) -> usize {
        let key = (u64::from(a) << 32 | u64::from(b)) ^ u64::from(operation) << 27;
        let mixed = (key ^ key >> 29).wrapping_mul(MULTIPLIER);
        (mixed >> self.shift) as usize
    }

    fn grow(&mut self) {
        let doubled = self.entries.len() * 2;
        self.shift -= 1;
        let old = std::mem::replace(&mut self.entries, vec![FREE; doubled]);
        for entry in old {
            if entry.operation != 0 {
                let place = self.place(entry.operation, entry.a, entry.b);
                self.entries[place] = entry;
            }
        }
    }
}

/// Holds packet sets and computes with them; see the [module](super).
///
/// A clone shares no memory and keeps the ids, so that work can be divided among threads.
#[derive(Clone)]
pub struct Space {
    nodes: Vec<Node>,
    narrow: Pool<u32>,
    wide: Pool<u128>,
    /// Open addressing over node ids; 0 marks a free place.
    table: Vec<u32>,
    memo: Memo,
    limit: usize,
    overflowed: bool,
}

impl Default for Space {
    fn default() -> Self {
        Self::new()
    }
}

impl Space {
    /// Memory limit of [`Space::new`]: one GiB.
    pub const DEFAULT_LIMIT: usize = 1 << 30;

    /// A space with the default memory limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// A space that overflows rather than hold more than about `bytes`. Values above 64 GiB count
    /// as 64 GiB.
    #[must_use]
    pub fn with_limit(bytes: usize) -> Self {
        let leaf = Node { start: 0, len: 0, hash: 0, level: Level::Leaf };
        Self {
            nodes: vec![leaf, leaf],
            narrow: Pool::new(),
            wide: Pool::new(),
            table: vec![0; 1 << 10],
            memo: Memo::new(),
            limit: bytes.min(1 << 36),
            overflowed: false,
        }
    }

    /// Whether the memory limit was reached. From then on no result of this space means anything.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// `value` if everything computed so far is exact.
    ///
    /// # Errors
    /// When the memory limit was reached at any time.
    pub fn checked<T>(&self, value: T) -> Result<T, Overflow> {
        if self.overflowed { Err(Overflow { limit: self.limit }) } else { Ok(value) }
    }

    /// How large the space has become.
    #[must_use]
    pub fn stats(&self) -> SpaceStats {
        SpaceStats {
            nodes: self.nodes.len(),
            edges: self.narrow.edges.len() + self.wide.edges.len(),
            bytes: self.bytes(),
        }
    }

    /// Forgets every set but these, and gives each its new id. All other ids lose their meaning.
    pub fn keep_only<'a>(&mut self, sets: impl IntoIterator<Item = &'a mut Set>) {
        let mut sets: Vec<&mut Set> = sets.into_iter().collect();
        let ids = (2..self.nodes.len()).map(|id| Set(u32::try_from(id).unwrap_or(u32::MAX)));
        let mut wanted = vec![false; self.nodes.len()];
        for set in &sets {
            wanted[set.0 as usize] = true;
        }
        // A node is younger than those it refers to.
        for set in ids.clone().rev() {
            if wanted[set.0 as usize] {
                self.for_each_child(set, |child| wanted[child.0 as usize] = true);
            }
        }
        let mut fresh = Self::with_limit(self.limit);
        fresh.overflowed = self.overflowed;
        let mut moved = vec![Set::EMPTY; self.nodes.len()];
        moved[Set::ALL.0 as usize] = Set::ALL;
        for set in ids.filter(|set| wanted[set.0 as usize]) {
            moved[set.0 as usize] = if self.level(set).is_wide() {
                fresh.adopt::<u128>(self, set, &moved)
            } else {
                fresh.adopt::<u32>(self, set, &moved)
            };
        }
        for set in &mut sets {
            **set = moved[set.0 as usize];
        }
        *self = fresh;
    }

    /// Makes here what `set` is in another space, given the new ids of those it refers to.
    fn adopt<B: Bound>(&mut self, other: &Self, set: Set, moved: &[Set]) -> Set {
        let base = self.open::<B>();
        for edge in other.edges::<B>(set) {
            self.push(base, edge.hi, moved[edge.child.0 as usize]);
        }
        self.close::<B>(other.level(set), base)
    }

    fn for_each_child(&self, set: Set, mut each: impl FnMut(Set)) {
        if self.level(set).is_wide() {
            self.edges::<u128>(set).iter().for_each(|edge| each(edge.child));
        } else {
            self.edges::<u32>(set).iter().for_each(|edge| each(edge.child));
        }
    }

    fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.narrow.bytes()
            + self.wide.bytes()
            + self.table.len() * size_of::<u32>()
            + self.memo.entries.len() * size_of::<MemoEntry>()
    }

    #[inline]
    pub(super) fn level(&self, set: Set) -> Level {
        self.nodes[set.0 as usize].level
    }

    #[inline]
    pub(super) fn node(&self, set: Set) -> Node {
        self.nodes[set.0 as usize]
    }

    pub(super) fn edges<B: Bound>(&self, set: Set) -> &[Edge<B>] {
        let node = self.nodes[set.0 as usize];
        &B::pool(self).edges[node.start as usize..][..node.len as usize]
    }

    #[inline]
    pub(super) fn recall(&self, operation: u32, a: u32, b: u32) -> Option<Set> {
        let entry = &self.memo.entries[self.memo.place(operation, a, b)];
        (entry.a == a && entry.b == b && entry.operation == operation).then_some(entry.result)
    }

    pub(super) fn remember(&mut self, operation: u32, a: u32, b: u32, result: Set) {
        let place = self.memo.place(operation, a, b);
        self.memo.entries[place] = MemoEntry { a, b, operation, result };
        self.memo.noted += 1;
        if self.memo.noted > self.memo.entries.len() {
            self.grow_memo();
        }
    }

    /// Doubles the memo, unless it is large enough or would take more than a fair part of the
    /// memory.
    #[cold]
    fn grow_memo(&mut self) {
        let bytes = self.memo.entries.len() * size_of::<MemoEntry>();
        self.memo.noted = 0;
        if self.memo.entries.len() < MEMO_MOST && bytes * 2 <= self.limit / 4 {
            self.memo.grow();
        }
    }

    /// Opens a draft of a node; every draft opened after it must be closed before it.
    pub(super) fn open<B: Bound>(&self) -> usize {
        B::pool(self).draft.len()
    }

    /// Adds an interval to the draft that began at `base`.
    #[inline]
    pub(super) fn push<B: Bound>(&mut self, base: usize, hi: B, child: Set) {
        let draft = &mut B::pool_mut(self).draft;
        let at_base = draft.len() == base;
        match draft.last_mut() {
            Some(last) if !at_base && last.child == child => last.hi = hi,
            _ => draft.push(Edge { hi, child }),
        }
    }

    /// Closes the draft that began at `base` and gives the set it stands for.
    pub(super) fn close<B: Bound>(&mut self, level: Level, base: usize) -> Set {
        let draft = &B::pool(self).draft;
        if let [only] = &draft[base..] {
            let child = only.child;
            B::pool_mut(self).draft.truncate(base);
            return child;
        }
        let hash = hash_of(level, &draft[base..]);
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        let found = loop {
            let id = self.table[place];
            if id == 0 {
                break None;
            }
            let node = self.nodes[id as usize];
            if node.hash == hash
                && node.level == level
                && self.edges::<B>(Set(id)) == &B::pool(self).draft[base..]
            {
                break Some(Set(id));
            }
            place = (place + 1) & mask;
        };
        let set = match found {
            Some(set) => set,
            None => self.intern::<B>(level, base, hash, place),
        };
        B::pool_mut(self).draft.truncate(base);
        set
    }

    #[expect(clippy::cast_possible_truncation, reason = "`room_for` keeps all counts below 2^32")]
    fn intern<B: Bound>(&mut self, level: Level, base: usize, hash: u32, place: usize) -> Set {
        if self.overflowed || !self.room_for::<B>(base) {
            self.overflowed = true;
            return Set::EMPTY;
        }
        let id = self.nodes.len() as u32;
        let pool = B::pool_mut(self);
        let start = pool.edges.len() as u32;
        let len = (pool.draft.len() - base) as u32;
        let Pool { edges, draft } = pool;
        edges.extend_from_slice(&draft[base..]);
        self.nodes.push(Node { start, len, hash, level });
        self.table[place] = id;
        if self.nodes.len() * 2 > self.table.len() {
            self.grow_table();
        }
        Set(id)
    }

    /// Whether one more node fits. A vector that must grow needs twice its size for a moment.
    fn room_for<B: Bound>(&self, base: usize) -> bool {
        let pool = B::pool(self);
        let edges = pool.edges.len() + (pool.draft.len() - base);
        let mut growth = 0;
        if edges > pool.edges.capacity() {
            growth += pool.edges.capacity().max(edges) * size_of::<Edge<B>>();
        }
        if self.nodes.len() == self.nodes.capacity() {
            growth += self.nodes.capacity() * size_of::<Node>();
        }
        edges < 1 << 31 && self.nodes.len() < 1 << 31 && self.bytes() + growth <= self.limit
    }

    #[expect(clippy::cast_possible_truncation, reason = "`room_for` keeps the count below 2^32")]
    fn grow_table(&mut self) {
        let mask = self.table.len() * 2 - 1;
        self.table = vec![0; mask + 1];
        for (id, node) in self.nodes.iter().enumerate().skip(2) {
            let mut place = node.hash as usize & mask;
            while self.table[place] != 0 {
                place = (place + 1) & mask;
            }
            self.table[place] = id as u32;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a hash keeps the upper half")]
fn hash_of<B: Bound>(level: Level, edges: &[Edge<B>]) -> u32 {
    let mut hash = level as u64;
    for edge in edges {
        let word = edge.hi.mix() ^ u64::from(edge.child.0) << 32;
        hash = (hash.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    }
    (hash ^ hash >> 15) as u32 ^ (hash >> 32) as u32
}
