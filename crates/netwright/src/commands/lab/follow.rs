//! Follows edits of a description: whether what a path holds has changed, and has come to rest.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often is looked.
pub(in crate::commands) const LOOK: Duration = Duration::from_millis(60);
/// A change counts when nothing more changed for so long: editors write in several steps.
const REST: Duration = Duration::from_millis(150);
/// Most files of a folder that are looked at: as many as are read.
const FILES: usize = 20_000;
/// Deepest folder in a folder that is looked at.
const DEPTH: usize = 16;

/// What tells one state of a file from another: its number, its length, when it changed.
type Print = BTreeMap<PathBuf, (u64, u64, i64, i64)>;

/// The state of a path, and whether it changed.
pub(in crate::commands) struct Follow {
    path: PathBuf,
    known: Print,
    /// A state that is not known yet, and since when it is so.
    new: Option<(Print, Instant)>,
}

impl Follow {
    /// From the state as it is now.
    pub(in crate::commands) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), known: print(path), new: None }
    }

    /// Whether it changed since it was asked last, and came to rest.
    pub(in crate::commands) fn changed(&mut self, now: Instant) -> bool {
        let is = print(&self.path);
        if is == self.known {
            self.new = None;
            return false;
        }
        match &self.new {
            Some((seen, since)) if *seen == is => {
                if now.duration_since(*since) < REST {
                    return false;
                }
                self.known = is;
                self.new = None;
                true
            }
            _ => {
                self.new = Some((is, now));
                false
            }
        }
    }
}

fn print(path: &Path) -> Print {
    let mut print = Print::new();
    add(path, 0, &mut print);
    print
}

fn add(path: &Path, depth: usize, print: &mut Print) {
    // A file that is not there is a state too.
    let Ok(found) = fs::metadata(path) else { return };
    if print.len() >= FILES || depth > DEPTH {
        return;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            add(&entry.path(), depth + 1, print);
        }
    } else {
        let state = (found.ino(), found.len(), found.ctime(), found.ctime_nsec());
        print.insert(path.to_owned(), state);
    }
}

#[cfg(test)]
mod tests {
    use super::{Follow, REST};
    use std::time::Instant;

    #[test]
    fn a_change_is_told_once_and_only_when_it_has_come_to_rest() {
        let folder = std::env::temp_dir().join(format!("netwright-follow-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.yaml");
        std::fs::write(&file, "one").unwrap();
        let (mut follow, now) = (Follow::new(&folder), Instant::now());
        assert!(!follow.changed(now));
        std::fs::write(&file, "more").unwrap();
        assert!(!follow.changed(now), "it was seen this moment");
        std::fs::write(&file, "still more").unwrap();
        assert!(!follow.changed(now + REST), "it changed again");
        assert!(follow.changed(now + REST * 2));
        assert!(!follow.changed(now + REST * 3), "it was told");
        // Replaced as editors do: by another file of the same name.
        std::fs::write(folder.join("b"), "still more").unwrap();
        std::fs::rename(folder.join("b"), &file).unwrap();
        assert!(!follow.changed(now + REST * 4));
        assert!(follow.changed(now + REST * 5));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
