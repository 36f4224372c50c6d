//! The largest packet that fits into a tunnel.

pub mod path;

/// A cipher suite of ESP, by what it adds to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Initialisation vector in octets.
    iv: u32,
    /// Integrity check value in octets.
    icv: u32,
    /// What the encrypted part is padded to.
    align: u32,
}

impl Suite {
    /// The suite of a name such as `aes-gcm-16`, `aes-cbc-sha256`, `chacha20`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace(['_', ' '], "-");
        let counter = |icv| Some(Self { iv: 8, icv, align: 4 });
        if name.contains("gcm") || name.contains("ccm") {
            let icv = if name.ends_with("-12") || name.ends_with("gcm12") {
                12
            } else if name.ends_with("-8") || name.ends_with("gcm8") {
                8
            } else {
                16
            };
            return counter(icv);
        }
        if name.contains("chacha20") {
            return counter(16);
        }
        let icv = if name.contains("512") {
            32
        } else if name.contains("384") {
            24
        } else if name.contains("256") && name.contains("sha") {
            16
        } else if name.contains("sha1") || name.contains("sha-1") {
            12
        } else {
            return None;
        };
        if name.contains("ctr") {
            return counter(icv);
        }
        name.contains("cbc").then_some(Self { iv: 16, icv, align: 16 })
    }
}

/// Octets of an outer header.
const fn outer(v6: bool) -> u32 {
    if v6 { 40 } else { 20 }
}

/// The largest inner packet of an ESP tunnel: what the outer packet leaves after its header, UDP when NAT is traversed, ESP's own eight
/// octets, vector and check value, cut to the padding, less two octets of trailer (RFC 4303).
#[must_use]
pub fn esp(suite: Suite, underlay: u32, nat_traversal: bool, v6: bool) -> u32 {
    let udp = if nat_traversal { 8 } else { 0 };
    let room = underlay.saturating_sub(outer(v6) + udp + 8 + suite.iv + suite.icv);
    (room / suite.align * suite.align).saturating_sub(2)
}

/// The largest inner packet of a `WireGuard` tunnel: 60 octets over IPv4, 80 over IPv6.
#[must_use]
pub fn wireguard(underlay: u32, v6: bool) -> u32 {
    underlay.saturating_sub(outer(v6) + 40)
}

/// The largest inner packet of a GRE tunnel without key: 24 octets over IPv4, 44 over IPv6.
#[must_use]
pub fn gre(underlay: u32, v6: bool) -> u32 {
    underlay.saturating_sub(outer(v6) + 4)
}

/// The largest TCP segment for a packet size: without the headers of IP and TCP.
#[must_use]
pub fn segment(mtu: u32, v6: bool) -> u32 {
    mtu.saturating_sub(outer(v6) + 20)
}

#[cfg(test)]
mod tests {
    use super::{Suite, esp, gre, segment, wireguard};

    #[test]
    fn esp_equals_the_published_table() {
        // suite, over IPv4 1500, with NAT traversal, with NAT traversal over IPv6: AWS publishes the first two columns.
        let table = [
            ("aes-gcm-16", 1446, 1438, 1418),
            ("aes-cbc-sha1", 1438, 1422, 1406),
            ("aes-cbc-sha256", 1438, 1422, 1406),
            ("aes-cbc-sha384", 1422, 1422, 1390),
            ("aes-cbc-sha512", 1422, 1406, 1390),
        ];
        for (name, raw, traversed, v6) in table {
            let suite = Suite::named(name).unwrap();
            assert_eq!(esp(suite, 1500, false, false), raw, "{name}");
            assert_eq!(esp(suite, 1500, true, false), traversed, "{name}");
            assert_eq!(esp(suite, 1500, true, true), v6, "{name}");
        }
        let gcm = Suite::named("aes-gcm-16").unwrap();
        assert_eq!((esp(gcm, 1460, false, false), esp(gcm, 1460, true, false)), (1406, 1398));
        for (name, size) in [
            ("aes-gcm-12", 1442),
            ("aes-gcm-8", 1446),
            ("chacha20-poly1305", 1438),
            ("aes-ctr-sha256", 1438),
        ] {
            assert_eq!(esp(Suite::named(name).unwrap(), 1500, true, false), size, "{name}");
        }
    }

    #[test]
    fn other_tunnels_take_fixed_octets() {
        assert_eq!((wireguard(1500, false), wireguard(1500, true)), (1440, 1420));
        assert_eq!((gre(1500, false), gre(1500, true)), (1476, 1456));
        assert_eq!((segment(1500, false), segment(1500, true)), (1460, 1440));
    }
}
