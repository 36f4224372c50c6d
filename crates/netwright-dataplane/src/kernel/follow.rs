//! Packets followed through all namespaces: what netfilter did with each, told by `nft monitor trace`.
//!
//! A table of ours marks packets for tracing and has an empty chain at the end of every hook, so that it is seen which hooks a packet
//! reached. It is there while a piece of work lasts, and changes no verdict.

mod passage;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub use passage::{Fate, Passage};
use passage::{TABLE, passages};

use super::{Failure, Kernel, parallel, pause, ruleset, space};

/// Most namespaces that are followed in: each has a process.
const NAMESPACES: usize = 200;

/// Most octets that are read of one monitor.
const OCTETS: u64 = 4 * 1024 * 1024;

/// How long monitors may take until they listen.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long events may come after their packets.
const LATE: Duration = Duration::from_millis(150);

/// Netlink's number for netfilter, and the bit of its group of traces, as /proc/net/netlink shows them.
const NETFILTER: &str = "12";
const TRACES: u32 = 1 << (9 - 1);

/// Which packets are followed: those of a protocol that have one of these ports, and ICMP messages, which tell of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Protocol as `nft` names it: `tcp`, `udp`, or `icmp` for both families.
    pub protocol: &'static str,
    /// Ports at either end.
    pub ports: Vec<u16>,
}

impl Selection {
    fn table(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        let ports = ports.join(", ");
        let mut marked = vec![
            "meta l4proto icmp meta nftrace set 1".to_owned(),
            // Neighbour discovery tells nothing of a packet's way.
            "icmpv6 type { 1, 2, 3, 4, 128, 129 } meta nftrace set 1".to_owned(),
        ];
        if self.protocol != "icmp" && !ports.is_empty() {
            for way in ["sport", "dport"] {
                marked.push(format!("{} {way} {{ {ports} }} meta nftrace set 1", self.protocol));
            }
        }
        let marked = marked.join("\n    ");
        let hooks = [
            ("came", "prerouting", -450),
            ("sent", "output", -450),
            ("passed", "forward", 450),
            ("received", "input", 450),
            ("leaves", "postrouting", 450),
        ];
        let chains = hooks.map(|(name, hook, priority)| {
            let rules = if priority < 0 { format!("    {marked}\n") } else { String::new() };
            format!(
                "  chain {name} {{\n    type filter hook {hook} priority {priority}; policy accept;\n{rules}  }}\n"
            )
        });
        format!("table inet {TABLE} {{\n{}}}\n", chains.concat())
    }
}

impl Kernel {
    /// Does a piece of work and tells what became of the packets of a selection meanwhile, in every namespace.
    ///
    /// # Errors
    ///
    /// Too many namespaces, or one whose packets cannot be traced.
    pub fn follow<T>(
        &self,
        selection: &Selection,
        work: impl FnOnce() -> T,
    ) -> Result<(T, Vec<Passage>), Failure> {
        let names: Vec<&str> = self.names().collect();
        if names.len() > NAMESPACES {
            return Err(Failure::refused(
                "",
                "following packets",
                format!("there are {} namespaces; at most {NAMESPACES} are followed", names.len()),
            ));
        }
        let table = selection.table();
        let set = |new: &str| {
            let failures = parallel(&names, |name| {
                let Some(space) = self.spaces.get(*name) else { return Vec::new() };
                let old = format!("table inet {TABLE} {{\n");
                let set = || ruleset::replace(name, &old, new);
                match space::within(&space.descriptor, set) {
                    Ok(Ok(())) => Vec::new(),
                    Ok(Err(failure)) => vec![failure],
                    Err(error) => vec![Failure::refused(name, "the namespace", error)],
                }
            });
            failures.into_iter().next().map_or(Ok(()), Err)
        };
        let followed = set(&table).and_then(|()| self.listen(&names, work));
        // Whatever came of it, nothing of ours stays.
        let cleared = set("");
        let followed = followed?;
        cleared.map(|()| followed)
    }

    fn listen<T>(
        &self,
        names: &[&str],
        work: impl FnOnce() -> T,
    ) -> Result<(T, Vec<Passage>), Failure> {
        let mut monitors = Vec::new();
        for name in names {
            let Some(space) = self.spaces.get(*name) else { continue };
            let started =
                space::within(&space.descriptor, || ruleset::start(&["monitor", "trace"]));
            match started {
                Ok(Ok(child)) => monitors.push(Monitor { name, child }),
                Ok(Err(failure)) => return Err(failure),
                Err(error) => return Err(Failure::refused(name, "the namespace", error)),
            }
        }
        wait(&mut monitors)?;
        let told: Mutex<BTreeMap<&str, Vec<String>>> = Mutex::new(BTreeMap::new());
        let done = std::thread::scope(|scope| {
            for monitor in &mut monitors {
                let Some(output) = monitor.child.stdout.take() else { continue };
                let (name, told) = (monitor.name, &told);
                scope.spawn(move || {
                    let lines = BufReader::new(output.take(OCTETS)).lines();
                    let lines: Vec<String> = lines.map_while(Result::ok).collect();
                    if let Ok(mut told) = told.lock() {
                        told.insert(name, lines);
                    }
                });
            }
            let done = work();
            pause(LATE);
            // Readers end with what they read from.
            monitors.clear();
            done
        });
        let told = told.into_inner().map_err(|_| Failure::Broken("a thread that reads traces"))?;
        let all = told.iter().flat_map(|(name, lines)| passages(name, lines)).collect();
        Ok((done, all))
    }
}

/// A running `nft monitor trace`.
#[derive(Debug)]
struct Monitor<'a> {
    name: &'a str,
    child: Child,
}

impl Drop for Monitor<'_> {
    fn drop(&mut self) {
        let _ended_by_itself = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Waits until every monitor listens: what is sent before is not told.
fn wait(monitors: &mut [Monitor<'_>]) -> Result<(), Failure> {
    let end = Instant::now() + PATIENCE;
    for monitor in monitors {
        loop {
            let path = format!("/proc/{}/net/netlink", monitor.child.id());
            let sockets = std::fs::read_to_string(path).unwrap_or_default();
            if sockets.lines().any(listens) {
                break;
            }
            let ended = monitor.child.try_wait().ok().flatten().is_some();
            if ended || Instant::now() > end {
                let what = "`nft monitor trace`";
                return Err(Failure::refused(monitor.name, what, "it does not listen"));
            }
            pause(Duration::from_millis(2));
        }
    }
    Ok(())
}

/// Whether a line of /proc/net/netlink is a socket that is told of traces: address, protocol, owner and groups are the first columns.
fn listens(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let protocol = words.nth(1);
    let groups = words.nth(1).and_then(|groups| u32::from_str_radix(groups, 16).ok());
    protocol == Some(NETFILTER) && groups.is_some_and(|groups| groups & TRACES != 0)
}

#[cfg(test)]
mod tests {
    use super::{Selection, listens};

    #[test]
    fn a_socket_in_the_group_of_traces_listens() {
        assert!(listens("0000000000000000 12  4111 00000100 0 0 0 2 0 63125"));
        assert!(!listens("0000000000000000 12  4111 00000000 0 0 0 2 0 63125"));
        assert!(!listens("0000000000000000 0  4111 00000100 0 0 0 2 0 63125"));
        assert!(!listens("sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode"));
    }

    #[test]
    fn every_hook_has_a_chain_and_only_the_first_ones_mark() {
        let table = Selection { protocol: "udp", ports: vec![53, 50_000] }.table();
        assert_eq!(table.matches("chain ").count(), 5, "{table}");
        assert_eq!(table.matches("udp dport { 53, 50000 }").count(), 2, "{table}");
    }
}
