//! DNS zones and certificates.

use crate::source::Spanned;

crate::keyword! {
    /// Type of a DNS record.
    pub enum RecordType {
        /// IPv4 address.
        #[default] A = "A" | "a",
        /// IPv6 address.
        Aaaa = "AAAA" | "aaaa",
        /// Alias.
        Cname = "CNAME" | "cname",
        /// Name server of a delegated zone.
        Ns = "NS" | "ns",
        /// Text.
        Txt = "TXT" | "txt",
        /// Mail exchange.
        Mx = "MX" | "mx",
        /// Service location.
        Srv = "SRV" | "srv",
        /// Pointer.
        Ptr = "PTR" | "ptr",
    }
}

crate::object! {
    /// A DNS zone.
    pub struct DnsZone {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// The zone's name; the map's key unless given.
        pub domain ("name") : Option<Spanned<String>>,
        /// VPCs that see the zone. A zone that no VPC is named for is public.
        pub vpcs: Vec<Spanned<String>>,
        /// Queries for the zone go to these servers instead.
        pub forward_to: Vec<Spanned<std::net::IpAddr>>,
        /// The records.
        pub records: Vec<DnsRecord>,
    }
}

crate::object! {
    /// A DNS record set.
    pub struct DnsRecord {
        /// Owner name, relative to the zone unless it ends in a dot; `@` is the zone itself.
        pub name: Spanned<String>,
        /// Type. `A` or `AAAA` by the first value unless given; `CNAME` where the value is a name.
        pub r#type: Option<Spanned<RecordType>>,
        /// Values: addresses, or names (relative to the zone unless they end in a dot).
        pub values ("value") : Vec<Spanned<String>>,
        /// Time to live in seconds.
        pub ttl: Option<Spanned<u32>>,
    }
}

crate::object! {
    /// A certificate: only what it covers. Keys do not belong here.
    pub struct Certificate {
        /// Identifier in the provider's export.
        pub id: Option<Spanned<String>>,
        /// Names that it covers; `*.example.com` covers one label.
        pub names ("name", "domains") : Vec<Spanned<String>>,
        /// Last day of validity, as `YYYY-MM-DD`.
        pub expires: Option<Spanned<String>>,
        /// Status as the provider shows it.
        pub status: Option<Spanned<String>>,
        /// Issued and renewed by the provider.
        pub managed: Option<Spanned<bool>>,
    }
}
