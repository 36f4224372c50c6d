//! Typed indices into the tables of a [`Network`](super::Network).

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident => $table:ident : $row:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            /// The position in its table.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The id of a table's row by position.
            #[must_use]
            pub fn at(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }
        }

        impl std::ops::Index<$name> for super::Network {
            type Output = super::$row;
            fn index(&self, id: $name) -> &super::$row {
                &self.$table[id.index()]
            }
        }
    )+};
}

ids! {
    /// A VPC.
    VpcId => vpcs: Vpc,
    /// A subnet.
    SubnetId => subnets: Subnet,
    /// A route table of a VPC.
    RouteTableId => route_tables: RouteTable,
    /// A filter.
    FilterId => filters: Filter,
    /// An interface.
    InterfaceId => interfaces: Interface,
    /// An endpoint.
    EndpointId => endpoints: Endpoint,
    /// An internet gateway.
    GatewayId => gateways: Gateway,
    /// A NAT gateway.
    NatId => nats: Nat,
    /// A peering.
    PeeringId => peerings: Peering,
    /// A VPN or dedicated link.
    VpnId => vpns: Vpn,
    /// A site.
    SiteId => sites: Site,
    /// A transit hub.
    TransitId => transits: Transit,
    /// A route table of a transit hub.
    TransitTableId => transit_tables: TransitTable,
    /// An attachment of a transit hub.
    AttachmentId => attachments: Attachment,
    /// An outside service.
    ExternalId => externals: External,
    /// A connector.
    ConnectorId => connectors: Connector,
    /// A serverless service.
    ServerlessId => serverless: Serverless,
    /// A load balancer.
    LoadBalancerId => load_balancers: LoadBalancer,
}
