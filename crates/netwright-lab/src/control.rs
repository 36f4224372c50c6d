//! What is asked of a running lab: one JSON line each way, bounded in length and time.

use std::io::{BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Counter, Passage, pause};
use netwright_dataplane::plan::{Call, HostPlan};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ask::{Said, Wanted};
use crate::calls::Called;
use crate::check::{Check, Told};
use crate::failure::Failure;
use crate::link::{Change, LinkRow};
use crate::place;
use crate::probe::spread::{Balanced, Spread};
use crate::probe::{Probe, Seen};
use crate::tasks::{Line, TaskRow};
use crate::tunnel::Tunnel;

/// Longest request: some hundred probes.
pub(crate) const REQUEST_OCTETS: u64 = 256 * 1024;
/// Longest plan that is sent: about as many namespaces as an answer names.
pub(crate) const PLAN_OCTETS: u64 = 256 * 1024 * 1024;
/// How long a change may take.
const CHANGE_PATIENCE: Duration = Duration::from_secs(300);
/// Most probes of one request.
const PROBES: usize = 512;
/// Most questions about balancers of one request: each may name some hundred places.
const SPREADS: usize = 16;
/// Most health checks of one request: each is a thread of the lab's.
const CHECKS: usize = 64;
/// Longest answer: about a hundred thousand namespaces.
const ANSWER_OCTETS: u64 = 64 * 1024 * 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long tunnels may take to come up.
const TUNNEL_PATIENCE: Duration = Duration::from_secs(15);
/// How often is looked whether they are.
const TUNNEL_LOOK: Duration = Duration::from_millis(50);
/// How long a lab may take to end.
const END_PATIENCE: Duration = Duration::from_secs(30);

/// A namespace of a running lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub role: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// The host that it is on, where the lab has several.
    pub host: Option<String>,
    /// Processes in it: number and command.
    pub processes: Vec<(u64, String)>,
}

/// The descriptors that lead into a namespace of a lab.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) user: OwnedFd,
    pub(crate) processes: OwnedFd,
    pub(crate) mounts: OwnedFd,
    pub(crate) network: OwnedFd,
    /// The namespace's full name.
    pub(crate) name: String,
}

fn ask(stream: &UnixStream, request: &Value) -> Result<(), Failure> {
    let failed = Failure::during("asking the lab");
    stream.set_read_timeout(Some(PATIENCE)).map_err(&failed)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(&failed)?;
    (&*stream).write_all(format!("{request}\n").as_bytes()).map_err(&failed)
}

/// Reads the answer; `refused` in it is a failure.
fn answer(mut reader: impl BufRead) -> Result<Value, Failure> {
    let mut line = String::new();
    let read = reader.by_ref().take(ANSWER_OCTETS).read_line(&mut line);
    read.map_err(Failure::during("the lab's answer"))?;
    let value: Value =
        serde_json::from_str(&line).map_err(|_| Failure::new("the lab ended without an answer"))?;
    match value.get("refused").and_then(Value::as_str) {
        None => Ok(value),
        Some(message) => {
            let failure = Failure::new(message);
            let help = value.get("help").and_then(Value::as_str);
            Err(match help {
                Some(help) => failure.help(help),
                None => failure,
            })
        }
    }
}

/// Asks a lab and reads its answer, which may take so long.
fn request(lab: &str, request: &Value, patience: Duration) -> Result<Value, Failure> {
    let stream = place::connect(lab)?;
    ask(&stream, request)?;
    stream.set_read_timeout(Some(patience)).map_err(Failure::during("asking the lab"))?;
    answer(BufReader::new(&stream))
}

/// A list of an answer; empty where there is none.
fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A list of texts of an answer.
fn words(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().filter_map(|what| Some(what.as_str()?.to_owned())).collect()
}

/// A part of an answer.
fn read<T: DeserializeOwned>(value: &Value, key: &str) -> Result<T, Failure> {
    serde_json::from_value(value.get(key).cloned().unwrap_or_default())
        .map_err(|error| Failure::new(format!("the lab's answer cannot be read: {error}")))
}

/// The namespaces of a lab with their processes.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn ps(lab: &str) -> Result<Vec<Row>, Failure> {
    let value = request(lab, &json!({"do": "ps"}), PATIENCE)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |value: &Value| Row {
        name: value.get("name").map(text).unwrap_or_default(),
        role: value.get("role").map(text).unwrap_or_default(),
        addresses: list(value, "addresses").iter().map(text).collect(),
        host: value.get("host").and_then(Value::as_str).map(str::to_owned),
        processes: list(value, "processes")
            .iter()
            .map(|process| {
                let pid = process.get("pid").and_then(Value::as_u64).unwrap_or_default();
                (pid, process.get("command").map(text).unwrap_or_default())
            })
            .collect(),
    };
    Ok(list(&value, "namespaces").iter().map(row).collect())
}

/// The tasks of a lab, sorted by namespace and name.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn tasks(lab: &str) -> Result<Vec<TaskRow>, Failure> {
    let value = request(lab, &json!({"do": "tasks"}), PATIENCE)?;
    Ok(list(&value, "tasks").iter().map(TaskRow::from_json).collect())
}

/// The tunnels of a lab, sorted by name.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn tunnels(lab: &str) -> Result<Vec<Tunnel>, Failure> {
    read(&request(lab, &json!({"do": "tunnels"}), PATIENCE)?, "tunnels")
}

/// The tunnels of a lab as soon as they are up, or have had their time to come up.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn tunnels_up(lab: &str) -> Result<Vec<Tunnel>, Failure> {
    let begun = Instant::now();
    loop {
        let tunnels = tunnels(lab)?;
        if tunnels.iter().all(|tunnel| tunnel.up) || begun.elapsed() > TUNNEL_PATIENCE {
            return Ok(tunnels);
        }
        pause(TUNNEL_LOOK);
    }
}

/// What tasks of a lab wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The lines, in the order in which they came.
    pub lines: Vec<Line>,
    /// The number to ask from next.
    pub last: u64,
    /// There was more, which is no more kept.
    pub dropped: bool,
}

/// What the tasks of an instance, or of all, wrote after a line's number. Where there is nothing, it is waited for, so many milliseconds.
///
/// # Errors
///
/// No such lab or instance, or it does not answer.
pub fn logs(
    lab: &str,
    instance: Option<&str>,
    after: u64,
    milliseconds: u64,
) -> Result<Lines, Failure> {
    let asked = json!({
        "do": "logs", "instance": instance, "after": after, "milliseconds": milliseconds,
    });
    let value = request(lab, &asked, PATIENCE)?;
    Ok(Lines {
        lines: list(&value, "lines").iter().map(Line::from_json).collect(),
        last: value.get("last").and_then(Value::as_u64).unwrap_or(after),
        dropped: value.get("dropped").and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What is otherwise than before, in words.
    pub changes: Vec<String>,
    /// Number of tasks now.
    pub tasks: u64,
    /// What the description says and the lab does not build.
    pub left_out: Vec<String>,
    /// How long the change took, in milliseconds.
    pub milliseconds: u64,
}

/// Brings a lab to another plan: only what differs is changed.
///
/// # Errors
///
/// No such lab, or the kernel refuses part of the plan: then the lab is as it was, built anew.
pub fn apply(lab: &str, plan: &HostPlan) -> Result<Changed, Failure> {
    let text = serde_json::to_vec(plan)
        .map_err(|error| Failure::new(format!("the plan cannot be sent: {error}")))?;
    let octets = text.len() as u64;
    if octets > PLAN_OCTETS {
        return Err(Failure::new(format!(
            "the plan has {octets} octets; a running lab takes {PLAN_OCTETS}"
        ))
        .help("`netwright lab down`, then `netwright lab up`"));
    }
    let stream = place::connect(lab)?;
    ask(&stream, &json!({"do": "apply", "octets": octets}))?;
    let failed = Failure::during("sending the plan");
    (&stream).write_all(&text).map_err(&failed)?;
    stream.set_read_timeout(Some(CHANGE_PATIENCE)).map_err(&failed)?;
    let value = answer(BufReader::new(&stream))?;
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    Ok(Changed {
        changes: words(&value, "changes"),
        tasks: number("tasks"),
        left_out: words(&value, "left_out"),
        milliseconds: number("milliseconds"),
    })
}

/// What the kernel holds otherwise than a lab was built, in words: somebody changed it from inside.
///
/// # Errors
///
/// No such lab, or it cannot be read.
pub fn check(lab: &str) -> Result<Vec<String>, Failure> {
    let value = request(lab, &json!({"do": "check"}), PATIENCE)?;
    Ok(words(&value, "deviations"))
}

/// The counters of a lab's data path: rules, translations and links by name, sorted by namespace.
///
/// # Errors
///
/// No such lab, or a namespace that cannot be read.
pub fn counters(lab: &str) -> Result<Vec<Counter>, Failure> {
    let value = request(lab, &json!({"do": "counters"}), PATIENCE)?;
    read(&value, "counters")
}

/// The links of a lab: what they do to packets on their way, what does it, and what was counted; sorted by name.
///
/// # Errors
///
/// No such lab, or it cannot be read.
pub fn links(lab: &str) -> Result<Vec<LinkRow>, Failure> {
    let value = request(lab, &json!({"do": "links"}), PATIENCE)?;
    read(&value, "links")
}

/// Has a link do something else from now on, and tells what it does when it does so. The link is named in full, or by what follows its
/// kind.
///
/// # Errors
///
/// No such lab or link, the change contradicts itself, or the kernel refuses it: then the link does what it did before.
pub fn link(lab: &str, name: &str, change: &Change) -> Result<LinkRow, Failure> {
    let asked = json!({"do": "link", "link": name, "change": change});
    let value = request(lab, &asked, CHANGE_PATIENCE)?;
    let rows: Vec<LinkRow> = read(&value, "links")?;
    rows.into_iter().next().ok_or_else(|| Failure::new(format!("the lab has no link {name}")))
}

/// Tries connections inside a lab; the answers are in the order of the probes. Each place is given so many milliseconds.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn probe(lab: &str, probes: &[Probe], milliseconds: u64) -> Result<Vec<Seen>, Failure> {
    let mut all = Vec::with_capacity(probes.len());
    for part in probes.chunks(PROBES) {
        let asked: Vec<Value> = part.iter().map(Probe::to_json).collect();
        let asked = json!({"do": "probe", "probes": asked, "milliseconds": milliseconds});
        // Every place may take its time.
        let patience = Duration::from_millis(milliseconds.saturating_mul(PROBES as u64)) + PATIENCE;
        let value = request(lab, &asked, patience)?;
        let seen = list(&value, "seen");
        if seen.len() != part.len() {
            return Err(Failure::new("the lab answered for fewer connections than were asked"));
        }
        all.extend(seen.iter().map(Seen::from_json));
    }
    Ok(all)
}

/// Tries many connections to one address each, behind which several places answer; the answers are in the order of the questions. Some
/// hundred connections at a time are given so many milliseconds.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn spread(lab: &str, asked: &[Balanced], milliseconds: u64) -> Result<Vec<Spread>, Failure> {
    let mut all = Vec::with_capacity(asked.len());
    for part in asked.chunks(SPREADS) {
        let asked = json!({"do": "spread", "asked": part, "milliseconds": milliseconds});
        let patience =
            Duration::from_millis(milliseconds.saturating_mul(SPREADS as u64)) + PATIENCE;
        let value = request(lab, &asked, patience)?;
        let found: Vec<Spread> = read(&value, "spread")?;
        if found.len() != part.len() {
            return Err(Failure::new("the lab answered for fewer balancers than were asked"));
        }
        all.extend(found);
    }
    Ok(all)
}

/// Has services of a lab call what they depend on: all of them or one, all its dependencies or one. Each call may take so many milliseconds.
///
/// # Errors
///
/// No such lab, service or dependency, or it does not answer.
pub fn call(
    lab: &str,
    service: Option<&str>,
    dependency: Option<&str>,
    milliseconds: u64,
) -> Result<Vec<(Call, Called)>, Failure> {
    let asked = json!({
        "do": "call", "service": service, "dependency": dependency, "milliseconds": milliseconds,
    });
    let patience = Duration::from_millis(milliseconds.saturating_mul(3)) + PATIENCE;
    let value = request(lab, &asked, patience)?;
    let row = |value: &Value| {
        let call = serde_json::from_value(value.get("call").cloned().unwrap_or_default()).ok()?;
        Some((call, value.get("called").map(Called::from_json).unwrap_or_default()))
    };
    let all: Option<Vec<(Call, Called)>> = list(&value, "calls").iter().map(row).collect();
    all.ok_or_else(|| Failure::new("the lab's answer cannot be read"))
}

/// A question asked by itself in a lab: what was seen, and what netfilter did with its packets, in the order of their way.
///
/// # Errors
///
/// No such lab, it does not answer, or its packets cannot be traced.
pub fn follow(
    lab: &str,
    probe: &Probe,
    milliseconds: u64,
) -> Result<(Seen, Vec<Passage>), Failure> {
    let asked = json!({"do": "follow", "probe": probe.to_json(), "milliseconds": milliseconds});
    let patience = Duration::from_millis(milliseconds) + PATIENCE;
    let value = request(lab, &asked, patience)?;
    let seen = value.get("seen").map(Seen::from_json).unwrap_or_default();
    Ok((seen, read(&value, "passages")?))
}

/// Asks name servers of a lab; the answers are in the order of the questions.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn names(lab: &str, wanted: &[Wanted], milliseconds: u64) -> Result<Vec<Said>, Failure> {
    let mut all = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(PROBES) {
        let asked: Vec<Value> = part.iter().map(Wanted::to_json).collect();
        let asked = json!({"do": "names", "names": asked, "milliseconds": milliseconds});
        // Every server may take its time, for both families, each time it is tried.
        let patience = milliseconds.saturating_mul(PROBES as u64 * 8);
        let patience = Duration::from_millis(patience) + PATIENCE;
        let value = request(lab, &asked, patience)?;
        let said = list(&value, "said");
        if said.len() != part.len() {
            return Err(Failure::new("the lab answered for fewer names than were asked"));
        }
        all.extend(said.iter().map(Said::from_json));
    }
    Ok(all)
}

/// Health checks, all side by side; the answers are in the order of the checks.
///
/// # Errors
///
/// No such lab, or it does not answer.
pub fn health(lab: &str, checks: &[Check]) -> Result<Vec<Told>, Failure> {
    let mut all = Vec::with_capacity(checks.len());
    for part in checks.chunks(CHECKS) {
        let longest = part.iter().map(|check| check.milliseconds).max().unwrap_or_default();
        let patience = Duration::from_millis(longest) + PATIENCE;
        let value = request(lab, &json!({"do": "health", "checks": part}), patience)?;
        let told: Vec<Told> = read(&value, "told")?;
        if told.len() != part.len() {
            return Err(Failure::new("the lab answered for fewer checks than were asked"));
        }
        all.extend(told);
    }
    Ok(all)
}

/// Ends a lab, and returns when it has ended.
///
/// # Errors
///
/// No such lab, or it does not end.
pub fn down(lab: &str) -> Result<(), Failure> {
    let value = request(lab, &json!({"do": "down"}), PATIENCE)?;
    let keeper = value.get("keeper").and_then(Value::as_i64);
    // The keeper ends last, after the socket is removed.
    let keeper =
        keeper.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    let Some(keeper) = keeper else { return Ok(()) };
    let Ok(handle) = rustix::process::pidfd_open(keeper, rustix::process::PidfdFlags::empty())
    else {
        return Ok(());
    };
    let patience = rustix::event::Timespec {
        tv_sec: i64::try_from(END_PATIENCE.as_secs()).unwrap_or(30),
        tv_nsec: 0,
    };
    let mut waiting = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
    match rustix::event::poll(&mut waiting, Some(&patience)) {
        Ok(0) => Err(Failure::new(format!("the lab {lab} does not end"))
            .help(format!("`kill -KILL {}` ends it", keeper.as_raw_nonzero()))),
        _ => Ok(()),
    }
}

/// The way into a namespace of a lab.
pub(crate) fn door(lab: &str, instance: &str) -> Result<Door, Failure> {
    let stream = place::connect(lab)?;
    ask(&stream, &json!({"do": "enter", "instance": instance}))?;
    let mut octets = [0_u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut octets)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .map_err(|error| Failure::during("the lab's answer")(error.into()))?;
    let value = answer(octets.get(..received.bytes).unwrap_or_default())?;
    let mut descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let mut next =
        || descriptors.next().ok_or_else(|| Failure::new("the lab gave no way into the namespace"));
    Ok(Door {
        user: next()?,
        processes: next()?,
        mounts: next()?,
        network: next()?,
        name: value.get("name").and_then(Value::as_str).unwrap_or(instance).to_owned(),
    })
}
