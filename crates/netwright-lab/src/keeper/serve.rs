//! Answers of process 1.

mod breaking;
mod watching;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{Kernel, addresses};
use netwright_dataplane::plan::{Call, Conditions, HostPlan, changes};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, geteuid};
use serde_json::{Value, json};

use super::{refused, tell, told};
use crate::ask::{Said, Wanted, ask};
use crate::calls::make;
use crate::check::{self, Check};
use crate::control::{PLAN_OCTETS, REQUEST_OCTETS};
use crate::link::Change;
use crate::link::state::Links;
use crate::names;
use crate::probe::spread::{Balanced, spread};
use crate::probe::{Probe, Seen, probe};
use crate::strike;
use crate::tasks::Tasks;
use crate::tunnel;

/// Connections answered at a time.
const CONNECTIONS: usize = 64;
/// How long a request may take to arrive, and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for connections to one place, in milliseconds.
const LONGEST_WAIT: u64 = 60_000;
/// Longest time for a call, in milliseconds.
const LONGEST_CALL: u64 = 60_000;
/// How often ended processes without a parent are taken note of, in seconds.
const REAP: i64 = 1;

/// What is said where a thread ended in the middle of a change.
const BROKEN: &str = "the lab is broken";

#[derive(Debug)]
struct Lab {
    kernel: Mutex<Kernel>,
    /// What links are to do; asked for after the kernel.
    links: Mutex<Links>,
    tasks: Tasks,
    keeper: i64,
    open: AtomicUsize,
    /// What a game day does.
    breaking: breaking::Breaking,
    /// Held by who runs programs beside the kernel's lock.
    programs: RwLock<()>,
}

/// Answers until the lab is to end.
pub(super) fn serve(
    listener: &UnixListener,
    (kernel, links): (Kernel, Links),
    tasks: Tasks,
    keeper: i64,
) {
    let (kernel, links, open) = (Mutex::new(kernel), Mutex::new(links), AtomicUsize::new(0));
    let (breaking, programs) = (breaking::Breaking::default(), RwLock::new(()));
    let lab = Arc::new(Lab { kernel, links, tasks, keeper, open, breaking, programs });
    loop {
        let second = Timespec { tv_sec: REAP, tv_nsec: 0 };
        let mut waiting = [PollFd::new(listener, PollFlags::IN)];
        let ready = poll(&mut waiting, Some(&second));
        reap(&lab);
        if !matches!(ready, Ok(1..)) {
            continue;
        }
        let Ok((stream, _)) = listener.accept() else { continue };
        if lab.open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            lab.open.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let here = Arc::clone(&lab);
        std::thread::spawn(move || {
            // Who asks has gone, or asks what is no request: then there is no answer.
            let _gone = one(&here, &stream);
            here.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Takes note of ended processes that were left to process 1. While a ruleset is loaded its program is somebody's.
fn reap(lab: &Lab) {
    let Ok(_quiet) = lab.kernel.try_lock() else { return };
    let Ok(_nobody) = lab.programs.try_write() else { return };
    lab.tasks.reap();
}

fn one(lab: &Lab, stream: &UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // Who asks is of another process namespace: its number here is 0.
    if getsockopt(stream, PeerCredentials)?.uid() != geteuid().as_raw() {
        return tell(stream, &json!({"refused": "this lab belongs to another user"}));
    }
    let mut line = String::new();
    let mut reader = BufReader::new(stream).take(REQUEST_OCTETS);
    reader.read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let request: Value = serde_json::from_str(&line).unwrap_or_default();
    match request.get("do").and_then(Value::as_str) {
        Some("ps") => tell(stream, &ps(lab)),
        Some("tunnels") => tell(stream, &tunnels(lab)),
        Some("tasks") => tell(stream, &json!({"tasks": lab.tasks.rows()})),
        Some("apply") => {
            let octets = request.get("octets").and_then(Value::as_u64).unwrap_or_default();
            if octets > PLAN_OCTETS {
                return tell(stream, &json!({"refused": "the plan is larger than a lab takes"}));
            }
            reader.set_limit(octets);
            let mut text = Vec::new();
            reader.read_to_end(&mut text)?;
            tell(stream, &apply(lab, &text))
        }
        Some("logs") => logs(lab, stream, &request),
        Some("check") => tell(stream, &check(lab)),
        Some("counters") => tell(stream, &counters(lab)),
        Some("links") => tell(stream, &links(lab)),
        Some("link") => tell(stream, &link(lab, &request)),
        Some("probe") => tell(stream, &probed(lab, &request)),
        Some("spread") => tell(stream, &spread_out(lab, &request)),
        Some("break") => breaking::serve(lab, stream, &request),
        Some("broken") => tell(stream, &breaking::status(lab)),
        Some("mend") => tell(stream, &breaking::stop(lab)),
        Some("monitor") => watching::monitor(lab, stream, reader, &request),
        Some("connect") => watching::connect(lab, stream, &request),
        Some("follow") => tell(stream, &followed(lab, &request)),
        Some("names") => tell(stream, &named(lab, &request)),
        Some("call") => tell(stream, &called(lab, &request)),
        Some("health") => tell(stream, &checked(lab, &request)),
        Some("down") => {
            tell(stream, &json!({"keeper": lab.keeper}))?;
            // Process 1 ends, and the kernel ends everything of the lab with it.
            std::process::exit(0)
        }
        Some("enter") => {
            let instance = request.get("instance").and_then(Value::as_str).unwrap_or_default();
            enter(lab, stream, instance)
        }
        _ => tell(stream, &json!({"refused": "the lab does not know this request"})),
    }
}

/// What tasks wrote: of one instance or of all.
fn logs(lab: &Lab, stream: &UnixStream, request: &Value) -> std::io::Result<()> {
    let number = |key: &str| request.get(key).and_then(Value::as_u64).unwrap_or_default();
    let instance = request.get("instance").and_then(Value::as_str);
    let found = instance.map(|instance| {
        let Ok(kernel) = lab.kernel.lock() else { return Err(BROKEN) };
        Ok(find(&kernel.names().collect::<Vec<_>>(), instance))
    });
    let namespace = match found {
        None => None,
        Some(Ok(Ok(name))) => Some(name),
        Some(Ok(Err((message, help)))) => {
            return tell(stream, &json!({"refused": message, "help": help}));
        }
        Some(Err(broken)) => return tell(stream, &json!({"refused": broken})),
    };
    let patience = Duration::from_millis(number("milliseconds").min(LONGEST_WAIT));
    tell(stream, &lab.tasks.lines(namespace.as_deref(), number("after"), patience))
}

/// Gives the descriptors that lead into a namespace.
fn enter(lab: &Lab, stream: &UnixStream, instance: &str) -> std::io::Result<()> {
    let Ok(kernel) = lab.kernel.lock() else { return Ok(()) };
    let name = match find(&kernel.names().collect::<Vec<_>>(), instance) {
        Ok(name) => name,
        Err((message, help)) => {
            return tell(stream, &json!({"refused": message, "help": help}));
        }
    };
    let Some(network) = kernel.namespace(&name) else { return Ok(()) };
    if let Some(planned) = kernel.applied().namespaces.iter().find(|one| one.name == name) {
        names::write(planned)?;
    }
    let own = |kind: &str| File::open(format!("/proc/self/ns/{kind}"));
    let (user, processes, mounts) = (own("user")?, own("pid")?, own("mnt")?);
    let all = [user.as_fd(), processes.as_fd(), mounts.as_fd(), network];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&all));
    let answer = format!("{}\n", json!({"name": name}));
    sendmsg(stream, &[IoSlice::new(answer.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A namespace by its full name, or by what follows its kind.
fn find(names: &[&str], wanted: &str) -> Result<String, (String, String)> {
    if names.contains(&wanted) {
        return Ok(wanted.to_owned());
    }
    let short = |name: &&str| name.split_once('/').is_some_and(|(_, short)| short == wanted);
    let matching: Vec<&str> = names.iter().copied().filter(short).collect();
    match matching.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err((
            format!("the lab has no instance {wanted}"),
            "`netwright lab ps` lists them".to_owned(),
        )),
        several => {
            Err((format!("{wanted} is several things"), format!("one of: {}", several.join(", "))))
        }
    }
}

fn ps(lab: &Lab) -> Value {
    let mut processes = processes();
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let rows = kernel.applied().namespaces.iter().map(|namespace| {
        let place = kernel.namespace(&namespace.name).and_then(|descriptor| {
            let found = rustix::fs::fstat(descriptor).ok()?;
            Some(found.st_ino)
        });
        let here = place.and_then(|place| processes.remove(&place)).unwrap_or_default();
        let addresses: Vec<String> = addresses(namespace).iter().map(ToString::to_string).collect();
        let role = format!("{:?}", namespace.role).to_lowercase();
        json!({
            "name": namespace.name,
            "role": role,
            "addresses": addresses,
            "host": namespace.host,
            "processes": here,
        })
    });
    json!({"namespaces": rows.collect::<Vec<Value>>()})
}

/// Connections that were asked for, tried.
fn probed(lab: &Lab, request: &Value) -> Value {
    let asked = request.get("probes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let probes: Vec<Probe> = asked.iter().filter_map(Probe::from_json).collect();
    let patience = request.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
    if probes.len() != asked.len() {
        return json!({"refused": "a probe of the request cannot be read"});
    }
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let seen = probe(&kernel, &probes, Duration::from_millis(patience.min(LONGEST_WAIT)));
    json!({"seen": seen.iter().map(Seen::to_json).collect::<Vec<Value>>()})
}

/// Connections through balancers that were asked for, tried.
fn spread_out(lab: &Lab, request: &Value) -> Value {
    let asked = request.get("asked").cloned().unwrap_or_default();
    let Ok(asked) = serde_json::from_value::<Vec<Balanced>>(asked) else {
        return json!({"refused": "a question of the request cannot be read"});
    };
    let patience = request.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let found = spread(&kernel, &asked, Duration::from_millis(patience.min(LONGEST_WAIT)));
    json!({"spread": found})
}

/// Calls of services, made.
fn called(lab: &Lab, request: &Value) -> Value {
    let text = |key: &str| request.get(key).and_then(Value::as_str);
    let patience = request.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
    let patience = Duration::from_millis(patience.clamp(1, LONGEST_CALL));
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let all = &kernel.applied().calls;
    let of_service = |call: &&Call| text("service").is_none_or(|name| name == call.service);
    let of_dependency = |call: &&Call| text("dependency").is_none_or(|name| name == call.name);
    let own: Vec<Call> = all.iter().filter(of_service).filter(of_dependency).cloned().collect();
    if own.is_empty() && (text("service").is_some() || text("dependency").is_some()) {
        let mut named: Vec<String> =
            all.iter().map(|call| format!("{} {}", call.service, call.name)).collect();
        named.dedup();
        let help = if named.is_empty() {
            "no service of the description has dependencies".to_owned()
        } else {
            format!("services and what they depend on: {}", named.join(", "))
        };
        return json!({"refused": "the lab has no such service or dependency", "help": help});
    }
    let called = make(&kernel, &own, patience);
    let rows = own.iter().zip(&called);
    let rows = rows.map(|(call, called)| json!({"call": call, "called": called.to_json()}));
    json!({"calls": rows.collect::<Vec<Value>>()})
}

/// A question asked by itself, and what netfilter did with its packets.
fn followed(lab: &Lab, request: &Value) -> Value {
    let Some(asked) = request.get("probe").and_then(Probe::from_json) else {
        return json!({"refused": "the probe cannot be read"});
    };
    let patience = request.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
    let patience = Duration::from_millis(patience.min(LONGEST_WAIT));
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let selection = asked.selection();
    match kernel.follow(&selection, || probe(&kernel, std::slice::from_ref(&asked), patience)) {
        Ok((seen, passages)) => json!({
            "seen": seen.first().map(Seen::to_json),
            "passages": asked.in_order(passages),
        }),
        Err(failure) => json!({"refused": failure.to_string()}),
    }
}

/// Health checks that were to be made, made. What is waited for holds up nobody else who asks the lab.
fn checked(lab: &Lab, request: &Value) -> Value {
    let checks = request.get("checks").cloned().unwrap_or_default();
    let Ok(checks) = serde_json::from_value::<Vec<Check>>(checks) else {
        return json!({"refused": "a check of the request cannot be read"});
    };
    let made = {
        let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
        check::sockets(&kernel, &checks)
    };
    json!({"told": check::ask(&checks, made)})
}

/// Names that were to be asked for, asked.
fn named(lab: &Lab, request: &Value) -> Value {
    let asked = request.get("names").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let wanted: Vec<Wanted> = asked.iter().filter_map(Wanted::from_json).collect();
    let patience = request.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
    if wanted.len() != asked.len() {
        return json!({"refused": "a name of the request cannot be read"});
    }
    let patience = Duration::from_millis(patience.clamp(1, LONGEST_WAIT));
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let said = ask(&kernel, &wanted, patience);
    json!({"said": said.iter().map(Said::to_json).collect::<Vec<Value>>()})
}

/// Brings the lab to another plan: only what differs is changed.
fn apply(lab: &Lab, text: &[u8]) -> Value {
    let plan: HostPlan = match serde_json::from_slice(text) {
        Ok(plan) => plan,
        Err(error) => {
            return json!({
                "refused": format!("the plan cannot be read: {error}"),
                "help": "a lab is changed by the version of netwright that built it",
            });
        }
    };
    let Ok(mut kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let Ok(mut links) = lab.links.lock() else { return json!({"refused": BROKEN}) };
    let start = Instant::now();
    let left_out = plan.left_out.clone();
    let before = links.describe(plan);
    let changed = changes(&before.0, links.described());
    let (failures, again) = bring(lab, &mut kernel, &mut links, before);
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    match (failures, again) {
        (None, _) => json!({
            "changes": changed,
            "tasks": kernel.applied().tasks.len(),
            "left_out": left_out,
            "milliseconds": milliseconds,
        }),
        (Some(failures), None) => refused(
            &told("the lab cannot be changed", &failures)
                .help("it was built anew as it was: connections of before are cut"),
        ),
        (Some(_), Some(failures)) => {
            refused(&told("the lab can neither be changed nor built as it was", &failures))
        }
    }
}

/// Failures to bring the kernel to a plan, and then to the one of before.
type Failures = Option<Vec<netwright_dataplane::kernel::Failure>>;

/// Brings the kernel and the tasks to what the links say; where that is refused, to what they said before.
fn bring(
    lab: &Lab,
    kernel: &mut Kernel,
    links: &mut Links,
    before: (HostPlan, BTreeMap<String, Conditions>),
) -> (Failures, Failures) {
    let failures = kernel.apply(&links.plan()).err();
    let again = failures.as_ref().and_then(|_| {
        links.restore(before);
        kernel.apply(&links.plan()).err()
    });
    names::refresh(kernel.applied());
    lab.tasks.set(kernel);
    (failures, again)
}

/// All links, what they do and what was counted.
fn links(lab: &Lab) -> Value {
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let Ok(links) = lab.links.lock() else { return json!({"refused": BROKEN}) };
    match links.rows(&kernel, None) {
        Ok(rows) => json!({"links": rows}),
        Err(failure) => refused(&failure),
    }
}

/// A link is to do something else from now on.
fn link(lab: &Lab, request: &Value) -> Value {
    let name = request.get("link").and_then(Value::as_str).unwrap_or_default();
    let change = request.get("change").cloned().unwrap_or_default();
    let Ok(change) = serde_json::from_value::<Change>(change) else {
        return json!({"refused": "what the link is to do cannot be read"});
    };
    let Ok(mut kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    let Ok(mut links) = lab.links.lock() else { return json!({"refused": BROKEN}) };
    let before = links.before();
    let name = match links.change(name, &change) {
        Ok(name) => name,
        Err(failure) => return refused(&failure),
    };
    let what = format!("{name} cannot do so");
    match bring(lab, &mut kernel, &mut links, before) {
        (Some(failures), None) => return refused(&told(&what, &failures)),
        (Some(_), Some(failures)) => {
            return refused(&told("the lab can be built no more as it was", &failures));
        }
        (None, _) => {}
    }
    match links.settle(&kernel, &name) {
        Ok(rows) => json!({"links": rows}),
        Err(failure) => refused(&failure),
    }
}

/// The tunnels, and what their ends tell.
fn tunnels(lab: &Lab) -> Value {
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    json!({"tunnels": tunnel::tunnels(kernel.applied())})
}

/// What the kernel holds otherwise than it was built, and which tunnels are not up.
fn check(lab: &Lab) -> Value {
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    match kernel.read_back() {
        Ok(mut deviations) => {
            deviations.extend(tunnel::tunnels(kernel.applied()).into_iter().flat_map(|tunnel| {
                let name = tunnel.name;
                tunnel.wrong.into_iter().map(move |what| format!("tunnel {name}: {what}"))
            }));
            json!({"deviations": deviations})
        }
        Err(failure) => json!({"refused": failure.to_string()}),
    }
}

/// The counters of the data path.
fn counters(lab: &Lab) -> Value {
    let Ok(kernel) = lab.kernel.lock() else { return json!({"refused": BROKEN}) };
    match kernel.counters() {
        Ok(counters) => json!({"counters": counters}),
        Err(failure) => json!({"refused": failure.to_string()}),
    }
}

/// The lab's processes by the identity of their network namespace.
fn processes() -> BTreeMap<u64, Vec<Value>> {
    let told = |(number, command): (Pid, String)| json!({"pid": number.as_raw_nonzero().get(), "command": command});
    let all = strike::all().into_iter();
    all.map(|(place, own)| (place, own.into_iter().map(told).collect())).collect()
}
