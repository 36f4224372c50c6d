//! Process 1's half of a monitor, and connections for programs outside.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, IoSlice, Read, Take};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use netwright_dataplane::kernel::{pause, within};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

use super::breaking::now;
use super::{BROKEN, LONGEST_WAIT, Lab, find, tell};
use crate::monitor::post::{Board, watch};
use crate::monitor::{LINE, MOST, Round, Watch};

/// Shortest and longest time between rounds, in milliseconds.
const INTERVAL: [u64; 2] = [20, 60_000];
/// How long after its time-out a round is told: posts take what came at its end.
const SETTLES: Duration = Duration::from_millis(2);

/// Watches until whoever asked has gone.
pub(super) fn monitor(
    lab: &Lab,
    stream: &UnixStream,
    mut reader: Take<BufReader<&UnixStream>>,
    request: &Value,
) -> io::Result<()> {
    let octets = request.get("octets").and_then(Value::as_u64).unwrap_or_default();
    if octets > LINE {
        return tell(stream, &json!({"refused": "there is too much to watch"}));
    }
    reader.set_limit(octets);
    let mut text = Vec::new();
    reader.read_to_end(&mut text)?;
    let watch = match serde_json::from_slice::<Watch>(&text) {
        Ok(watch) => watch,
        Err(error) => {
            let why = format!("what is to be watched cannot be read: {error}");
            return tell(stream, &json!({"refused": why}));
        }
    };
    match spaces(lab, &watch) {
        Ok(spaces) => {
            tell(stream, &json!({"open": true}))?;
            rounds(stream, &Board::new(watch), &spaces)
        }
        Err(why) => tell(stream, &json!({"refused": why})),
    }
}

/// The namespaces that are watched from.
fn spaces(lab: &Lab, watch: &Watch) -> Result<BTreeMap<String, OwnedFd>, String> {
    if watch.pairs.len() > MOST || watch.names.len() > MOST {
        return Err(format!("at most {MOST} connections and names are watched"));
    }
    if !(INTERVAL[0]..=INTERVAL[1]).contains(&watch.interval) || watch.timeout >= watch.interval {
        return Err("a round takes 20 ms to 60 s, and its time-out less".to_owned());
    }
    let pairs = watch.pairs.iter().flat_map(|pair| [&pair.from, &pair.to]);
    let names: BTreeSet<&String> = pairs.chain(watch.names.iter().map(|name| &name.from)).collect();
    let kernel = lab.kernel.lock().map_err(|_| BROKEN.to_owned())?;
    let own = |name: &String| {
        let space = kernel.namespace(name).ok_or_else(|| format!("the lab has no {name}"))?;
        let space = space.try_clone_to_owned().map_err(|error| error.to_string())?;
        Ok((name.clone(), space))
    };
    names.into_iter().map(own).collect()
}

fn rounds(
    stream: &UnixStream,
    board: &Board,
    spaces: &BTreeMap<String, OwnedFd>,
) -> io::Result<()> {
    std::thread::scope(|scope| {
        for (name, space) in spaces {
            scope.spawn(move || watch(board, name, space.as_fd()));
        }
        let mut number = 0;
        let ended = loop {
            let (begins, missed) = board.times(number);
            sleep_until(begins);
            let began = now();
            sleep_until(missed + SETTLES);
            let (rows, names) = board.take();
            let round = Round { number, began, over: now(), rows, names };
            if let Err(error) = tell(stream, &serde_json::to_value(round).unwrap_or_default()) {
                break error;
            }
            number += 1;
        };
        board.over.store(true, Ordering::SeqCst);
        Err(ended)
    })
}

fn sleep_until(time: Instant) {
    loop {
        let left = time.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        pause(left);
    }
}

/// A connection out of a namespace, given to whoever asked.
pub(super) fn connect(lab: &Lab, stream: &UnixStream, request: &Value) -> io::Result<()> {
    let text = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
    let patience = request.get("milliseconds").and_then(Value::as_u64).unwrap_or_default();
    let patience = Duration::from_millis(patience.clamp(1, LONGEST_WAIT));
    let made = (|| {
        let target: SocketAddr =
            text("target").parse().map_err(|_| "it is no address".to_owned())?;
        let space = {
            let kernel = lab.kernel.lock().map_err(|_| BROKEN.to_owned())?;
            let name = find(&kernel.names().collect::<Vec<_>>(), text("instance"))
                .map_err(|(message, _)| message)?;
            let space = kernel.namespace(&name).ok_or_else(|| BROKEN.to_owned())?;
            space.try_clone_to_owned().map_err(|error| error.to_string())?
        };
        within(space, || TcpStream::connect_timeout(&target, patience))
            .and_then(|made| made)
            .map_err(|error| error.to_string())
    })();
    let made = match made {
        Ok(made) => made,
        Err(why) => return tell(stream, &json!({"refused": why})),
    };
    let descriptors = [made.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let answer = format!("{}\n", json!({"open": true}));
    sendmsg(stream, &[IoSlice::new(answer.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
