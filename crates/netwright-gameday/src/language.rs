//! The language of experiments: the words of the Chaos Toolkit where they fit, and faults, safety and expectations beside them.
//!
//! The lists that the Chaos Toolkit has keep its names (`steady-state-hypothesis`, `method`, `rollbacks`, `provider`, `tolerance`,
//! `pauses`, `background`), so that its files are read as they are.

use std::borrow::Cow;

use netwright_model::decode::{Decode, Decoder, Encode, Entries, Missing};
use netwright_model::scalar::{Bandwidth, Delay, Duration, Percent, Service};
use netwright_model::schema::{Describe, Schema};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;
use netwright_model::{keyword, object};
use serde_json::{Value, json};

keyword! {
    /// What a fault does.
    pub enum FaultKind {
        /// Packets are lost in silence.
        #[default] Drop = "drop" | "partition" | "cut",
        /// Packets are refused: a router says that it is forbidden.
        Reject = "reject",
        /// TCP connections are reset; other packets are lost.
        Reset = "reset",
        /// Connections are made, and nothing that is said over them arrives.
        Hold = "hold",
        /// Connections that are there are reset; new ones work.
        Kill = "kill",
        /// A share of the packets is lost.
        Loss = "loss",
        /// Packets beyond a rate are lost.
        Rate = "rate",
        /// Packets take longer, arrive twice, overtake or are damaged: as the fields say.
        Slow = "slow" | "latency",
        /// Name servers do wrong.
        Dns = "dns",
        /// Processes stand still.
        Pause = "pause",
        /// Processes are ended at once.
        Stop = "stop" | "crash",
        /// Wall clocks of the reference system's gateway and worker are wrong.
        Clock = "clock",
    }
}

keyword! {
    /// Which way a fault lies.
    pub enum Way {
        /// Both.
        #[default] Both = "both" | "bidirectional",
        /// From `between` to `and`.
        There = "there" | "unidirectional",
        /// From `and` to `between`.
        Back = "back",
    }
}

keyword! {
    /// Which pairs of a fault are meant.
    pub enum Shape {
        /// Each of `between` with each of `and`.
        #[default] Split = "split" | "full",
        /// A share of those pairs, chosen by the seed.
        Partial = "partial",
        /// `between` falls into two halves, and one member still sees both.
        Bridge = "bridge",
        /// Each of `between` sees its two neighbours only, in the order of the names.
        Ring = "ring",
    }
}

keyword! {
    /// What a name server does wrong.
    pub enum DnsWrong {
        /// It does not answer.
        #[default] NoAnswer = "no-answer" | "silent",
        /// It says that it failed (SERVFAIL).
        Error = "error" | "servfail",
        /// It says that there is no such name (NXDOMAIN).
        NoName = "no-name" | "nxdomain",
        /// It says another address.
        Wrong = "wrong",
        /// It answers late.
        Slow = "slow",
    }
}

object! {
    /// When a fault is on, while its step lasts: on and off by turns, beginning with on.
    pub struct Schedule {
        /// How long it is on.
        pub on: Spanned<Duration>,
        /// How long it is off after that.
        pub off: Spanned<Duration>,
        /// Each of these times is shorter or longer by up to this share, as the seed says.
        pub jitter: Option<Spanned<Percent>>,
    }
}

object! {
    /// A fault: what happens between parts of the network. Names are those of the description: an endpoint, or `group:`, `tag:`, `subnet:`,
    /// `vpc:`, `zone:`, `region:` and the name; `everything` is all that there is.
    pub struct Fault {
        /// What it does. `drop` unless given.
        pub kind: Option<Spanned<FaultKind>>,
        /// One side.
        pub between ("from", "on"): Vec<Spanned<String>>,
        /// The other side; everything else unless given.
        pub and ("to"): Vec<Spanned<String>>,
        /// Which way it lies. `both` unless given.
        pub direction: Option<Spanned<Way>>,
        /// Only what begins a connection is concerned: connections that are there live on.
        pub initiation ("new"): Option<Spanned<bool>>,
        /// Only connections to these services; all unless given.
        pub services ("ports", "port"): Vec<Spanned<Service>>,
        /// Which pairs are meant. `split` unless given.
        pub shape: Option<Spanned<Shape>>,
        /// For `shape: partial`, the share of the pairs; for `kind: loss`, that of the packets.
        pub share: Option<Spanned<Percent>>,
        /// For `kind: rate`: what all pairs together may carry, each way.
        pub rate: Option<Spanned<Bandwidth>>,
        /// For `kind: slow`: how much longer a packet takes, each way that is meant.
        pub latency: Option<Spanned<Delay>>,
        /// For `kind: slow`: up to how much less or more.
        pub jitter: Option<Spanned<Delay>>,
        /// For `kind: slow`: share of packets that arrive twice.
        pub duplicate: Option<Spanned<Percent>>,
        /// For `kind: slow`: share of packets that overtake.
        pub reorder: Option<Spanned<Percent>>,
        /// For `kind: slow`: share of packets in which a bit is turned over.
        pub corrupt: Option<Spanned<Percent>>,
        /// For `kind: dns`: the names, and all below them; all names unless given.
        pub names: Vec<Spanned<String>>,
        /// For `kind: dns`: what name servers do wrong. `no-answer` unless given.
        pub answer: Option<Spanned<DnsWrong>>,
        /// For `answer: wrong`: what is said instead.
        pub addresses: Vec<Spanned<String>>,
        /// For `answer: slow`: how much later.
        pub delay: Option<Spanned<Duration>>,
        /// For `kind: pause` and `kind: stop`: only processes whose command holds this.
        pub process: Option<Spanned<String>>,
        /// For `kind: clock`: how far ahead they are.
        pub ahead: Option<Spanned<Duration>>,
        /// For `kind: clock`: how far behind they are.
        pub behind: Option<Spanned<Duration>>,
        /// When it is on while its step lasts; all the time unless given.
        pub schedule: Option<Schedule>,
        /// What is chosen follows from this number.
        pub seed: Option<Spanned<u64>>,
    }
}

/// A value of any form, as it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Any(pub Node);

impl std::hash::Hash for Any {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        format!("{:?}", self.0).hash(state);
    }
}

impl Decode for Any {
    fn expected() -> Cow<'static, str> {
        "a value".into()
    }
    fn decode(node: &Node, _cx: &mut Decoder) -> Option<Self> {
        Some(Self(node.clone()))
    }
    fn missing() -> Missing<Self> {
        Missing::Default(Self::default())
    }
}

impl Encode for Any {
    fn encode(&self) -> Option<Node> {
        (!self.0.is_null()).then(|| self.0.clone())
    }
}

impl Describe for Any {
    fn describe(_schema: &mut Schema) -> Value {
        json!({})
    }
}

object! {
    /// What does an activity.
    pub struct Provider {
        /// `http`, `process` or `tcp`.
        pub r#type: Spanned<String>,
        /// For `http`: where. The host is an address, or the name of an endpoint of the description.
        pub url: Option<Spanned<String>>,
        /// For `http`: the method. `GET` unless given.
        pub method: Option<Spanned<String>>,
        /// For `http`: header fields.
        pub headers: Entries<Any>,
        /// For `http`: with `GET` what is asked for, else the body, as JSON or as the form that `Content-Type` says. For `process`: its words.
        pub arguments: Any,
        /// For `http`: the body as it is sent.
        pub body: Option<Spanned<String>>,
        /// For `process`: the program.
        pub path: Option<Spanned<String>>,
        /// How long it may take: seconds, or a duration; of the Chaos Toolkit also two of them, for the connection and for the answer.
        pub timeout: Any,
        /// The endpoint that it is done from. For `http` and `tcp`, `safety.controller` unless given; for `process`, this machine.
        pub from ("on"): Option<Spanned<String>>,
        /// For `tcp`: where, as `endpoint:port`.
        pub target: Option<Spanned<String>>,
        /// For `python`, which is not run here: the module.
        pub module: Option<Spanned<String>>,
        /// For `python`, which is not run here: the function.
        pub func: Option<Spanned<String>>,
        /// Secrets, which are not read here.
        pub secrets: Any,
        /// For `http`, of the Chaos Toolkit: whether certificates are looked at. They are in any case.
        pub verify_tls: Any,
        /// For `http`, of the Chaos Toolkit: the status that is no failure: any other is one.
        pub expected_status: Any,
    }
}

object! {
    /// Waits around an activity: seconds, or durations.
    pub struct Pauses {
        /// Before it.
        pub before: Any,
        /// After it.
        pub after: Any,
    }
}

object! {
    /// One thing that is done, or found out, or a fault that is injected.
    pub struct Step {
        /// Inject this fault.
        pub fault: Option<Spanned<String>>,
        /// For how long the fault lasts.
        pub r#for ("duration"): Option<Spanned<Duration>>,
        /// Do this procedure of the runbook on the reference system, as `merge-queue`.
        pub runbook: Option<Spanned<String>>,
        /// Wait this long.
        pub wait: Option<Spanned<Duration>>,
        /// `action` or `probe`.
        pub r#type: Option<Spanned<String>>,
        /// A name for people.
        pub name: Option<Spanned<String>>,
        /// What does it.
        pub provider: Option<Provider>,
        /// What a probe must find.
        pub tolerance: Any,
        /// What does not find what it must is asked again for so long. At once unless given.
        pub within: Option<Spanned<Duration>>,
        /// Waits around it.
        pub pauses: Pauses,
        /// The next step begins meanwhile.
        pub background: Option<Spanned<bool>>,
        /// The name of a step elsewhere, which is done again.
        pub r#ref: Option<Spanned<String>>,
        /// Hooks of the Chaos Toolkit, which are not run here.
        pub controls: Any,
        /// Settings, which are not read here.
        pub configuration: Any,
        /// Secrets, which are not read here.
        pub secrets: Any,
    }
}

object! {
    /// What holds while nothing is wrong: before faults, and again after them.
    pub struct Hypothesis {
        /// A name for people.
        pub title: Option<Spanned<String>>,
        /// What is found out, with what must be found.
        pub probes: Vec<Step>,
        /// Hooks of the Chaos Toolkit, which are not run here.
        pub controls: Any,
    }
}

object! {
    /// What keeps an experiment from doing harm.
    pub struct Safety {
        /// Largest share of the pairs of endpoints that may be cut at a time. 50 % unless given.
        pub most_pairs: Option<Spanned<Percent>>,
        /// Largest share of the endpoints that may be concerned. 100 % unless given.
        pub most_endpoints: Option<Spanned<Percent>>,
        /// Endpoints that no fault may concern.
        pub protect: Vec<Spanned<String>>,
        /// Services that no cut concerns, whatever it is between: `tcp/22`.
        pub protect_services: Vec<Spanned<Service>>,
        /// The endpoint that probes and the workload come from: no fault may concern it.
        pub controller: Option<Spanned<String>>,
        /// What is cut heals by itself so long after nobody renews it. 3 s unless given.
        pub lease: Option<Spanned<Duration>>,
        /// So many connections that no fault concerns may be declared down before all is taken back. 1 unless given; 0 for never.
        pub abort_when_down: Option<Spanned<u32>>,
        /// The longest that all steps may take. 30 minutes unless given.
        pub longest: Option<Spanned<Duration>>,
    }
}

object! {
    /// How long the parts of a run take.
    pub struct Phases {
        /// Watching before the first step. 3 s unless given.
        pub steady: Option<Spanned<Duration>>,
        /// The most that the network may take until everything that worked before works again. 60 s unless given.
        pub recover: Option<Spanned<Duration>>,
        /// Watching after that. 2 s unless given.
        pub after: Option<Spanned<Duration>>,
    }
}

object! {
    /// What must come out.
    pub struct Expect {
        /// Every fault on a watched connection is declared within this time after it was injected.
        pub detected ("detection"): Option<Spanned<Duration>>,
        /// Everything that worked before works again within this time after the last fault ended.
        pub recovered ("recovery"): Option<Spanned<Duration>>,
        /// All of the service is there again within this time after the first fault was in force: the recovery time objective. 15 minutes unless given.
        pub restored ("rto"): Option<Spanned<Duration>>,
        /// Nothing is declared of connections that no fault concerns. `true` unless given.
        pub others_up: Option<Spanned<bool>>,
    }
}

object! {
    /// A program of the system under test, started before everything else and ended after it: what the network's own commands do not start.
    pub struct Server {
        /// The endpoint in whose network it runs.
        pub on: Spanned<String>,
        /// A name for people; the endpoint's unless given.
        pub name: Option<Spanned<String>>,
        /// The program, as the shell reads it. `NETWRIGHT_RUN` is the run's folder, `NETWRIGHT_EXPERIMENT` that of the experiment's file; the
        /// folder of this program comes first in `PATH`.
        pub run ("command"): Spanned<String>,
        /// It is ready when something listens on this port there; the next is started then.
        pub ready ("port"): Option<Spanned<Service>>,
        /// How long that may take. 60 s unless given.
        pub within: Option<Spanned<Duration>>,
    }
}

object! {
    /// The reference system: a frontend, a gateway and a worker (`visapi`) on PostgreSQL and Redis, each on the endpoint of that name:
    /// `frontend`, `gateway`, `worker`, `postgres`, `redis`.
    pub struct Reference {
        /// `correct`, or what is wrong on purpose: `ack-before-durable` and the others that `visapi gateway --help` lists. `correct` unless given.
        pub variant ("broken"): Option<Spanned<String>>,
        /// More arguments for the gateway and the worker, as `--lease-ms 1000`.
        pub arguments: Vec<Spanned<String>>,
    }
}

keyword! {
    /// What clients do to the reference system.
    pub enum Operations {
        /// Markers are written, and each is read in the end: `lost-writes`.
        #[default] Markers = "markers",
        /// Elements are added to a set that is read now and then: `set-full`.
        Sets = "sets",
        /// A few registers are read, written, compared and set: `cas-register`.
        Registers = "registers",
        /// Transactions read lists and append to them: `list-append`.
        Lists = "lists",
        /// Jobs are enqueued, and what became of each is read in the end: `total-queue`.
        Queue = "queue",
        /// A counter is added to and read: `counter`.
        Counters = "counters",
        /// Numbers are asked for that nobody else has: `unique-ids`.
        Ids = "ids",
        /// A few documents are written, each with a version: `versions`.
        Documents = "documents",
        /// Documents are written and deleted with their versions: `orphans`.
        References = "references",
        /// Nodes lead, and act in the epoch that they lead in: `leadership`.
        Leaders = "leaders",
        /// A few records are written over and over, and each is read in the end: `stale-reads`, which finds a write that an earlier one outlived.
        Records = "records",
    }
}

object! {
    /// Operations on the system, while all of it goes on.
    pub struct Workload {
        /// A name for people.
        pub name: Option<Spanned<String>>,
        /// What is done to the reference system: each kind has a rate, a history and a check of its own.
        pub operations ("of"): Vec<Spanned<Operations>>,
        /// A program that makes them, as the shell reads it, and writes a history (JSON lines) to the file that `NETWRIGHT_HISTORY` names. It is
        /// told what links are through `NETWRIGHT_LINKS`.
        pub run ("command"): Option<Spanned<String>>,
        /// The endpoint in whose network the program runs, or that requests come from: in a lab, `safety.controller` unless given. To hosts with agents it
        /// comes from the machine that runs the game day, and neither is given.
        pub from ("on"): Option<Spanned<String>>,
        /// Where requests go, as `http://endpoint:port`.
        pub url: Option<Spanned<String>>,
        /// Requests a second, begun whether or not others were answered. 20 unless given.
        pub rate: Option<Spanned<u32>>,
        /// What is written: `POST` to this path with a body that carries the identifier in the place of `{id}`.
        pub write: Option<Spanned<String>>,
        /// The body of a write. `{"id": "{id}"}` unless given.
        pub body: Option<Spanned<String>>,
        /// What is read: `GET` of this path, with the identifier in the place of `{id}`. After everything, each that was written is read.
        pub read: Option<Spanned<String>>,
        /// Header fields.
        pub headers: Entries<Any>,
        /// How long an answer may take. 2 s unless given.
        pub timeout: Option<Spanned<Duration>>,
        /// The property that the history must have, as `netwright gameday check` calls it.
        pub model: Option<Spanned<String>>,
    }
}

object! {
    /// An experiment.
    pub struct Experiment {
        /// What it shows, in a line.
        pub title: Spanned<String>,
        /// What it is about.
        pub description: Option<Spanned<String>>,
        /// Words to find it by.
        pub tags: Vec<Spanned<String>>,
        /// The network: a description's file, seen from this file. `--network` says otherwise.
        pub network: Option<Spanned<String>>,
        /// What holds while nothing is wrong.
        pub steady_state_hypothesis ("steady-state-hypothesis"): Hypothesis,
        /// The faults, by name. Where several concern the same packet, the first that decides about it does.
        pub faults: Entries<Fault>,
        /// What is done, one after the other.
        pub method: Vec<Step>,
        /// What is done in the end, whatever happened.
        pub rollbacks: Vec<Step>,
        /// What is done after everything healed, before what must hold is looked at.
        pub recovery: Vec<Step>,
        /// The reference system, which is started before the programs of `system`.
        pub reference: Option<Reference>,
        /// Programs of the system under test, in the order in which they are started.
        pub system: Vec<Server>,
        /// Operations on the system meanwhile.
        pub workload: Vec<Workload>,
        /// What keeps it from doing harm.
        pub safety: Safety,
        /// How long its parts take.
        pub phases: Phases,
        /// What must come out.
        pub expect: Expect,
        /// What clients ask for follows from this number; from the title unless given.
        pub seed: Option<Spanned<u64>>,
        /// The version of the Chaos Toolkit that the file is for.
        pub version: Any,
        /// Values that stand in the place of `${name}` anywhere in the file: as they are written, or `{ type: env, key: VARIABLE, default: … }`.
        pub configuration: Any,
        /// Secrets of the Chaos Toolkit, which are not read here.
        pub secrets: Any,
        /// Hooks of the Chaos Toolkit, which are not run here.
        pub controls: Any,
        /// Contributions of the Chaos Toolkit: kept, and nothing follows from them.
        pub contributions: Any,
        /// Extensions of the Chaos Toolkit, which are not read here.
        pub extensions: Any,
        /// How the Chaos Toolkit is to run it, which is not read here.
        pub runtime: Any,
    }
}
