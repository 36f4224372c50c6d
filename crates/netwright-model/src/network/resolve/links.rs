//! What is said of links: whether it contradicts itself.

use crate::language::Link;
use crate::language::link::contradiction;

use super::context::Resolver;

impl Resolver<'_> {
    /// Tells every link whose description contradicts itself.
    pub(super) fn links(&mut self) {
        let description = self.description;
        let instances = description.instances.iter().flat_map(|(_, instance)| {
            let further = instance.interfaces.iter().map(|(_, interface)| &interface.link);
            further.chain([&instance.link])
        });
        let subnets = description.vpcs.iter().flat_map(|(_, vpc)| vpc.subnets.iter());
        let attachments = description.transits.iter().flat_map(|(_, hub)| hub.attachments.iter());
        let all: Vec<&Link> = instances
            .chain(subnets.map(|(_, subnet)| &subnet.link))
            .chain(attachments.map(|(_, attachment)| &attachment.link))
            .chain(description.peerings.iter().map(|(_, peering)| &peering.link))
            .chain(description.vpns.iter().map(|(_, vpn)| &vpn.link))
            .chain(description.sites.iter().map(|(_, site)| &site.link))
            .chain(description.externals.iter().map(|(_, external)| &external.link))
            .chain(description.connectors.iter().map(|(_, connector)| &connector.link))
            .collect();
        for link in all {
            self.link(link);
        }
    }

    fn link(&mut self, link: &Link) {
        for back in [false, true] {
            let way = link.way(back);
            let wrong = contradiction(
                (
                    way.latency.map(|latency| latency.value).unwrap_or_default(),
                    way.jitter.map(|jitter| jitter.value).unwrap_or_default(),
                ),
                way.reorder.map(|reorder| reorder.value).unwrap_or_default(),
                way.rate.map(|rate| rate.value),
                way.limit.map(|limit| limit.value),
            );
            if let Some((message, help)) = wrong {
                self.error(*link.span, message, Some(help.to_owned()));
                // Once, where both ways are the same.
                return;
            }
        }
    }
}
