//! Tunnels: what fits into them, and what happens to what does not.

use netwright_model::network::Network;

use super::Report;
use crate::mtu::path::fits;
use crate::mtu::segment;

pub(super) fn check(network: &Network, report: &mut Report) {
    for vpn in &network.vpns {
        tunnel(network, vpn.index, report);
    }
}

fn tunnel(network: &Network, index: usize, report: &mut Report) {
    let Some((name, written)) = network.description.vpns.0.get(index) else { return };
    let Some(fits) = fits(written) else { return };
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
