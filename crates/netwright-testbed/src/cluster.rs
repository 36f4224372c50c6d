//! Several etcds, each in a namespace of its own, with a router between them where the test is.

use rustix::process::Signal;

use crate::alone::run;
use crate::folder::Folder;
use crate::process::Process;
use crate::server::answers;

/// The port for clients, and that for the other members.
const PORTS: (u16, u16) = (2379, 2380);

/// An etcd of several members. Within [`crate::alone`] only, and one at a time.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Member>,
    _folder: Folder,
}

#[derive(Debug)]
struct Member {
    process: Option<Process>,
    namespace: String,
    words: Vec<String>,
}

fn host(member: usize) -> String {
    format!("10.77.{}.2", member + 1)
}

fn link(member: usize) -> String {
    format!("member{}", member + 1)
}

impl Cluster {
    /// Starts so many, and waits until each listens.
    #[must_use]
    pub fn start(count: usize) -> Self {
        assert!((1..=9).contains(&count), "from one to nine members");
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("this namespace routes");
        std::fs::create_dir_all("/run/netns").expect("a folder of namespaces");
        let table = "table inet testbed {
            set cut { type ipv4_addr . ipv4_addr; }
            chain forward { type filter hook forward priority 0; ip saddr . ip daddr @cut drop; }
        }";
        run("nft", &[table]);
        let peers = |member| format!("http://{}:{}", host(member), PORTS.1);
        let all: Vec<String> =
            (0..count).map(|member| format!("m{member}={}", peers(member))).collect();
        let folder = Folder::new();
        let members = (0..count)
            .map(|member| {
                let namespace = format!("m{member}");
                connect(member, &namespace);
                let data = folder.path().join(&namespace).to_string_lossy().into_owned();
                let clients = format!("http://{}:{}", host(member), PORTS.0);
                let words = [
                    "etcd",
                    "--name",
                    &namespace,
                    "--data-dir",
                    &data,
                    "--listen-client-urls",
                    &clients,
                    "--advertise-client-urls",
                    &clients,
                    "--listen-peer-urls",
                    &peers(member),
                    "--initial-advertise-peer-urls",
                    &peers(member),
                    "--initial-cluster",
                    &all.join(","),
                    "--heartbeat-interval",
                    "100",
                    "--election-timeout",
                    "1000",
                    "--log-level",
                    "error",
                ];
                let words: Vec<String> = words.map(str::to_owned).to_vec();
                let process = Some(Process::start(Some(&namespace), &words));
                Member { process, namespace, words }
            })
            .collect();
        for member in 0..count {
            answers(&format!("{}:{}", host(member), PORTS.0));
        }
        Self { members, _folder: folder }
    }

    /// How many members it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// Host and port of each member, for clients.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        (0..self.count()).map(|member| format!("{}:{}", host(member), PORTS.0)).collect()
    }

    /// The address of the store that it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("etcd://{}", self.addresses().join(","))
    }

    /// Ends a member as a power cut would.
    pub fn kill(&mut self, member: usize) {
        self.members[member].process = None;
    }

    /// Starts a member over what it had stored.
    pub fn start_again(&mut self, member: usize) {
        let member = &mut self.members[member];
        member.process = Some(Process::start(Some(&member.namespace), &member.words));
    }

    /// Stops a member where it is; its connections stay.
    pub fn pause(&self, member: usize) {
        self.signal(member, Signal::STOP);
    }

    /// Lets a member go on.
    pub fn resume(&self, member: usize) {
        self.signal(member, Signal::CONT);
    }

    fn signal(&self, member: usize, signal: Signal) {
        if let Some(process) = &self.members[member].process {
            process.signal(signal);
        }
    }

    /// Cuts off members from the others; clients reach both sides. Packets are lost, connections stay.
    pub fn part(&self, members: &[usize]) {
        let mut pairs = Vec::new();
        for one in members {
            for other in (0..self.count()).filter(|other| !members.contains(other)) {
                pairs.push(format!("{} . {}", host(*one), host(other)));
                pairs.push(format!("{} . {}", host(other), host(*one)));
            }
        }
        if !pairs.is_empty() {
            let pairs = format!("{{ {} }}", pairs.join(", "));
            run("nft", &["add", "element", "inet", "testbed", "cut", &pairs]);
        }
    }

    /// Takes away a member's cable: neither members nor clients reach it.
    pub fn unplug(&self, member: usize) {
        assert!(member < self.count(), "there is such a member");
        run("ip", &["link", "set", &link(member), "down"]);
    }

    /// Undoes everything: all run, and reach each other.
    pub fn heal(&mut self) {
        run("nft", &["flush", "set", "inet", "testbed", "cut"]);
        for member in 0..self.count() {
            run("ip", &["link", "set", &link(member), "up"]);
            if self.members[member].process.is_none() {
                self.start_again(member);
            }
            self.resume(member);
        }
    }
}

/// A namespace with a cable to here.
fn connect(member: usize, namespace: &str) {
    let (link, net) = (link(member), format!("10.77.{}", member + 1));
    run("ip", &["netns", "add", namespace]);
    run("ip", &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
    run("ip", &["address", "add", &format!("{net}.1/30"), "dev", &link]);
    run("ip", &["link", "set", &link, "up"]);
    let inside = format!("--net=/run/netns/{namespace}");
    for words in [
        "link set lo up",
        &format!("address add {net}.2/30 dev eth0"),
        "link set eth0 up",
        &format!("route add default via {net}.1"),
    ] {
        let mut all = vec![inside.as_str(), "ip"];
        all.extend(words.split(' '));
        run("nsenter", &all);
    }
}
