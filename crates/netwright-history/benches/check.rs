//! How long it takes to check histories: the etcd logs against Porcupine in the same run, a million reads and writes, a million transactions.
//!
//! The logs are those of `../shared/data/histories`; where they are absent, or Go or Porcupine cannot be had, that is said and left out.
//! Porcupine is fetched by Go into a folder that is removed at the end. `NETWRIGHT_BENCH_OPERATIONS` is how many operations (1,000,000 unless given).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a benchmark stops where it cannot go on, and prints"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use netwright_history::{History, Model, Options, Report, check, read_text};

/// Numbers by chance, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

fn operations() -> usize {
    let given = std::env::var("NETWRIGHT_BENCH_OPERATIONS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
}

fn main() {
    // The most memory is that of the whole process: each part that is measured runs in one of its own.
    match std::env::args().nth(1).as_deref() {
        Some("registers") => return registers(),
        Some("transactions") => return transactions(),
        _ => {}
    }
    logs();
    for part in ["registers", "transactions"] {
        let this = std::env::current_exe().expect("this program");
        let status = Command::new(this).arg(part).status().expect("a part of the benchmark");
        assert!(status.success(), "{part}");
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn judged(history: &History, model: &str) -> (Report, Duration) {
    let model = Model::of(model).expect("a model");
    let begun = Instant::now();
    let report = check(history, model, &Options::default()).expect("a report");
    (report, begun.elapsed())
}

fn logs() {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/histories/porcupine/jepsen"
    ));
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("etcd logs: absent, left out");
        return;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let texts: Vec<Vec<u8>> =
        files.iter().map(|file| std::fs::read(file).expect("a log")).collect();
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let begun = Instant::now();
        let histories: Vec<History> =
            texts.iter().map(|text| read_text(text).expect("a history")).collect();
        let reading = begun.elapsed();
        let begun = Instant::now();
        let model = Model::of("cas-register").expect("a model");
        for history in &histories {
            drop(check(history, model, &Options::default()).expect("a report"));
        }
        best = (best.0.min(reading), best.1.min(begun.elapsed()));
    }
    println!(
        "{} etcd logs: read in {:.1} ms, checked in {:.1} ms, witnesses included",
        files.len(),
        milliseconds(best.0),
        milliseconds(best.1)
    );
    match porcupine(folder) {
        Ok(theirs) => {
            let times = theirs.as_secs_f64() / best.1.as_secs_f64();
            println!(
                "Porcupine, the same logs in this run: checked in {:.1} ms, {times:.0} times as long",
                milliseconds(theirs)
            );
        }
        Err(why) => println!("Porcupine: left out, {why}"),
    }
}

/// The time that Porcupine takes for the logs of a folder, the best of five.
fn porcupine(logs: &Path) -> Result<Duration, String> {
    let folder = std::env::temp_dir().join(format!("netwright-porcupine-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let result = porcupine_in(&folder, logs);
    drop(std::fs::remove_dir_all(&folder));
    result
}

fn porcupine_in(folder: &Path, logs: &Path) -> Result<Duration, String> {
    std::fs::write(folder.join("main.go"), include_str!("porcupine.go"))
        .map_err(|error| error.to_string())?;
    let go = |arguments: &[&str]| -> Result<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("go")
            .args(arguments)
            .current_dir(folder)
            .env("PATH", format!("{path}:/usr/local/go/bin"))
            .output()
            .or_else(|_| {
                Command::new("/usr/local/go/bin/go").args(arguments).current_dir(folder).output()
            })
            .map_err(|error| format!("Go cannot be started: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(said.lines().next_back().unwrap_or_default().to_owned());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    go(&["mod", "init", "peer"])?;
    go(&["get", "github.com/anishathalye/porcupine@v1.0.3"])?;
    go(&["build", "-o", "peer", "."])?;
    let output =
        Command::new(folder.join("peer")).arg(logs).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let nanoseconds = text.trim().parse().map_err(|_| format!("it says {text:?}"))?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// The most memory of this process so far, in MiB.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn told(what: &str, text: &str, model: &str) {
    let begun = Instant::now();
    let history = read_text(text.as_bytes()).expect("a history");
    let reading = begun.elapsed();
    let (report, checking) = judged(&history, model);
    let most = memory().map_or_else(String::new, |most| {
        format!(", {most} MiB at most, of which the text {}", text.len() >> 20)
    });
    println!(
        "{what}: {} operations, {}: read in {:.2} s, checked in {:.3} s{most}",
        history.operations.len(),
        report.verdict.word(),
        reading.as_secs_f64(),
        checking.as_secs_f64(),
    );
}

/// Operations of twenty clients on things that do one after the other, each at its end.
fn clients(count: usize, mut each: impl FnMut(&mut Chance, bool) -> (String, String)) -> String {
    let mut chance = Chance(0x5eed);
    let mut text = String::new();
    let mut busy: Vec<Option<String>> = vec![None; 20];
    let mut begun = 0;
    while begun < count || busy.iter().any(Option::is_some) {
        let process = usize::try_from(chance.below(20)).expect("small");
        match busy[process].take() {
            Some(ended) => {
                writeln!(text, "{{\"type\":\"ok\",\"process\":{process},{ended}}}")
                    .expect("memory");
            }
            None if begun < count => {
                begun += 1;
                let (before, after) = each(&mut chance, true);
                writeln!(text, "{{\"type\":\"invoke\",\"process\":{process},{before}}}")
                    .expect("memory");
                busy[process] = Some(after);
            }
            None => {}
        }
    }
    text
}

fn registers() {
    let mut value = 0_u64;
    let text = clients(operations(), |chance, _| {
        if chance.below(2) == 0 {
            value += 1;
            let write = format!("\"f\":\"write\",\"value\":{value}");
            (write.clone(), write)
        } else {
            (
                "\"f\":\"read\",\"value\":null".to_owned(),
                format!("\"f\":\"read\",\"value\":{}", value.max(1)),
            )
        }
    });
    told("register of unique values", &text, "register");
}

fn transactions() {
    // Sixteen keys at a time, each appended to a hundred times.
    let mut lists: Vec<Vec<u64>> = vec![Vec::new(); 16];
    let mut names: Vec<usize> = (0..16).collect();
    let mut next = 16;
    let text = clients(operations(), |chance, _| {
        let (mut before, mut after) = (String::new(), String::new());
        for step in 0..=chance.below(4) {
            let comma = if step == 0 { "" } else { "," };
            let at = usize::try_from(chance.below(16)).expect("small");
            let key = names[at];
            if chance.below(2) == 0 {
                let element = lists[at].len() as u64 + 1;
                lists[at].push(element);
                write!(before, "{comma}[\"append\",{key},{element}]").expect("memory");
                write!(after, "{comma}[\"append\",{key},{element}]").expect("memory");
                if lists[at].len() == 100 {
                    lists[at].clear();
                    names[at] = next;
                    next += 1;
                }
            } else {
                write!(before, "{comma}[\"r\",{key},null]").expect("memory");
                write!(after, "{comma}[\"r\",{key},{:?}]", lists[at]).expect("memory");
            }
        }
        (
            format!("\"f\":\"txn\",\"value\":[{before}]"),
            format!("\"f\":\"txn\",\"value\":[{after}]"),
        )
    });
    told("list-append", &text, "list-append");
}
