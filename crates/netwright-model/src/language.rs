//! The description: what a user writes and what every importer produces.
//!
//! Each object here is declared once with [`object!`](crate::object); reading, writing, the JSON Schema and
//! the reference come from that one declaration. Nothing is resolved yet: a reference is a name with its
//! place. [`crate::network`] turns a description into a resolved network, or into errors that point here.
//!
//! Architecture invariant: this module knows no provider format and makes no decision; it only says what can
//! be said.

pub mod delivery;
pub mod exec;
pub mod filter;
pub mod intent;
pub mod link;
pub mod maps;
pub mod names;
pub mod operation;
pub mod reference;
pub mod topology;
pub mod watch;
pub mod workload;

use crate::decode::Entries;
use crate::source::Spanned;

pub use delivery::{
    AllDown, Backend, BackendGroup, HealthCheck, Listener, LoadBalancer, LoadBalancerKind,
    OpenConnections, Scheme,
};
pub use exec::{Command, Exec, Ready, RestartPolicy};
pub use filter::{Action, Attachment, Direction, Filter, Icmp, Rule};
pub use intent::{Intent, Outcome};
pub use link::{Link, LinkWay};
pub use names::{Certificate, DnsRecord, DnsZone, RecordType};
pub use operation::{
    Alert, AlertRemedy, ConnectionPool, Criterion, GoldenPath, MEASURES, Probe, StartupPhase,
    Timeout, TimeoutKind, WatchedState,
};
pub use reference::{Destination, EndpointKind, EndpointRef, Peer, RouteTarget};
pub use topology::{
    AddressFamily, InternetGateway, NatAllocation, NatGateway, Peering, PeeringState, PrefixFilter,
    PrefixList, PrivateEndpoint, Profile, Provider, Route, RouteOrigin, RouteTable, Site, Subnet,
    Transit, TransitAttachment, TransitTable, Vpc, Vpn, VpnKind,
};
pub use watch::{ActiveProbe, ProbeAnswer, ProbeStep, is_secret_header};
pub use workload::{
    Connector, Database, DatabaseEngine, Dependency, DependencyPath, Egress, EgressMode, External,
    Instance, InstanceKind, Interface, MachineType, Service, ServiceIngress,
};

crate::object! {
    /// A network, described once: what exists, what must work and what must not.
    ///
    /// A description may be split over several files of a folder: each map is the union of the files' maps.
    pub struct Description {
        /// Version of this language. Only 1 exists.
        pub netwright: Option<Spanned<u32>>,
        /// A name for people.
        pub name: Option<Spanned<String>>,
        /// Provider profile of every object that names none: reserved addresses, default rules, private ranges, limits.
        pub provider: Option<Spanned<Provider>>,
        /// Virtual private clouds, with their subnets and route tables.
        pub vpcs: Entries<Vpc>,
        /// Named lists of prefixes that rules and routes may refer to.
        pub prefix_lists: Entries<PrefixList>,
        /// Packet filters: security groups, network ACLs, VPC firewalls and firewall policies in one form.
        pub filters: Entries<Filter>,
        /// Machines: anything with interfaces and addresses in subnets.
        pub instances: Entries<Instance>,
        /// Gateways between a VPC and the Internet.
        pub internet_gateways: Entries<InternetGateway>,
        /// Gateways that translate source addresses towards the Internet.
        pub nat_gateways: Entries<NatGateway>,
        /// Peerings between two VPCs.
        pub peerings: Entries<Peering>,
        /// Tunnels and dedicated links to sites outside the provider.
        pub vpns: Entries<Vpn>,
        /// Networks outside the provider that VPNs and dedicated links lead to.
        pub sites: Entries<Site>,
        /// Transit hubs that join VPCs and VPNs through route tables of their own.
        pub transits: Entries<Transit>,
        /// Private endpoints of provider or partner services inside a VPC.
        pub private_endpoints: Entries<PrivateEndpoint>,
        /// Serverless VPC connectors.
        pub connectors: Entries<Connector>,
        /// Serverless services.
        pub services: Entries<Service>,
        /// Load balancers.
        pub load_balancers: Entries<LoadBalancer>,
        /// Managed databases.
        pub databases: Entries<Database>,
        /// Services outside this network that something here depends on.
        pub externals: Entries<External>,
        /// DNS zones with their records.
        pub dns_zones: Entries<DnsZone>,
        /// Certificates and the names that they cover.
        pub certificates: Entries<Certificate>,
        /// Time-outs of a request's or connection's path that belong together, from the outermost to the innermost.
        pub timeouts: Entries<Timeout>,
        /// Alerts and their thresholds.
        pub alerts: Entries<Alert>,
        /// Success criteria with a threshold.
        pub criteria: Entries<Criterion>,
        /// Paths that users take through several services.
        pub golden_paths: Entries<GoldenPath>,
        /// What is asked of the running network, beside the intents.
        pub probes: Entries<ActiveProbe>,
        /// What must and what must not work.
        pub expect: Entries<Intent>,
        /// Changes to a provider profile: facts that differ for this user.
        pub profiles: Entries<Profile>,
        /// What this description is known to lack. A verdict that depends on it is `unknown`.
        pub gaps: Vec<Gap>,
    }
}

crate::object! {
    /// A fact that the description lacks, for example a part of an export that could not be represented.
    pub struct Gap {
        /// The object that is incomplete, as `kind:name`, for example `route_table:prod/public`.
        pub object: Spanned<String>,
        /// What is missing or was not understood.
        pub what: Spanned<String>,
        /// Whether verdicts that involve the object are unknown because of it. True unless said otherwise.
        pub affects_verdicts: Option<Spanned<bool>>,
    }
}

impl Description {
    /// A prefix list by name or identifier.
    #[must_use]
    pub fn prefix_list(&self, name: &str) -> Option<&PrefixList> {
        self.prefix_lists.get(name).or_else(|| {
            let by_id = |list: &&(Spanned<String>, PrefixList)| {
                list.1.id.as_ref().is_some_and(|id| id.value == name)
            };
            self.prefix_lists.iter().find(by_id).map(|(_, list)| list)
        })
    }
}
