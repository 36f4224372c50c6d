//! What sends and receives: instances, serverless services with their connectors, databases, outside services.

use std::net::IpAddr;

use crate::decode::Entries;
use crate::scalar::{Bandwidth, Duration, Percent, Prefix, Service as Port};
use crate::source::Spanned;

use super::exec::Exec;
use super::link::Link;
use super::operation::{ConnectionPool, Probe, StartupPhase};
use super::reference::EndpointRef;

crate::keyword! {
    /// What an instance is.
    pub enum InstanceKind {
        /// A virtual machine.
        #[default] Machine = "machine" | "vm" | "instance",
        /// A node of a container cluster.
        ClusterNode = "cluster-node",
        /// A node of a load balancer.
        LoadBalancerNode = "load-balancer-node",
        /// An interface that belongs to something else: a function, a cache, a search domain.
        ManagedInterface = "managed-interface",
        /// A reserved address with nothing described behind it.
        ReservedAddress = "reserved-address",
    }
}

crate::object! {
    /// A machine: anything with interfaces in subnets. The fields of its first interface may stand here directly.
    pub struct Instance {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// What it is.
        pub kind ("type") : Option<Spanned<InstanceKind>>,
        /// Identifier of the first interface in the provider's export.
        pub interface_id: Option<Spanned<String>>,
        /// Subnet of the first interface, as `vpc/subnet` or, where unique, `subnet`.
        pub subnet: Option<Spanned<String>>,
        /// Private addresses of the first interface. Allocated in name order after the reserved ones where none is given.
        pub addresses ("address") : Vec<Spanned<IpAddr>>,
        /// Prefixes assigned to the first interface beside its addresses.
        pub prefixes: Vec<Spanned<Prefix>>,
        /// Public IPv4 address, translated one to one at the internet gateway.
        pub public_address ("public_addresses") : Vec<Spanned<IpAddr>>,
        /// Filters attached to the first interface (security groups).
        pub filters ("security_groups") : Vec<Spanned<String>>,
        /// Network tags that rules and routes refer to.
        pub tags: Vec<Spanned<String>>,
        /// Service account that rules refer to.
        pub account ("service_account") : Option<Spanned<String>>,
        /// What it answers on. Not given: unknown, and not asked for.
        pub listens: Vec<Spanned<Port>>,
        /// It forwards packets that are not addressed to it (source and destination check off).
        pub forwards: Option<Spanned<bool>>,
        /// False for a machine that is stopped: it neither sends nor receives.
        pub running: Option<Spanned<bool>>,
        /// Further interfaces by name.
        pub interfaces: Entries<Interface>,
        /// What the link of its first interface does to packets on their way, in a lab.
        pub link: Link,
        /// Commands to run in a lab.
        pub exec: Vec<Exec>,
    }
}

crate::object! {
    /// A network interface.
    pub struct Interface {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Subnet, as `vpc/subnet` or, where unique, `subnet`.
        pub subnet: Option<Spanned<String>>,
        /// Private addresses.
        pub addresses ("address") : Vec<Spanned<IpAddr>>,
        /// Prefixes assigned to the interface beside its addresses.
        pub prefixes: Vec<Spanned<Prefix>>,
        /// Public IPv4 address, translated one to one at the internet gateway.
        pub public_address ("public_addresses") : Vec<Spanned<IpAddr>>,
        /// Filters attached (security groups).
        pub filters ("security_groups") : Vec<Spanned<String>>,
        /// It forwards packets that are not addressed to it.
        pub forwards: Option<Spanned<bool>>,
        /// What its link does to packets on their way, in a lab.
        pub link: Link,
    }
}

crate::keyword! {
    /// What of a serverless service's outgoing traffic goes through the VPC.
    pub enum EgressMode {
        /// Nothing: no VPC access.
        #[default] None = "none",
        /// Destinations in the profile's private ranges; all else leaves directly from an address that is not predictable.
        PrivateRangesOnly = "private-ranges-only",
        /// Everything.
        AllTraffic = "all-traffic" | "all",
    }
}

crate::keyword! {
    /// From where a serverless service may be called.
    pub enum ServiceIngress {
        /// From anywhere.
        #[default] All = "all",
        /// From the VPC and internal load balancers.
        Internal = "internal",
        /// From the VPC and load balancers.
        InternalAndLoadBalancing = "internal-and-cloud-load-balancing",
    }
}

crate::object! {
    /// How a service's packets leave.
    pub struct Egress {
        /// What goes through the VPC.
        pub mode: Option<Spanned<EgressMode>>,
        /// Through this connector.
        pub connector: Option<Spanned<String>>,
        /// Or directly from this subnet (direct VPC egress), as `vpc/subnet`.
        pub subnet: Option<Spanned<String>>,
        /// Network tags of directly attached instances.
        pub tags: Vec<Spanned<String>>,
    }
}

crate::object! {
    /// A serverless service.
    pub struct Service {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Provider profile; the description's unless given.
        pub provider: Option<Spanned<super::topology::Provider>>,
        /// Region.
        pub region: Option<Spanned<String>>,
        /// How packets leave.
        pub egress: Egress,
        /// From where it may be called.
        pub ingress: Option<Spanned<ServiceIngress>>,
        /// Names it is called by.
        pub hosts ("host") : Vec<Spanned<String>>,
        /// Port of the container.
        pub port: Option<Spanned<u16>>,
        /// Fewest instances.
        pub min_instances: Option<Spanned<u32>>,
        /// Most instances.
        pub max_instances ("instances") : Option<Spanned<u32>>,
        /// Account the service runs as.
        pub account ("service_account") : Option<Spanned<String>>,
        /// What the service connects to.
        pub dependencies: Entries<Dependency>,
        /// Phases of its start, in order.
        pub startup: Entries<StartupPhase>,
        /// Longest start that is allowed; the profile's unless given.
        pub startup_limit: Option<Spanned<Duration>>,
        /// Start-up probe.
        pub startup_probe: Option<Probe>,
        /// Liveness probe.
        pub liveness_probe: Option<Probe>,
        /// Deadline of one request.
        pub request_timeout: Option<Spanned<Duration>>,
        /// Expected peak throughput through the VPC.
        pub peak_throughput: Option<Spanned<Bandwidth>>,
        /// Environment variables that are settings of the network or of a database client. Values of secrets do not belong here.
        pub environment ("env") : Entries<Spanned<String>>,
    }
}

crate::keyword! {
    /// How a dependency is reached.
    pub enum DependencyPath {
        /// A connection to an address and port.
        #[default] Tcp = "tcp",
        /// A Unix socket served by the platform's database proxy, which connects onwards.
        Socket = "socket" | "unix-socket",
        /// UDP.
        Udp = "udp",
    }
}

crate::object! {
    /// Something a service connects to.
    pub struct Dependency {
        /// What it is: `database:NAME`, `service:NAME`, `external:NAME`, an instance, a load balancer, an address or a host name.
        pub to: Spanned<EndpointRef>,
        /// How it is reached.
        pub via ("path") : Option<Spanned<DependencyPath>>,
        /// Port; the target's unless given.
        pub port: Option<Spanned<u16>>,
        /// Which of the target's addresses is used: true for the private one. Unless given, the private one where the target has one.
        pub private: Option<Spanned<bool>>,
        /// The service works without it. False unless said otherwise.
        pub optional: Option<Spanned<bool>>,
        /// Deadline for connecting.
        pub connect_timeout: Option<Spanned<Duration>>,
        /// Pool of connections held by each instance.
        pub pool: Option<ConnectionPool>,
        /// Name that the client checks in the server's certificate.
        pub server_name: Option<Spanned<String>>,
    }
}

crate::keyword! {
    /// Machine type of a connector's instances.
    pub enum MachineType {
        /// 50 Mbit/s an instance.
        F1Micro = "f1-micro",
        /// 100 Mbit/s an instance.
        #[default] E2Micro = "e2-micro",
        /// 1,600 Mbit/s an instance.
        E2Standard4 = "e2-standard-4",
    }
}

crate::object! {
    /// A serverless VPC connector.
    pub struct Connector {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The VPC it leads into.
        pub vpc ("network") : Option<Spanned<String>>,
        /// The subnet it uses, where it has no range of its own.
        pub subnet: Option<Spanned<String>>,
        /// Its range: a /28 that nothing else uses.
        pub cidr ("range", "ip_cidr_range") : Option<Spanned<Prefix>>,
        /// Region.
        pub region: Option<Spanned<String>>,
        /// Machine type of its instances. Kept as text, so that a plan with an impossible type is a finding and not unreadable.
        pub machine_type: Option<Spanned<String>>,
        /// Fewest instances.
        pub min_instances: Option<Spanned<u32>>,
        /// Most instances.
        pub max_instances: Option<Spanned<u32>>,
        /// State as the provider shows it.
        pub state: Option<Spanned<String>>,
        /// Network tags that rules refer to.
        pub tags: Vec<Spanned<String>>,
        /// Expected peak throughput of all services together.
        pub peak_throughput: Option<Spanned<Bandwidth>>,
        /// Share of the capacity that is planned for. 80 % unless given.
        pub target_utilisation: Option<Spanned<Percent>>,
        /// What its link into the VPC does to packets on their way, in a lab. Its rate is what its most instances carry, unless given.
        pub link: Link,
    }
}

/// Fewest and most instances of a connector that says nothing about them (Serverless VPC Access: minimum and maximum instances).
const CONNECTOR_INSTANCES: (u32, u32) = (2, 10);

impl MachineType {
    /// What an instance of a connector carries (Serverless VPC Access: throughput by machine type).
    #[must_use]
    pub const fn carries(self) -> Bandwidth {
        Bandwidth::from_megabits(match self {
            Self::F1Micro => 50,
            Self::E2Micro => 100,
            Self::E2Standard4 => 1600,
        })
    }
}

impl Connector {
    /// The machine type of its instances; none where it is no type that connectors may have.
    #[must_use]
    pub fn machine(&self) -> Option<MachineType> {
        match &self.machine_type {
            None => Some(MachineType::default()),
            Some(written) => MachineType::of(&written.value),
        }
    }

    /// Its fewest and its most instances.
    #[must_use]
    pub fn instances(&self) -> (u32, u32) {
        let (least, most) = CONNECTOR_INSTANCES;
        (
            self.min_instances.as_ref().map_or(least, |own| own.value),
            self.max_instances.as_ref().map_or(most, |own| own.value),
        )
    }

    /// What it carries with its fewest and with its most instances; none where its machine type is not known.
    #[must_use]
    pub fn carries(&self) -> Option<(Bandwidth, Bandwidth)> {
        let each = self.machine()?.carries().as_bits();
        let (least, most) = self.instances();
        let all = |count: u32| Bandwidth::from_bits(each.saturating_mul(count.into()));
        Some((all(least), all(most)))
    }
}

crate::keyword! {
    /// Database engine.
    pub enum DatabaseEngine {
        /// PostgreSQL.
        #[default] Postgres = "postgres" | "postgresql",
        /// MySQL and MariaDB.
        Mysql = "mysql" | "mariadb",
        /// Microsoft SQL Server.
        SqlServer = "sqlserver",
        /// Oracle.
        Oracle = "oracle",
        /// Redis.
        Redis = "redis",
        /// Any other.
        Other = "other",
    }
}

crate::object! {
    /// A managed database.
    pub struct Database {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Engine.
        pub engine: Option<Spanned<DatabaseEngine>>,
        /// Port; the engine's usual one unless given.
        pub port: Option<Spanned<u16>>,
        /// Subnets it has interfaces in, where they are the user's.
        pub subnets ("subnet") : Vec<Spanned<String>>,
        /// The VPC that reaches its private address, where the provider keeps the interface elsewhere (private services access).
        pub vpc: Option<Spanned<String>>,
        /// Private addresses.
        pub private_addresses ("private_address") : Vec<Spanned<IpAddr>>,
        /// Public addresses.
        pub public_addresses ("public_address") : Vec<Spanned<IpAddr>>,
        /// It has a public address, known or not.
        pub public: Option<Spanned<bool>>,
        /// Sources that its public address accepts.
        pub authorized_networks: Vec<Spanned<Prefix>>,
        /// Filters attached to its interfaces.
        pub filters ("security_groups") : Vec<Spanned<String>>,
        /// Reached by the platform's proxy under this name (for example `project:region:instance`).
        pub connection_name: Option<Spanned<String>>,
        /// Most connections it accepts.
        pub max_connections: Option<Spanned<u32>>,
        /// Connections kept for the provider and administrators. 3 unless given.
        pub reserved_connections: Option<Spanned<u32>>,
        /// Memory in MiB, from which the limit follows where it is not given.
        pub memory_mib: Option<Spanned<u32>>,
        /// Tier as the provider calls it.
        pub tier: Option<Spanned<String>>,
    }
}

crate::object! {
    /// A service outside this network.
    pub struct External {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Its addresses.
        pub addresses ("address", "cidrs") : Vec<Spanned<Prefix>>,
        /// Names it is called by.
        pub hosts ("host") : Vec<Spanned<String>>,
        /// What it answers on; everything unless given.
        pub listens ("ports") : Vec<Spanned<Port>>,
        /// Source addresses that it accepts; all unless given.
        pub allow_from ("allow_list") : Vec<Spanned<Prefix>>,
        /// VPCs that reach it, and that it reaches, without the Internet (a provider's service network). Routes name it as `external:NAME`.
        pub attached_vpcs: Vec<Spanned<String>>,
        /// It opens connections to attached VPCs too.
        pub initiates: Option<Spanned<bool>>,
        /// Names of the certificate that it shows, as `certificate:NAME`.
        pub certificate: Option<Spanned<String>>,
        /// What the link by which the Internet reaches it does to packets on their way, in a lab.
        pub link: Link,
    }
}
