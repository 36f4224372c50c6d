//! Tunnels: what fits into them, and what happens to what does not.

use netwright_model::language::{AddressFamily, VpnKind};
use netwright_model::network::Network;

use super::Report;
use crate::mtu::{Suite, esp, gre, segment, wireguard};

pub(super) fn check(network: &Network, report: &mut Report) {
    for vpn in &network.vpns {
        tunnel(network, vpn.index, report);
    }
}

fn tunnel(network: &Network, index: usize, report: &mut Report) {
    let Some((name, written)) = network.description.vpns.0.get(index) else { return };
    let kind = written.kind.as_ref().map(|kind| kind.value).unwrap_or_default();
    let underlay = written.underlay_mtu.as_ref().map_or(1500, |mtu| mtu.value);
    let v6 = written.underlay.as_ref().is_some_and(|family| family.value == AddressFamily::V6);
    let traversal = written.nat_traversal.as_ref().is_some_and(|yes| yes.value);
    let fits = match kind {
        VpnKind::Ipsec => {
            let suite = written.suite.as_ref().and_then(|suite| Suite::named(&suite.value));
            suite.map(|suite| esp(suite, underlay, traversal, v6))
        }
        VpnKind::Wireguard => Some(wireguard(underlay, v6)),
        VpnKind::Gre => Some(gre(underlay, v6)),
        VpnKind::Dedicated => None,
    };
    let Some(fits) = fits else { return };
    if let Some(set) = &written.mtu
        && set.value > fits
    {
        let message = format!(
            "tunnel {} is set to an MTU of {}, and packets of more than {fits} octets do not fit",
            name.value, set.value
        );
        report.add(
            "NW-MTU-001",
            set.span,
            message,
            format!("set it to {fits}, and clamp TCP segments to {}", segment(fits, false)),
        );
    }
    let no = |flag: &Option<netwright_model::source::Spanned<bool>>| {
        flag.as_ref().is_some_and(|flag| !flag.value)
    };
    if no(&written.mss_clamp) && no(&written.icmp_too_big) {
        let message = format!(
            "tunnel {} drops packets of more than {fits} octets in silence: segments are not clamped and senders are not told",
            name.value
        );
        report.add(
            "NW-MTU-002",
            name.span,
            message,
            format!("clamp TCP segments to {}, or let ICMP \"too big\" pass", segment(fits, false)),
        );
    }
}
