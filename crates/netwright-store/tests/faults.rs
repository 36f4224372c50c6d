//! What was acknowledged is never lost: not by a power cut at any moment, a disk that fails or is full, or a process that is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test stops where it cannot go on; one is its own child, which says what it wrote"
)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use netwright_store::embedded::{Embedded, File};
use netwright_store::{Clock, Error, Event, Keys, Monotonic, Op, Range, Revision, Store, Txn};
use redb::{Database, StorageBackend, TableDefinition};

fn clock() -> Arc<dyn Clock> {
    Arc::new(Monotonic::default())
}

/// Numbers that look random and are the same for a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a disk does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Health {
    Good,
    /// It fails after so many writes.
    Until(u64),
    /// It fails.
    Failed,
}

#[derive(Debug)]
struct Image {
    /// What is on the disk whatever happens.
    safe: Vec<u8>,
    /// What is read: with all that was written.
    seen: Vec<u8>,
    /// Written since the last time that it was made safe.
    loose: Vec<Write>,
    health: Health,
}

#[derive(Debug)]
enum Write {
    At(usize, Vec<u8>),
    Length(usize),
}

impl Write {
    /// Does the write on an image, whole or a part of it.
    fn on(&self, image: &mut Vec<u8>, part: usize) {
        match self {
            Self::At(at, data) => {
                let end = at + data.len().min(part);
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*at..end].copy_from_slice(&data[..end - at]);
            }
            Self::Length(length) => image.resize(*length, 0),
        }
    }
}

/// A disk in memory that forgets what was not made safe.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<Image>>);

impl Disk {
    fn new() -> Self {
        let image = Image { safe: vec![], seen: vec![], loose: vec![], health: Health::Good };
        Self(Arc::new(Mutex::new(image)))
    }

    fn set(&self, health: Health) {
        self.0.lock().unwrap().health = health;
    }

    /// The power is cut: of what was not safe some is there, some is not, and some is torn.
    fn after_the_cut(&self, dice: &mut Dice) -> Self {
        let image = self.0.lock().unwrap();
        let mut safe = image.safe.clone();
        for write in &image.loose {
            match dice.below(4) {
                0 => {}
                1 => write.on(&mut safe, usize::try_from(dice.below(4096)).unwrap()),
                _ => write.on(&mut safe, usize::MAX),
            }
        }
        let (seen, loose) = (safe.clone(), vec![]);
        Self(Arc::new(Mutex::new(Image { safe, seen, loose, health: Health::Good })))
    }

    fn change(&self, write: Write) -> io::Result<()> {
        let mut image = self.0.lock().unwrap();
        match &mut image.health {
            Health::Failed => return Err(io::ErrorKind::StorageFull.into()),
            Health::Until(left) => match left.checked_sub(1) {
                Some(less) => *left = less,
                None => {
                    image.health = Health::Failed;
                    return Err(io::ErrorKind::StorageFull.into());
                }
            },
            Health::Good => {}
        }
        write.on(&mut image.seen, usize::MAX);
        image.loose.push(write);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let image = self.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let found = image.seen.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Write::Length(usize::try_from(len).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut image = self.0.lock().unwrap();
        if image.health == Health::Failed {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let image = &mut *image;
        for write in image.loose.drain(..) {
            write.on(&mut image.safe, usize::MAX);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Write::At(usize::try_from(offset).unwrap(), data.to_vec()))
    }
}

impl File for Disk {
    fn open(&mut self) -> Result<Database, Error> {
        let made = Database::builder().create_with_backend(self.clone());
        made.map_err(|error| Error::Unavailable(error.to_string()))
    }
}

/// A transaction that writes its number to two keys, of which the second is new and the first is one of a few.
fn twice(number: u64) -> Txn {
    let value = Bytes::from(number.to_string());
    let shared = format!("shared/{}", number % 7);
    Txn::of(vec![Op::put(shared, value.clone()), Op::put(format!("own/{number:06}"), value)])
}

async fn read(store: &Embedded) -> BTreeMap<String, String> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let found = store.range(Range::of(Keys::all())).await.unwrap();
    found.entries.iter().map(|entry| (text(&entry.key), text(&entry.value))).collect()
}

/// What is there is what some first transactions left, with all that were acknowledged; and the log says the same.
async fn is_whole(store: &Embedded, acknowledged: u64, told: &str) {
    let there = read(store).await;
    let last = there
        .keys()
        .filter_map(|key| key.strip_prefix("own/")?.parse::<u64>().ok())
        .max()
        .map_or(0, |last| last + 1);
    assert!(last >= acknowledged, "{told}: {last} of {acknowledged} acknowledged are there");
    let mut expected = BTreeMap::new();
    for number in 0..last {
        expected.insert(format!("own/{number:06}"), number.to_string());
        expected.insert(format!("shared/{}", number % 7), number.to_string());
    }
    assert_eq!(there, expected, "{told}");
    let revision = store.status().await.unwrap().revision;
    assert_eq!(revision, Revision(last + 1), "{told}: each has a revision of its own");
    if last == 0 {
        return;
    }
    let mut watch = store.watch(Keys::all(), Revision(2)).await.unwrap();
    let mut replayed = BTreeMap::new();
    loop {
        let batch = watch.next().await.unwrap();
        for event in batch.events {
            let Event::Put(entry) = event else { panic!("{told}: nothing is taken away") };
            let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            replayed.insert(text(&entry.key), text(&entry.value));
        }
        if batch.revision == revision {
            break;
        }
    }
    assert_eq!(replayed, expected, "{told}: the log");
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let runtime = runtime();
    let mut cuts = 0;
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let disk = Disk::new();
        let (acknowledged, after) = runtime.block_on(async {
            let store = Embedded::over(Box::new(disk.clone()), clock()).unwrap();
            disk.set(Health::Until(dice.below(600)));
            let mut acknowledged = 0;
            for number in 0..60 {
                match store.txn(twice(number)).await {
                    Ok(_) => acknowledged = number + 1,
                    Err(error) => {
                        assert!(error.may_pass(), "{error}");
                        cuts += 1;
                        break;
                    }
                }
            }
            (acknowledged, disk.after_the_cut(&mut dice))
        });
        runtime.block_on(async {
            let store = Embedded::over(Box::new(after), clock()).unwrap();
            is_whole(&store, acknowledged, &format!("seed {seed}")).await;
        });
    }
    assert!(cuts > 100, "only {cuts} of the cuts came while something was written");
}

#[test]
fn a_disk_that_fails_is_told_and_what_comes_after_it_works_again_works() {
    let runtime = runtime();
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let disk = Disk::new();
        runtime.block_on(async {
            let store = Embedded::over(Box::new(disk.clone()), clock()).unwrap();
            let mut watch = store.watch(Keys::prefix("own/"), Revision(2)).await.unwrap();
            disk.set(Health::Until(dice.below(300)));
            let (mut number, mut refused) = (0, 0);
            let mut doubtful = false;
            while number < 60 {
                match store.txn(twice(number)).await {
                    Ok(_) => (number, doubtful) = (number + 1, false),
                    Err(error) => {
                        refused += 1;
                        doubtful |= !error.was_not_done();
                        assert!(error.may_pass(), "{error}");
                        if refused == 3 {
                            disk.set(Health::Good);
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        // Nobody knows whether it was done: one looks.
                        if doubtful
                            && let Ok(found) =
                                store.range(Range::of(Keys::one(&format!("own/{number:06}")))).await
                            && !found.entries.is_empty()
                        {
                            (number, doubtful) = (number + 1, false);
                        }
                    }
                }
                assert!(refused < 2_000, "seed {seed}: it does not work again");
            }
            is_whole(&store, number, &format!("seed {seed}")).await;
            let mut told = Vec::new();
            while told.len() < 60 {
                let batch = watch.next().await.unwrap();
                told.extend(batch.events.iter().map(|event| event.key().clone()));
            }
            let expected: Vec<Bytes> =
                (0..60).map(|number| Bytes::from(format!("own/{number:06}"))).collect();
            assert_eq!(told, expected, "seed {seed}: a watcher saw all, once");
        });
    }
}

/// Set for the child that writes until it is killed.
const FILE: &str = "NETWRIGHT_STORE_TEST_FILE";

#[test]
fn the_child_of_another_test_writes() {
    let Some(file) = std::env::var_os(FILE) else { return };
    runtime().block_on(async {
        let store = Embedded::open(file.as_ref(), clock()).unwrap();
        let first = store.status().await.unwrap().revision.0 - 1;
        println!("ready {first}");
        for number in first.. {
            store.txn(twice(number)).await.unwrap();
            println!("wrote {number}");
        }
    });
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_it_acknowledged() {
    let folder = std::env::temp_dir().join(format!("netwright-store-kill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("store");
    let (runtime, mut dice) = (runtime(), Dice(1));
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_child_of_another_test_writes", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut acknowledged, most) = (0, dice.below(200));
        let mut seen = 0;
        for line in lines {
            let line = line.unwrap();
            let number = |word| line.split_once(word)?.1.trim().parse::<u64>().ok();
            if let Some(first) = number("ready ") {
                acknowledged = first;
            } else if let Some(number) = number("wrote ") {
                acknowledged = number + 1;
                seen += 1;
            }
            if seen >= most && seen > 0 {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        runtime.block_on(async {
            let store = Embedded::open(&file, clock()).unwrap();
            is_whole(&store, acknowledged, &format!("round {round}")).await;
        });
        // The thread that has the file ends by itself.
        while let Err(error) = Database::open(&file) {
            assert!(matches!(error, redb::DatabaseError::DatabaseAlreadyOpen), "{error}");
            std::thread::yield_now();
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_that_another_process_has_is_refused_with_the_reason() {
    let folder = std::env::temp_dir().join(format!("netwright-store-two-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("store");
    runtime().block_on(async {
        let store = Embedded::open(&file, clock()).unwrap();
        let second = Embedded::open(&file, clock()).err().unwrap();
        assert_eq!(
            second.to_string(),
            "the store is not available: another process has the file open"
        );
        drop(store);
        std::fs::write(folder.join("other"), "no store at all, but a text of some length").unwrap();
        let other = Embedded::open(&folder.join("other"), clock()).err().unwrap();
        assert!(matches!(other, Error::Unavailable(_) | Error::Damaged(_)), "{other}");
    });
    std::fs::remove_dir_all(folder).unwrap();
}

/// A folder with a store's file, and its numbers as the file has them.
struct Kept(std::path::PathBuf);

impl Kept {
    const NUMBERS: TableDefinition<'static, &'static str, u64> = TableDefinition::new("numbers");

    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("netwright-store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn open(&self) -> Result<Embedded, Error> {
        loop {
            match Embedded::open(&self.0.join("store"), clock()) {
                // The thread that has the file ends by itself.
                Err(Error::Unavailable(why)) if why.contains("another process") => {
                    std::thread::yield_now();
                }
                opened => return opened,
            }
        }
    }

    fn set(&self, numbers: &[(&str, u64)]) {
        let database = loop {
            match Database::open(self.0.join("store")) {
                Err(redb::DatabaseError::DatabaseAlreadyOpen) => std::thread::yield_now(),
                opened => break opened.unwrap(),
            }
        };
        let txn = database.begin_write().unwrap();
        for (name, number) in numbers {
            txn.open_table(Self::NUMBERS).unwrap().insert(name, number).unwrap();
        }
        txn.commit().unwrap();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _stays = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_revision_is_known_when_all_before_it_is_forgotten() {
    let kept = Kept::new("forgotten");
    runtime().block_on(async {
        let store = kept.open().unwrap();
        for number in 0..5 {
            store.txn(twice(number)).await.unwrap();
        }
        let newest = store.status().await.unwrap().revision;
        store.compact(newest).await.unwrap();
        drop(store);
        let store = kept.open().unwrap();
        assert_eq!(store.status().await.unwrap().revision, newest);
        store.txn(twice(5)).await.unwrap();
        drop(store);
        let store = kept.open().unwrap();
        assert_eq!(store.status().await.unwrap().revision, newest.next());
    });
}

#[test]
fn a_file_of_the_layout_before_is_read_as_it_is_and_one_of_another_is_refused() {
    let kept = Kept::new("layout");
    runtime().block_on(async {
        let store = kept.open().unwrap();
        for number in 0..9 {
            store.txn(twice(number)).await.unwrap();
        }
        drop(store);
        // Its revision lay beside the log after each group.
        kept.set(&[("format", 2), ("revision", 10)]);
        let store = kept.open().unwrap();
        is_whole(&store, 9, "the layout before").await;
        drop(store);
        kept.set(&[("format", 9)]);
        let refused = kept.open().err().unwrap().to_string();
        assert!(
            refused.contains("the file has layout 9; this program reads layout 3"),
            "{refused}"
        );
    });
}
