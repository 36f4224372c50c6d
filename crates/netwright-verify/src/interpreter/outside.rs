//! What lies beyond the VPCs: the Internet, sites, outside services, and the platforms under serverless services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netwright_model::language::{EgressMode, EndpointKind};
use netwright_model::network::{
    Attached, EndpointId, ExternalId, InterfaceId, NatId, Network, ServerlessId, SiteId, TransitId,
    VpcId, VpnId,
};
use netwright_model::scalar::Prefix;

use super::filter::{holds, interface_vpc};
use super::walk::{Arrival, Memory, Stop, Translator, Walker, blocked, unknown};
use super::{At, Origin, Place, Reason, Walk, unpredictable};

/// IPv4 ranges that no packet on the Internet comes from or goes to: RFC 1122 (0/8, 127/8), RFC 1918, RFC 6598, RFC 3927 (169.254/16), RFC
/// 1112 (224/4, 240/4).
const NOT_ON_THE_INTERNET: [(Ipv4Addr, u8); 9] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The IPv6 addresses of the Internet: `2000::/3` (RFC 4291).
const GLOBAL_UNICAST: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

/// Whether addresses of this kind exist on the Internet at all.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !NOT_ON_THE_INTERNET
            .iter()
            .any(|&(base, length)| Prefix::of(base.into(), length).contains(address)),
        IpAddr::V6(_) => Prefix::of(GLOBAL_UNICAST.into(), 3).contains(address),
    }
}

/// What is ours: the ranges of VPCs, sites and attached outside services.
fn ours(network: &Network) -> impl Iterator<Item = &Prefix> {
    let vpcs = network.vpcs.iter().flat_map(|vpc| &vpc.cidrs);
    let sites = network.sites.iter().flat_map(|site| &site.cidrs);
    let attached = network.externals.iter().filter(|external| !external.attached.is_empty());
    let attached = attached.flat_map(|external| &network[external.endpoint].prefixes);
    vpcs.chain(sites).chain(attached)
}

/// The Internet is what exists there and is not ours.
pub(super) fn is_internet(network: &Network, address: IpAddr) -> bool {
    is_global(address) && !ours(network).any(|prefix| prefix.contains(address))
}

/// Whether the prefix holds any address of the Internet: it does unless it lies inside one range that is not.
pub(super) fn may_hold_internet(network: &Network, prefix: Prefix) -> bool {
    let exists = match prefix.first() {
        IpAddr::V4(_) => !NOT_ON_THE_INTERNET
            .iter()
            .any(|&(base, length)| Prefix::of(base.into(), length).contains_prefix(&prefix)),
        IpAddr::V6(_) => Prefix::of(GLOBAL_UNICAST.into(), 3).overlaps(&prefix),
    };
    exists && !ours(network).any(|own| own.contains_prefix(&prefix))
}

impl Walker<'_> {
    /// Walks the packet from its origin.
    pub(super) fn run(mut self, origin: Origin) -> (Walk, Memory) {
        let arrival = match origin {
            Origin::Interface(id) => self.start_at_interface(id),
            Origin::Internet => self.start_on_internet(),
            Origin::Site(id) => self.start_at_site(id),
            Origin::External(id) => self.start_at_external(id),
            Origin::Serverless(id) => self.start_at_service(id),
        };
        self.finish(arrival)
    }

    /// Walks an answer from where the question arrived.
    pub(super) fn run_back(mut self, from: Place) -> (Walk, Memory) {
        let arrival = match from {
            Place::Interface(id) => self.start_at_interface(id),
            Place::Internet | Place::Public(_) => self.internet(),
            Place::Site(id) => self.start_at_site(id),
            Place::External(id) => self.start_at_external(id),
            Place::PrivateEndpoint(_, vpc) | Place::Attached(_, vpc) => self.local(vpc),
            Place::Serverless(id) => {
                unknown("a serverless service accepts answers only".to_owned(), At::Serverless(id))
            }
        };
        self.finish(arrival)
    }

    /// From the Internet: only with an address that exists there.
    fn start_on_internet(&mut self) -> Arrival {
        if !is_internet(self.network, self.packet.src) {
            return blocked(Reason::ForeignSource, At::Internet);
        }
        self.internet()
    }

    /// On the Internet, with a source address that means something there.
    pub(super) fn internet(&mut self) -> Arrival {
        self.sender = None;
        self.subnet = None;
        if let Some(translation) = self.left_as_destination() {
            return self.back_in(translation.by, translation.before);
        }
        let network = self.network;
        let dst = self.packet.dst;
        // A NAT gateway forwards answers only.
        if let Some(nat) =
            (0..network.nats.len()).map(NatId::at).find(|&id| network[id].addresses.contains(&dst))
        {
            return blocked(Reason::Unsolicited, At::Nat(nat));
        }
        if let Some(interface) = self.interface_at(dst) {
            return self.let_into_vpc(interface);
        }
        if let Some(endpoint) = self.endpoint_at(dst) {
            return self.at_public_address(endpoint);
        }
        if let Some(external) = self.external_at(dst) {
            let allowed = network[external].allow_from.as_deref();
            self.on_allow_list(allowed, At::External(external))?;
            return Ok(Place::External(external));
        }
        if is_internet(network, dst) {
            return Ok(Place::Internet);
        }
        blocked(Reason::NotRoutable, At::Internet)
    }

    /// An answer whose question left under another address: back through the same translation.
    fn back_in(&mut self, by: Translator, before: IpAddr) -> Arrival {
        match by {
            Translator::Leaving(vpc) => {
                self.translate_destination(At::Vpc(vpc), before);
                self.local(vpc)
            }
            Translator::Platform(service) => {
                self.translate_destination(At::Serverless(service), before);
                Ok(Place::Serverless(service))
            }
            Translator::Entering(_) | Translator::Nat(_) => {
                blocked(Reason::Unsolicited, At::Internet)
            }
        }
    }

    /// The interface that the Internet knows under an address: by a public IPv4 address, or by its own IPv6 address.
    fn interface_at(&self, address: IpAddr) -> Option<InterfaceId> {
        (0..self.network.interfaces.len()).map(InterfaceId::at).find(|&id| match address {
            IpAddr::V4(_) => self.network[id].public.contains(&address),
            IpAddr::V6(_) => holds(self.network, id, address),
        })
    }

    /// From the Internet into a VPC: through an internet gateway that is attached, and that lets connections in (an egress-only one lets
    /// answers in only: AWS VPC user guide, "Egress-only internet gateways").
    fn let_into_vpc(&mut self, interface: InterfaceId) -> Arrival {
        let network = self.network;
        let vpc = interface_vpc(network, interface);
        let answers = self.answers.is_some();
        let open = network
            .gateways
            .iter()
            .any(|gateway| gateway.vpc == Some(vpc) && (answers || !gateway.egress_only));
        if !open {
            return blocked(Reason::NoGateway, At::Vpc(vpc));
        }
        if self.packet.dst.is_ipv4() {
            let private = network[interface].addresses.iter().copied().find(IpAddr::is_ipv4);
            let Some(private) = private else {
                return blocked(Reason::NoSuchAddress, At::Interface(interface));
            };
            self.remember_entering(vpc, self.packet.dst, private);
            self.translate_destination(At::Vpc(vpc), private);
        }
        self.enter(network[interface].subnet)
    }

    /// The database, load balancer or other endpoint with a public address that is no interface's.
    fn endpoint_at(&self, address: IpAddr) -> Option<EndpointId> {
        (0..self.network.endpoints.len())
            .map(EndpointId::at)
            .find(|&id| self.network[id].public.contains(&address))
    }

    /// The outside service that the Internet leads to, by its longest prefix.
    fn external_at(&self, address: IpAddr) -> Option<ExternalId> {
        let outside = (0..self.network.externals.len())
            .map(ExternalId::at)
            .filter(|&id| self.network[id].attached.is_empty());
        let holding = outside.filter_map(|id| {
            let endpoint = self.network[id].endpoint;
            let prefixes = self.network[endpoint].prefixes.iter().filter(|p| p.contains(address));
            Some((prefixes.map(|prefix| prefix.length()).max()?, id))
        });
        holding.max_by_key(|&(length, id)| (length, std::cmp::Reverse(id))).map(|(_, id)| id)
    }

    /// Whether an allow list accepts the source. Answers were asked for. An address that nobody can predict cannot be put on a list, so a list
    /// of addresses refuses it (Google Cloud NAT: addresses allocated automatically defeat a peer's allow list).
    fn on_allow_list(&self, allowed: Option<&[Prefix]>, at: At) -> Result<(), Stop> {
        let src = self.packet.src;
        let accepts = |prefix: &Prefix| {
            prefix.contains(src) && (prefix.length() == 0 || !src.is_unspecified())
        };
        let open = allowed.is_none_or(|allowed| allowed.iter().any(accepts));
        if self.answers.is_some() {
            return Ok(());
        }
        // A NAT gateway with several addresses takes any of them for a connection.
        let nat = self.network.nats.iter().find(|nat| nat.addresses.contains(&src));
        if let (Some(nat), Some(allowed)) = (nat, allowed) {
            let listed = |one: &&IpAddr| allowed.iter().any(|prefix| prefix.contains(**one));
            let count = nat.addresses.iter().filter(listed).count();
            if count > 0 && count < nat.addresses.len() {
                let why = "only some of the NAT gateway's addresses are on the list".to_owned();
                return Err(Stop::Unknown(why, at));
            }
        }
        if open {
            return Ok(());
        }
        let reason = if src.is_unspecified() {
            Reason::SourceNotPredictable
        } else {
            Reason::NotOnAllowList
        };
        Err(Stop::Blocked(reason, at))
    }

    /// Straight to an outside service, without translation. Its allow list holds here too.
    pub(super) fn attached_service(&mut self, vpc: VpcId, id: ExternalId) -> Arrival {
        self.on_allow_list(self.network[id].allow_from.as_deref(), At::External(id))?;
        Ok(Place::Attached(id, vpc))
    }

    /// A public address outside every VPC. A database accepts there whom its authorised networks name and nobody else (Google Cloud SQL,
    /// "Authorize with authorized networks"); a load balancer accepts all.
    fn at_public_address(&mut self, id: EndpointId) -> Arrival {
        let endpoint = &self.network[id];
        if endpoint.kind == EndpointKind::Database {
            let database = self.network.description.databases.get(&endpoint.name);
            let listed =
                database.map(|database| &database.authorized_networks[..]).unwrap_or_default();
            let listed: Vec<Prefix> = listed.iter().map(|prefix| prefix.value).collect();
            self.on_allow_list(Some(&listed), At::Endpoint(id))?;
        }
        Ok(Place::Public(id))
    }

    /// From a site: over the link that is up and whose ranges on this side match best, into its VPC or its transit hub.
    fn start_at_site(&mut self, site: SiteId) -> Arrival {
        let links = (0..self.network.vpns.len()).map(VpnId::at);
        let up = links.filter(|&id| self.network[id].site == Some(site) && self.network[id].up);
        let fitting = up.filter_map(|id| {
            let local = self.network[id].local.iter().filter(|p| p.contains(self.packet.dst));
            Some((local.map(|prefix| prefix.length()).max()?, id))
        });
        let Some((_, link)) = fitting.max_by_key(|&(length, id)| (length, std::cmp::Reverse(id)))
        else {
            return blocked(Reason::NoLink, At::Site(site));
        };
        if let Some(vpc) = self.network[link].vpc {
            return self.local(vpc);
        }
        let hubs = (0..self.network.transits.len()).map(TransitId::at);
        match hubs.filter_map(|hub| self.attached_to(hub, Attached::Vpn(link))).next() {
            Some(attachment) => self.through_hub(attachment),
            None => blocked(Reason::NotAttached, At::Vpn(link)),
        }
    }

    /// From an outside service: into the VPCs that it is attached to; one that is not attached stands on the Internet.
    fn start_at_external(&mut self, id: ExternalId) -> Arrival {
        let external = &self.network[id];
        if external.attached.is_empty() {
            return self.internet();
        }
        if !external.initiates && self.answers.is_none() {
            return blocked(Reason::DoesNotInitiate, At::External(id));
        }
        let holds = |vpc: &&VpcId| {
            self.network[**vpc].cidrs.iter().any(|prefix| prefix.contains(self.packet.dst))
        };
        match external.attached.iter().find(holds) {
            Some(&vpc) => self.local(vpc),
            None => blocked(Reason::NoRoute, At::External(id)),
        }
    }

    /// From a serverless service. What its egress mode sends through the VPC leaves by its connector's interface, or its own in a subnet;
    /// all else leaves the platform directly, from an address that nobody can predict (Google Cloud, "Best practices for Cloud Run
    /// networking").
    fn start_at_service(&mut self, id: ServerlessId) -> Arrival {
        let service = &self.network[id];
        let dst = self.packet.dst;
        let through_vpc = match service.mode {
            EgressMode::None => false,
            EgressMode::PrivateRangesOnly => {
                service.facts.private_ranges.iter().any(|prefix| prefix.contains(dst))
            }
            EgressMode::AllTraffic => true,
        };
        if through_vpc {
            return match service.interface {
                Some(interface) => self.start_at_interface(interface),
                None if service.connector.is_some() => unknown(
                    "where its connector stands is not described".to_owned(),
                    At::Serverless(id),
                ),
                None => blocked(Reason::NoVpcAccess, At::Serverless(id)),
            };
        }
        let outside = unpredictable(self.packet.src);
        self.translate_source(Translator::Platform(id), At::Serverless(id), outside, false);
        self.internet()
    }
}
