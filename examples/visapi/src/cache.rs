//! Answers that were given, kept in memory for when they cannot be asked for again. Whoever gets one is told how old it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most answers.
const MOST: usize = 5_000;

/// An answer that was kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept<T> {
    /// What it was.
    pub(crate) value: T,
    /// How long ago.
    pub(crate) age: Duration,
}

/// What was answered, by what was asked.
#[derive(Debug)]
pub(crate) struct Cache<T>(Mutex<BTreeMap<String, (Instant, T)>>);

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Cache<T> {
    fn map(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an answer; the oldest goes where there are too many.
    pub(crate) fn keep(&self, asked: &str, value: T) {
        let mut map = self.map();
        if map.len() >= MOST && !map.contains_key(asked) {
            let oldest =
                map.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                map.remove(&oldest);
            }
        }
        map.insert(asked.to_owned(), (Instant::now(), value));
    }

    /// What was answered.
    pub(crate) fn kept(&self, asked: &str) -> Option<Kept<T>> {
        self.map()
            .get(asked)
            .map(|(since, value)| Kept { value: value.clone(), age: since.elapsed() })
    }

    /// Forgets all; says how many there were.
    pub(crate) fn clear(&self) -> usize {
        std::mem::take(&mut *self.map()).len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.map().len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cache, MOST};

    #[test]
    fn the_oldest_goes_first() {
        let cache = Cache::default();
        for number in 0..=MOST {
            cache.keep(&number.to_string(), number);
        }
        assert_eq!(cache.len(), MOST);
        assert!(cache.kept("0").is_none());
        assert_eq!(cache.kept("1").unwrap().value, 1);
        assert_eq!(cache.clear(), MOST);
    }
}
