//! Subnets that stand for more than themselves: what is in their ranges is elsewhere too.

use std::cmp::Reverse;

use netwright_model::network::{Network, SubnetId, VpcId};
use netwright_model::scalar::Prefix;

/// Subnets whose ranges overlap those of another VPC, of a site or of an outside service.
pub(super) fn overlapping(network: &Network) -> Vec<SubnetId> {
    let mut all: Vec<(Prefix, Option<VpcId>)> = Vec::new();
    for (index, vpc) in network.vpcs.iter().enumerate() {
        all.extend(vpc.cidrs.iter().map(|cidr| (*cidr, Some(VpcId::at(index)))));
    }
    for (index, subnet) in network.subnets.iter().enumerate() {
        let vpc = network[SubnetId::at(index)].vpc;
        all.extend(subnet.cidrs.iter().map(|cidr| (*cidr, Some(vpc))));
    }
    all.extend(network.sites.iter().flat_map(|site| &site.cidrs).map(|cidr| (*cidr, None)));
    let outside = network.externals.iter().flat_map(|row| &network[row.endpoint].prefixes);
    all.extend(outside.map(|prefix| (*prefix, None)));
    all.sort_by_key(|(prefix, _)| (prefix.first(), Reverse(prefix.last())));
    let ids = (0..network.subnets.len()).map(SubnetId::at);
    ids.filter(|id| {
        let subnet = &network[*id];
        let others = |(_, vpc): &(Prefix, Option<VpcId>)| *vpc != Some(subnet.vpc);
        subnet.cidrs.iter().any(|cidr| {
            // Prefixes are nested or apart: those inside begin inside, and those around are found by their beginnings.
            let from = all.partition_point(|(prefix, _)| prefix.first() < cidr.first());
            let inside = all[from..].iter().take_while(|(prefix, _)| prefix.first() <= cidr.last());
            let mut inside = inside.filter(|(prefix, _)| prefix.is_v4() == cidr.is_v4());
            let mut around = (0..cidr.length()).map(|bits| Prefix::of(cidr.first(), bits));
            inside.any(others)
                || around.any(|wide| {
                    let from = all.partition_point(|(prefix, _)| {
                        (prefix.first(), Reverse(prefix.last()))
                            < (wide.first(), Reverse(wide.last()))
                    });
                    let mut same = all[from..].iter().take_while(|(prefix, _)| *prefix == wide);
                    same.any(others)
                })
        })
    })
    .collect()
}
