//! Faults in a running lab: what a game day does to it, for as long as somebody holds on to it.
//!
//! Somebody opens a [`Breaking`], a connection to the lab's process 1, and has it do things. Everything it did ends with it: when it is asked
//! to, when the connection ends, and when nothing was heard over it for as long as its lease. Elements of rulesets end with their lease by
//! themselves: the kernel takes them away, whatever becomes of whoever put them there and of process 1.
//!
//! What is cut where comes as text; nothing here decides what happens to packets.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use netwright_dns::settings::Trouble;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::link::Change;
use crate::place;

/// The one table, of the family `inet`, that faults are in. Nobody else has a table of this name.
pub const TABLE: &str = "netwright-gameday";

/// Longest message each way.
pub(crate) const MESSAGE: u64 = 64 * 1024 * 1024;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rules of a namespace: text for `nft` that makes [`TABLE`], with maps that hold nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The namespace.
    pub namespace: String,
    /// What `nft` reads.
    pub text: String,
}

/// What a map is to hold from now on, and for as long as the lease: nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// The namespace.
    pub namespace: String,
    /// The map.
    pub map: String,
    /// Keys, each with its verdict.
    pub elements: Vec<(String, String)>,
}

/// A map with the elements that it is to hold.
pub type Held<'a> = (&'a str, &'a [(String, String)]);

/// Octets of one transaction: in a user namespace it has at most about 400 KiB in the kernel.
const TRANSACTION: usize = 128 * 1024;
/// Elements of one command.
const ELEMENTS: usize = 512;

/// Commands for `nft` that have maps of a table hold something for as long as a lease. The first transaction takes away what they held: where there is
/// one only, which is up to some thousand elements, no packet meets a map that holds less than before.
#[must_use]
pub fn fill(table: &str, maps: &[Held<'_>], lease: Duration) -> Vec<String> {
    let lease = lease.as_millis();
    let mut all = Vec::new();
    let mut text = String::new();
    for (map, _) in maps {
        text.push_str(&format!("flush map inet {table} {map}\n"));
    }
    for (map, elements) in maps {
        for part in elements.chunks(ELEMENTS) {
            let elements: Vec<String> = part
                .iter()
                .map(|(key, verdict)| format!("{key} timeout {lease}ms : {verdict}"))
                .collect();
            let line = format!("add element inet {table} {map} {{ {} }}\n", elements.join(", "));
            if text.len() + line.len() > TRANSACTION {
                all.push(std::mem::take(&mut text));
            }
            text.push_str(&line);
        }
    }
    all.push(text);
    all
}

/// What a table of faults says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Packets, by the name of each counter.
    pub counted: Vec<(String, u64)>,
    /// How many elements each map holds.
    pub held: Vec<(String, u64)>,
}

/// What `nft -j list table` said of a table of faults.
#[must_use]
pub fn listed(text: &str) -> Listed {
    let mut found = Listed::default();
    let text: Value = serde_json::from_str(text).unwrap_or_default();
    let all = text.get("nftables").and_then(Value::as_array);
    let named =
        |what: &Value| what.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    for one in all.map_or(&[][..], Vec::as_slice) {
        if let Some(counter) = one.get("counter") {
            let packets = counter.get("packets").and_then(Value::as_u64).unwrap_or_default();
            found.counted.push((named(counter), packets));
        }
        if let Some(map) = one.get("map") {
            let held = map.get("elem").and_then(Value::as_array).map_or(0, Vec::len);
            found.held.push((named(map), u64::try_from(held).unwrap_or(u64::MAX)));
        }
    }
    found
}

/// A signal to the processes of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strike {
    /// They stand still until they go on, at the latest when the faults end.
    Pause,
    /// They go on.
    Resume,
    /// They end at once.
    Kill,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// Rules are laid, in the place of those that were: they do nothing yet.
    Lay {
        /// Those of each namespace.
        rules: Vec<Rules>,
    },
    /// Maps are to hold something else.
    Hold {
        /// Those that change.
        maps: Vec<Holds>,
    },
    /// What maps hold, they hold for another lease.
    Renew,
    /// What was counted, and what maps hold.
    Read,
    /// Links are to do something else.
    Links {
        /// By name.
        changes: Vec<(String, Change)>,
    },
    /// Links do again what they did before.
    Unlink {
        /// Their names.
        links: Vec<String>,
    },
    /// Name servers do wrong, by the namespaces that they are in; others do right.
    Names {
        /// What each does.
        troubles: BTreeMap<String, Vec<Trouble>>,
    },
    /// Processes of a namespace are struck.
    Strike {
        /// The namespace.
        namespace: String,
        /// How.
        how: Strike,
        /// Only those whose command holds this text.
        holds: Option<String>,
    },
    /// Everything ends.
    End,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// What could not be done, in words.
    pub refused: Option<String>,
    /// The faults had ended before: why.
    pub ended: Option<String>,
    /// When it was heard, in microseconds of the machine's clock that does not go back.
    pub heard: u64,
    /// When the kernel had done it.
    pub done: u64,
    /// What was counted, by namespace and name: packets.
    pub counted: Vec<(String, String, u64)>,
    /// Elements that are held, by namespace and map.
    pub held: Vec<(String, String, u64)>,
    /// Processes that were struck: number and command.
    pub struck: Vec<(u64, String)>,
    /// What is left after the end, in words: nothing, where all is well.
    pub left: Vec<String>,
}

/// Who breaks a lab, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What it is called.
    pub id: String,
    /// What it is.
    pub title: String,
    /// How long it has gone on, in milliseconds.
    pub milliseconds: u64,
    /// What holds without being renewed, in milliseconds.
    pub lease: u64,
    /// Elements that maps hold.
    pub elements: u64,
    /// Links that do something else.
    pub links: Vec<String>,
    /// Namespaces whose name servers do wrong.
    pub names: Vec<String>,
    /// Processes that stand still.
    pub paused: u64,
}

/// A hold on a lab's faults. They end with it.
#[derive(Debug)]
pub struct Breaking {
    stream: BufReader<UnixStream>,
}

fn read_line(reader: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    reader
        .by_ref()
        .take(MESSAGE)
        .read_line(&mut line)
        .map_err(Failure::during("the lab's answer"))?;
    if line.is_empty() {
        return Err(Failure::new("the lab has ended"));
    }
    Ok(line)
}

impl Breaking {
    /// Takes hold of a lab's faults. Only one at a time does.
    ///
    /// # Errors
    ///
    /// No such lab, or another game day is under way in it.
    pub fn open(lab: &str, id: &str, title: &str, lease: Duration) -> Result<Self, Failure> {
        let stream = place::connect(lab)?;
        let failed = Failure::during("asking the lab");
        stream.set_read_timeout(Some(PATIENCE)).map_err(&failed)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(&failed)?;
        let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let asked = json!({"do": "break", "id": id, "title": title, "lease": lease});
        (&stream).write_all(format!("{asked}\n").as_bytes()).map_err(&failed)?;
        let mut own = Self { stream: BufReader::new(stream) };
        let answer = read_line(&mut own.stream)?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        match answer.get("refused").and_then(Value::as_str) {
            None => Ok(own),
            Some(why) => {
                Err(Failure::new(why)
                    .help(format!("`netwright gameday stop --name {lab}` ends it")))
            }
        }
    }

    /// Has something done.
    ///
    /// # Errors
    ///
    /// The lab has ended, the faults have, or it cannot be done: then nothing of it was.
    pub fn act(&mut self, act: &Act) -> Result<Done, Failure> {
        let text = serde_json::to_string(act)
            .map_err(|error| Failure::new(format!("the request cannot be written: {error}")))?;
        let written = self.stream.get_ref().write_all(format!("{text}\n").as_bytes());
        // A lab that has ended the session cannot be written to any more; why it did is there to be read.
        let line = match (written, read_line(&mut self.stream)) {
            (_, Ok(line)) => line,
            (Err(error), Err(_)) => return Err(Failure::during("asking the lab")(error)),
            (Ok(()), Err(failure)) => return Err(failure),
        };
        let done: Done = serde_json::from_str(&line)
            .map_err(|error| Failure::new(format!("the lab's answer cannot be read: {error}")))?;
        if let Some(why) = &done.ended {
            return Err(Failure::new(format!("the faults have ended: {why}")));
        }
        match &done.refused {
            Some(why) => Err(Failure::new(why.clone())),
            None => Ok(done),
        }
    }
}

fn once(lab: &str, asked: &Value) -> Result<Value, Failure> {
    let stream = place::connect(lab)?;
    let failed = Failure::during("asking the lab");
    stream.set_read_timeout(Some(PATIENCE)).map_err(&failed)?;
    (&stream).write_all(format!("{asked}\n").as_bytes()).map_err(&failed)?;
    let line = read_line(&mut BufReader::new(&stream))?;
    serde_json::from_str(&line).map_err(|_| Failure::new("the lab's answer cannot be read"))
}

/// Who breaks a lab now; `None` where nobody does.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn status(lab: &str) -> Result<Option<Status>, Failure> {
    let value = once(lab, &json!({"do": "broken"}))?;
    serde_json::from_value(value.get("status").cloned().unwrap_or_default())
        .map_err(|error| Failure::new(format!("the lab's answer cannot be read: {error}")))
}

/// Ends whatever breaks a lab, and removes whatever faults left in it. What is left then, in words: nothing, where all is well.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn stop(lab: &str) -> Result<(Option<Status>, Vec<String>), Failure> {
    let value = once(lab, &json!({"do": "mend"}))?;
    let left = value.get("left").and_then(Value::as_array);
    let left = left.map_or(&[][..], Vec::as_slice).iter();
    let left = left.filter_map(|what| Some(what.as_str()?.to_owned())).collect();
    let status = serde_json::from_value(value.get("status").cloned().unwrap_or_default());
    Ok((status.unwrap_or_default(), left))
}
