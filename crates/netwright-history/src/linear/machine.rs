//! What operations do to the one object that a history is about, and what they say of it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// What an operation does. Values are numbers that were given to them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    /// It was this.
    Read(u32),
    /// It was anything but this.
    Not(u32),
    /// It becomes this.
    Write(u32),
    /// It was the first, and becomes the second.
    Cas(u32, u32),
    /// Steps over several registers: whether it writes, which register, which value.
    Many(Box<[(bool, u32, u32)]>),
    /// The text was this.
    Get(u32),
    /// The text becomes this.
    Put(u32),
    /// This is added at the end of the text.
    Append(u32),
}

impl Act {
    /// Whether it leaves everything as it is.
    pub(crate) fn is_pure(&self) -> bool {
        match self {
            Self::Read(_) | Self::Not(_) | Self::Get(_) => true,
            Self::Many(steps) => steps.iter().all(|(writes, _, _)| !writes),
            _ => false,
        }
    }

    /// Whether nothing of what was before is left after it, nor asked by it.
    fn is_blind(&self, registers: usize) -> bool {
        match self {
            Self::Write(_) | Self::Put(_) => true,
            Self::Many(steps) => {
                let mut written: Vec<u32> = steps.iter().map(|(_, key, _)| *key).collect();
                written.sort_unstable();
                written.dedup();
                steps.iter().all(|(writes, _, _)| *writes) && written.len() == registers
            }
            _ => false,
        }
    }
}

/// Things that are given numbers.
#[derive(Debug, Clone)]
pub(crate) struct Numbers<T> {
    pub(crate) all: Vec<T>,
    by: FxHashMap<T, u32>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by: FxHashMap::default() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbers<T> {
    /// The number of a thing, a new one if it has none.
    pub(crate) fn of(&mut self, thing: &T) -> u32 {
        if let Some(known) = self.by.get(thing) {
            return *known;
        }
        let new = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(thing.clone());
        self.by.insert(thing.clone(), new);
        new
    }
}

/// What states are.
#[derive(Debug, Clone)]
pub(crate) enum World {
    /// One register: a state is the value's number.
    Register,
    /// So many registers: a state is the number of what they hold together.
    Registers(usize, Numbers<Box<[u32]>>),
    /// A text: a state is the text's number.
    Texts(Numbers<Arc<str>>),
}

/// A text that nobody reads as it is nor as the beginning of another. All of these are alike: only a new text leads on from them.
const UNREAD: u32 = u32::MAX - 2;

/// The object with all that operations may do to it.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    pub(crate) acts: Vec<&'a Act>,
    world: World,
    blind: Vec<bool>,
    pure: Vec<bool>,
    after: FxHashMap<(u32, u32), u32>,
    /// All texts that are read, sorted.
    read: Vec<Arc<str>>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(acts: Vec<&'a Act>, world: &World) -> Self {
        let registers = if let World::Registers(count, _) = world { *count } else { 1 };
        Self {
            blind: acts.iter().map(|act| act.is_blind(registers)).collect(),
            pure: acts.iter().map(|act| act.is_pure()).collect(),
            acts,
            world: world.clone(),
            after: FxHashMap::default(),
            read: Vec::new(),
        }
        .with_reads()
    }

    /// Knows what texts are read.
    fn with_reads(mut self) -> Self {
        if let World::Texts(texts) = &self.world {
            let read = self.acts.iter().filter_map(|act| match act {
                Act::Get(text) => texts.all.get(*text as usize).cloned(),
                _ => None,
            });
            self.read = read.collect();
            self.read.sort_unstable();
            self.read.dedup();
        }
        self
    }

    /// Whether some read text begins so.
    fn is_read(read: &[Arc<str>], text: &str) -> bool {
        let at = read.partition_point(|known| &**known < text);
        read.get(at).is_some_and(|known| known.starts_with(text))
    }

    pub(crate) fn is_pure(&self, act: usize) -> bool {
        self.pure[act]
    }

    pub(crate) fn is_blind(&self, act: usize) -> bool {
        self.blind[act]
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.world, World::Texts(_))
    }

    /// The state after an act; None if it cannot happen in this one.
    pub(crate) fn step(&mut self, state: u32, act: usize) -> Option<u32> {
        match (self.acts[act], &mut self.world) {
            (Act::Read(value), _) => (*value == state).then_some(state),
            (Act::Not(value), _) => (*value != state).then_some(state),
            (Act::Write(value), _) => Some(*value),
            (Act::Cas(from, to), _) => (*from == state).then_some(*to),
            (Act::Get(text), _) => (*text == state).then_some(state),
            (Act::Put(text), World::Texts(texts)) => {
                let known = Self::is_read(&self.read, &texts.all[*text as usize]);
                Some(if known { *text } else { UNREAD })
            }
            (Act::Append(_), _) if state == UNREAD => Some(UNREAD),
            (Act::Append(piece), World::Texts(texts)) => {
                if let Some(known) = self.after.get(&(state, *piece)) {
                    return Some(*known);
                }
                let joined: Arc<str> =
                    [&*texts.all[state as usize], &*texts.all[*piece as usize]].concat().into();
                let known = Self::is_read(&self.read, &joined);
                let new = if known { texts.of(&joined) } else { UNREAD };
                self.after.insert((state, *piece), new);
                Some(new)
            }
            (Act::Many(steps), World::Registers(_, states)) => {
                let mut now: Box<[u32]> = states.all[state as usize].clone();
                for (writes, key, value) in steps {
                    let held = now.get_mut(*key as usize)?;
                    if *writes {
                        *held = *value;
                    } else if *held != *value {
                        return None;
                    }
                }
                Some(states.of(&now))
            }
            _ => None,
        }
    }

    /// Whether a text is the beginning of what an act reads; true of acts that read no text.
    pub(crate) fn may_grow_into(&self, state: u32, act: usize) -> bool {
        match (self.acts[act], &self.world) {
            (Act::Get(_), World::Texts(_)) if state == UNREAD => false,
            (Act::Get(text), World::Texts(texts)) => {
                texts.all[*text as usize].starts_with(&*texts.all[state as usize])
            }
            _ => true,
        }
    }
}
