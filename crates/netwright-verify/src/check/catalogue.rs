//! Every rule: why it matters and where it comes from.

use netwright_model::diagnostic::Severity::{self, Error, Info, Warning};

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its identifier. Never used again for something else.
    pub id: &'static str,
    /// How bad a finding is.
    pub severity: Severity,
    /// In a few words.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
}

const fn rule(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    source: &'static str,
) -> Entry {
    Entry { id, severity, title, why, source }
}

/// All rules, by identifier.
pub const ALL: &[Entry] = &[
    rule(
        "NW-ADDR-001",
        Error,
        "subnets overlap",
        "An address in both ranges belongs to two subnets; routing can lead to one of them only.",
        "AWS VPC user guide and Google Cloud VPC documentation: ranges of a VPC's subnets must not overlap",
    ),
    rule(
        "NW-ADDR-002",
        Error,
        "subnet outside its VPC",
        "The provider refuses a subnet whose range is not part of the VPC's.",
        "AWS VPC user guide, \"Subnet sizing\"",
    ),
    rule(
        "NW-ADDR-003",
        Error,
        "connected networks overlap",
        "A peering or hub between overlapping ranges is refused, or cannot tell where an address lies.",
        "AWS VPC peering guide: overlapping CIDR blocks are not supported",
    ),
    rule(
        "NW-ADDR-004",
        Error,
        "reserved address used",
        "The provider keeps the first and last addresses of each subnet for itself.",
        "AWS: first four and last; Google Cloud: first two and last two; Azure: first four and last",
    ),
    rule(
        "NW-ADDR-005",
        Error,
        "address used twice",
        "Two interfaces of one VPC cannot have the same address.",
        "RFC 826: an address is resolved to one interface",
    ),
    rule(
        "NW-ADDR-006",
        Error,
        "subnet exhausted",
        "Nothing can be launched in it. It is exhausted when the usable addresses are taken, not the size of the range.",
        "the provider's reserved addresses",
    ),
    rule(
        "NW-ADDR-007",
        Warning,
        "subnet nearly full",
        "Growth and replacement need free addresses.",
        "this project's default of 80 %, `warn_at` changes it",
    ),
    rule(
        "NW-FLT-001",
        Warning,
        "rule never reached",
        "Earlier rules decide every packet that it matches, so it changes nothing.",
        "first match decides (AWS network ACLs, Google Cloud firewall rules)",
    ),
    rule(
        "NW-FLT-002",
        Info,
        "rule allowed already",
        "Another rule of the filter allows everything that it allows.",
        "rules of a security group are a union",
    ),
    rule(
        "NW-FLT-003",
        Info,
        "rule given twice",
        "Two rules agree in direction, action, protocol, ports and peers.",
        "the whole tuple: rules that differ in the source are two rules",
    ),
    rule(
        "NW-FLT-004",
        Warning,
        "reference to nobody",
        "No interface has the group or tag, so the rule matches nothing.",
        "references stand for the members' addresses",
    ),
    rule(
        "NW-FLT-005",
        Error,
        "administration open to the Internet",
        "Remote administration from anywhere is found by scanners within minutes.",
        "CIS benchmarks for AWS and Google Cloud: no ingress from 0.0.0.0/0 to ports 22 and 3389",
    ),
    rule(
        "NW-FLT-006",
        Error,
        "database open to the Internet",
        "A database's port that anyone may open is a data leak in waiting.",
        "CIS benchmarks",
    ),
    rule(
        "NW-RT-001",
        Warning,
        "route drops packets",
        "A black hole: its target is gone or was never there.",
        "AWS VPC user guide: route state `blackhole`",
    ),
    rule(
        "NW-RT-002",
        Error,
        "route to a detached gateway",
        "The gateway belongs to no VPC or another one; packets are dropped.",
        "AWS VPC user guide, \"Internet gateways\"",
    ),
    rule(
        "NW-RT-003",
        Error,
        "route to a peering that is not active",
        "Until both sides agreed nothing passes.",
        "AWS VPC peering guide, \"Lifecycle\"",
    ),
    rule(
        "NW-RT-004",
        Error,
        "peering routed one way",
        "Packets arrive and their answers do not come back: both sides need a route.",
        "AWS VPC peering guide: update your route tables on both sides",
    ),
    rule(
        "NW-RT-005",
        Error,
        "hope for transit through a peer",
        "A peering carries packets to the peer's own ranges only, not through it.",
        "AWS VPC peering guide: no transitive peering, no edge-to-edge routing",
    ),
    rule(
        "NW-RT-006",
        Warning,
        "equally good routes to different places",
        "Which one is used is not defined.",
        "AWS VPC user guide: overlapping prefix lists; Google Cloud: ECMP",
    ),
    rule(
        "NW-MTU-001",
        Error,
        "tunnel MTU larger than fits",
        "Packets of that size are fragmented or dropped; where the answer to that is lost, connections hang.",
        "RFC 4303 (ESP) for the overhead, RFC 8899 for the effect",
    ),
    rule(
        "NW-MTU-002",
        Error,
        "path MTU black hole",
        "Neither are segments clamped nor is the sender told, so larger packets vanish in silence.",
        "RFC 2923, RFC 1191",
    ),
    rule(
        "NW-DNS-001",
        Error,
        "CNAME loop",
        "The name never resolves; some resolvers hang until they give up.",
        "RFC 1034, section 3.6.2",
    ),
    rule(
        "NW-DNS-002",
        Warning,
        "name leads nowhere",
        "The alias points into a zone that is described here and has no such name.",
        "RFC 1034",
    ),
    rule(
        "NW-NAT-001",
        Warning,
        "NAT gateway unused",
        "It is paid for and carries nothing.",
        "Google Cloud Run networking best practices: no Cloud NAT for private-ranges-only egress",
    ),
    rule(
        "NW-NAT-002",
        Error,
        "automatic addresses against an allow-list",
        "The provider may choose another address at any time, and the allow-list does not hold it.",
        "Cloud NAT, \"Addresses and ports\": the next address cannot be predicted",
    ),
    rule(
        "NW-CON-001",
        Error,
        "no such machine type",
        "A connector takes f1-micro, e2-micro or e2-standard-4 only.",
        "Serverless VPC Access: supported machine types",
    ),
    rule(
        "NW-CON-002",
        Error,
        "connector bounds out of range",
        "The least is 2 to 9, the most 3 to 10, and the least below the most.",
        "Serverless VPC Access: minimum and maximum instances",
    ),
    rule(
        "NW-CON-003",
        Error,
        "connector range is no unused /28",
        "A connector needs a /28 that nothing else uses.",
        "Serverless VPC Access: subnet requirements",
    ),
    rule(
        "NW-CON-004",
        Warning,
        "connector too small",
        "The expected peak does not fit into what its instances carry.",
        "Serverless VPC Access: throughput by machine type; 80 % is planned for",
    ),
    rule(
        "NW-LB-001",
        Error,
        "health check on a serverless backend",
        "Backend services with serverless backends must not have a health check.",
        "Compute Engine API, BackendService.healthChecks",
    ),
    rule(
        "NW-LB-002",
        Error,
        "health check time-out over its interval",
        "A probe would still wait when the next one starts; providers refuse it.",
        "Compute Engine API, HealthCheck.timeoutSec",
    ),
    rule(
        "NW-LB-003",
        Warning,
        "threshold of one",
        "One lost packet takes a backend out, one lucky one puts it back: health flaps.",
        "three failures and two successes are usual",
    ),
    rule(
        "NW-LB-004",
        Error,
        "failure noticed too late",
        "Interval, threshold and time-out together take longer than the goal.",
        "worst case: interval + (unhealthy - 1) x interval + time-out",
    ),
    rule(
        "NW-SVC-002",
        Error,
        "start-up longer than the platform allows",
        "The container is killed before it has started.",
        "Cloud Run: start-up probe failureThreshold x period at most 240 s",
    ),
    rule(
        "NW-SVC-003",
        Error,
        "probe time-out not below its period",
        "Probes would overlap.",
        "Cloud Run: timeout must be less than period",
    ),
    rule(
        "NW-TIME-001",
        Error,
        "deadline inverted",
        "What runs inside may take longer than what it runs in: the outer deadline always fires first and inner work is lost.",
        "an outer deadline is at least the sum of the inner ones",
    ),
    rule(
        "NW-TIME-002",
        Error,
        "idle limit inverted",
        "The infrastructure forgets the connection before the application does, which then writes into nothing.",
        "an idle limit of the infrastructure is longer than the application's",
    ),
    rule(
        "NW-TIME-003",
        Info,
        "time-out unknown",
        "A hierarchy with an unknown member cannot be judged.",
        "unknown is a value",
    ),
    rule(
        "NW-POOL-001",
        Error,
        "more connections than the database accepts",
        "Services that scale out take each other's connections away.",
        "services x instances x (pool + overflow) at most the database's limit",
    ),
    rule(
        "NW-POOL-002",
        Warning,
        "pool keeps connections that the network forgets",
        "Connections are recycled later than the path forgets idle ones.",
        "Google Cloud VPC: idle connections are tracked for 10 minutes",
    ),
    rule(
        "NW-POOL-003",
        Warning,
        "waiter gives up before the connection",
        "The pool's time-out is below the connect time-out: slots stay taken by connections that nobody waits for.",
        "deadlines nest",
    ),
    rule(
        "NW-ALERT-001",
        Error,
        "alert can never fire",
        "What it measures is ended by a shorter time-out.",
        "a threshold must lie below the deadline that it watches",
    ),
    rule(
        "NW-ALERT-002",
        Warning,
        "threshold never evaluated",
        "It is declared and no rule looks at it.",
        "a declared threshold is a promise",
    ),
    rule(
        "NW-CRIT-001",
        Warning,
        "criterion cannot fail",
        "What it measures is ended by a shorter time-out, so it always holds.",
        "a criterion must lie below the deadline",
    ),
    rule(
        "NW-CRIT-002",
        Warning,
        "criterion shorter than what it includes",
        "Time-outs that may legally be used up in it add up to more.",
        "deadlines nest",
    ),
    rule(
        "NW-CERT-001",
        Error,
        "certificate does not cover a name",
        "Clients refuse the connection. A wildcard covers one label.",
        "RFC 6125, section 6.4.3",
    ),
    rule(
        "NW-DB-001",
        Error,
        "database accepts every source",
        "Its list of networks holds 0.0.0.0/0.",
        "Cloud SQL: authorised networks; CIS benchmark for Google Cloud",
    ),
];

/// The rule of an identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.id.eq_ignore_ascii_case(id))
}
