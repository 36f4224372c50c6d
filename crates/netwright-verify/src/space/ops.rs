//! Union, intersection, difference, complement, and the questions "subset?" and "overlap?".

use super::arena::{Bound, Edge, Level, Set, Space};

/// Numbers by which the memo tells operations apart; 0 is taken.
pub(super) mod code {
    pub(in crate::space) const AND: u32 = 1;
    pub(in crate::space) const OR: u32 = 2;
    pub(in crate::space) const MINUS: u32 = 3;
    pub(in crate::space) const SUBSET: u32 = 4;
    pub(in crate::space) const DISJOINT: u32 = 5;
    pub(in crate::space) const REVERSE: u32 = 6;
    pub(in crate::space) const REVERSE_ECHO: u32 = 7;
    /// 8..=13: one for each field.
    pub(in crate::space) const FORGET: u32 = 8;
}

/// An operation on two sets that is decided packet by packet.
trait Operator {
    const CODE: u32;
    const COMMUTES: bool;
    /// The answer when it needs no look inside.
    fn shortcut(a: Set, b: Set) -> Option<Set>;
    /// The answer that `a` alone forces, whatever the other operand.
    fn forced_by_left(a: Set) -> Option<Set>;
    /// The answer that `b` alone forces, whatever the other operand.
    fn forced_by_right(b: Set) -> Option<Set>;
}

struct And;
struct Or;
struct Minus;

impl Operator for And {
    const CODE: u32 = code::AND;
    const COMMUTES: bool = true;
    #[inline]
    fn shortcut(a: Set, b: Set) -> Option<Set> {
        if a == b || b.is_all() || a.is_empty() {
            Some(a)
        } else if a.is_all() || b.is_empty() {
            Some(b)
        } else {
            None
        }
    }
    fn forced_by_left(a: Set) -> Option<Set> {
        a.is_empty().then_some(a)
    }
    fn forced_by_right(b: Set) -> Option<Set> {
        b.is_empty().then_some(b)
    }
}

impl Operator for Or {
    const CODE: u32 = code::OR;
    const COMMUTES: bool = true;
    #[inline]
    fn shortcut(a: Set, b: Set) -> Option<Set> {
        if a == b || b.is_empty() || a.is_all() {
            Some(a)
        } else if a.is_empty() || b.is_all() {
            Some(b)
        } else {
            None
        }
    }
    fn forced_by_left(a: Set) -> Option<Set> {
        a.is_all().then_some(a)
    }
    fn forced_by_right(b: Set) -> Option<Set> {
        b.is_all().then_some(b)
    }
}

impl Operator for Minus {
    const CODE: u32 = code::MINUS;
    const COMMUTES: bool = false;
    #[inline]
    fn shortcut(a: Set, b: Set) -> Option<Set> {
        if a == b || b.is_all() {
            Some(Set::EMPTY)
        } else if a.is_empty() || b.is_empty() {
            Some(a)
        } else {
            None
        }
    }
    fn forced_by_left(a: Set) -> Option<Set> {
        a.is_empty().then_some(a)
    }
    fn forced_by_right(b: Set) -> Option<Set> {
        b.is_all().then_some(Set::EMPTY)
    }
}

/// A question on two sets that is "yes" exactly when it is "yes" for every part of them.
trait Question {
    const CODE: u32;
    const COMMUTES: bool;
    fn shortcut(a: Set, b: Set) -> Option<bool>;
    /// Whether the answer is yes with this left side, whatever the other.
    fn sure_by_left(a: Set) -> bool;
    /// Whether the answer is yes with this right side, whatever the other.
    fn sure_by_right(b: Set) -> bool;
}

struct Subset;
struct Disjoint;

impl Question for Subset {
    const CODE: u32 = code::SUBSET;
    const COMMUTES: bool = false;
    #[inline]
    fn shortcut(a: Set, b: Set) -> Option<bool> {
        if a == b || a.is_empty() || b.is_all() {
            Some(true)
        } else if b.is_empty() || a.is_all() {
            Some(false)
        } else {
            None
        }
    }
    fn sure_by_left(a: Set) -> bool {
        a.is_empty()
    }
    fn sure_by_right(b: Set) -> bool {
        b.is_all()
    }
}

impl Question for Disjoint {
    const CODE: u32 = code::DISJOINT;
    const COMMUTES: bool = true;
    #[inline]
    fn shortcut(a: Set, b: Set) -> Option<bool> {
        if a.is_empty() || b.is_empty() {
            Some(true)
        } else if a == b || a.is_all() || b.is_all() {
            Some(false)
        } else {
            None
        }
    }
    fn sure_by_left(a: Set) -> bool {
        a.is_empty()
    }
    fn sure_by_right(b: Set) -> bool {
        b.is_empty()
    }
}

/// A place in the edges of a set, or the set itself as one edge where it does not ask this
/// question.
#[derive(Copy, Clone)]
struct Cursor {
    set: Set,
    position: usize,
    end: usize,
}

impl Cursor {
    fn new(space: &Space, set: Set, level: Level) -> Self {
        let node = space.node(set);
        if node.level == level {
            let position = node.start as usize;
            Self { set, position, end: position + node.len as usize }
        } else {
            Self { set, position: 0, end: 0 }
        }
    }

    #[inline]
    fn edge<B: Bound>(&self, space: &Space, top: B) -> Edge<B> {
        if self.end == 0 {
            Edge { hi: top, child: self.set }
        } else {
            B::pool(space).edges[self.position]
        }
    }

    /// Moves to the first edge that reaches above `hi`, which must be below the last edge's.
    #[inline]
    fn pass<B: Bound>(&mut self, space: &Space, hi: B) {
        if self.end == 0 {
            return;
        }
        let edges = &B::pool(space).edges[self.position..self.end];
        let mut step = 1;
        while step < edges.len() && edges[step].hi <= hi {
            step *= 2;
        }
        let from = step / 2;
        let to = edges.len().min(step + 1);
        self.position += from + edges[from..to].partition_point(|edge| edge.hi <= hi);
    }
}

impl Space {
    /// The packets in both sets.
    pub fn and(&mut self, a: Set, b: Set) -> Set {
        self.apply::<And>(a, b)
    }

    /// The packets in at least one of the sets.
    pub fn or(&mut self, a: Set, b: Set) -> Set {
        self.apply::<Or>(a, b)
    }

    /// The packets in `a` that are not in `b`.
    pub fn minus(&mut self, a: Set, b: Set) -> Set {
        self.apply::<Minus>(a, b)
    }

    /// The packets not in the set.
    pub fn not(&mut self, set: Set) -> Set {
        self.apply::<Minus>(Set::ALL, set)
    }

    /// Whether every packet of `a` is in `b`. Makes no node.
    pub fn is_subset(&mut self, a: Set, b: Set) -> bool {
        self.holds::<Subset>(a, b)
    }

    /// Whether some packet is in both sets. Makes no node.
    pub fn intersects(&mut self, a: Set, b: Set) -> bool {
        !self.holds::<Disjoint>(a, b)
    }

    /// The packets in at least one of the sets, joined as a balanced tree: many sets joined one by
    /// one cost the square.
    pub fn union_all(&mut self, sets: impl IntoIterator<Item = Set>) -> Set {
        let mut sets: Vec<Set> = sets.into_iter().collect();
        self.fold_balanced(&mut sets, Self::or).unwrap_or(Set::EMPTY)
    }

    /// The packets in all of the sets ([`Set::ALL`] for none), joined as a balanced tree.
    pub fn intersect_all(&mut self, sets: impl IntoIterator<Item = Set>) -> Set {
        let mut sets: Vec<Set> = sets.into_iter().collect();
        self.fold_balanced(&mut sets, Self::and).unwrap_or(Set::ALL)
    }

    /// The packets permitted by an ordered list of rules (packets matched, whether they are
    /// permitted) of which the first that matches decides, and `default` where none does.
    ///
    /// Rules are joined as a balanced tree of pairs (permitted, decided): one by one, a few
    /// thousand rules with ranges in both ports cost gigabytes; as a tree, a fraction of a second.
    pub fn first_match(&mut self, rules: &[(Set, bool)], default: bool) -> Set {
        let mut pairs: Vec<(Set, Set)> = rules
            .iter()
            .map(|&(matched, permit)| (if permit { matched } else { Set::EMPTY }, matched))
            .collect();
        let joined = self.fold_balanced(&mut pairs, |space, first, then| {
            let news = space.minus(then.0, first.1);
            (space.or(first.0, news), space.or(first.1, then.1))
        });
        let (permitted, decided) = joined.unwrap_or((Set::EMPTY, Set::EMPTY));
        if default {
            let denied = self.minus(decided, permitted);
            self.not(denied)
        } else {
            permitted
        }
    }

    /// Joins neighbours until one is left, keeping their order.
    fn fold_balanced<T: Copy>(
        &mut self,
        items: &mut Vec<T>,
        mut join: impl FnMut(&mut Self, T, T) -> T,
    ) -> Option<T> {
        while items.len() > 1 {
            let half = items.len().div_ceil(2);
            for i in 0..half {
                items[i] = match items[2 * i..] {
                    [a, b, ..] => join(self, a, b),
                    [a] => a,
                    [] => break,
                };
            }
            items.truncate(half);
        }
        items.first().copied()
    }

    #[inline]
    fn apply<O: Operator>(&mut self, a: Set, b: Set) -> Set {
        if let Some(set) = O::shortcut(a, b) {
            return set;
        }
        let (a, b) = if O::COMMUTES && a > b { (b, a) } else { (a, b) };
        if let Some(set) = self.recall(O::CODE, a.0, b.0) {
            return set;
        }
        if self.overflowed() {
            return Set::EMPTY;
        }
        let level = self.level(a).min(self.level(b));
        let set = if level.is_wide() {
            self.merge::<O, u128>(a, b, level)
        } else {
            self.merge::<O, u32>(a, b, level)
        };
        self.remember(O::CODE, a.0, b.0, set);
        set
    }

    fn merge<O: Operator, B: Bound>(&mut self, a: Set, b: Set, level: Level) -> Set {
        let top = B::top(level);
        let mut left = Cursor::new(self, a, level);
        let mut right = Cursor::new(self, b, level);
        let base = self.open::<B>();
        loop {
            let (x, y) = (left.edge(self, top), right.edge(self, top));
            let (hi, child) = if let Some(child) = O::forced_by_left(x.child) {
                (x.hi, child)
            } else if let Some(child) = O::forced_by_right(y.child) {
                (y.hi, child)
            } else {
                (x.hi.min(y.hi), self.apply::<O>(x.child, y.child))
            };
            self.push(base, hi, child);
            if hi == top {
                return self.close::<B>(level, base);
            }
            left.pass(self, hi);
            right.pass(self, hi);
        }
    }

    #[inline]
    fn holds<Q: Question>(&mut self, a: Set, b: Set) -> bool {
        if let Some(answer) = Q::shortcut(a, b) {
            return answer;
        }
        let (a, b) = if Q::COMMUTES && a > b { (b, a) } else { (a, b) };
        if let Some(set) = self.recall(Q::CODE, a.0, b.0) {
            return set.is_all();
        }
        let level = self.level(a).min(self.level(b));
        let answer = if level.is_wide() {
            self.holds_on_edges::<Q, u128>(a, b, level)
        } else {
            self.holds_on_edges::<Q, u32>(a, b, level)
        };
        self.remember(Q::CODE, a.0, b.0, if answer { Set::ALL } else { Set::EMPTY });
        answer
    }

    fn holds_on_edges<Q: Question, B: Bound>(&mut self, a: Set, b: Set, level: Level) -> bool {
        let top = B::top(level);
        let mut left = Cursor::new(self, a, level);
        let mut right = Cursor::new(self, b, level);
        loop {
            let (x, y) = (left.edge(self, top), right.edge(self, top));
            let hi = if Q::sure_by_left(x.child) {
                x.hi
            } else if Q::sure_by_right(y.child) {
                y.hi
            } else if self.holds::<Q>(x.child, y.child) {
                x.hi.min(y.hi)
            } else {
                return false;
            };
            if hi == top {
                return true;
            }
            left.pass(self, hi);
            right.pass(self, hi);
        }
    }
}
