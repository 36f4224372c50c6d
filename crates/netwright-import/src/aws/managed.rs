//! Search domains and functions inside a VPC: interfaces that the provider holds on somebody's behalf.

use netwright_model::decode::Entries;
use netwright_model::language::{Instance, InstanceKind, Interface};
use netwright_model::source::Spanned;
use netwright_model::tree::Node;

use crate::access::Access;

use super::Import;
use super::export::key;

impl Import<'_> {
    pub(super) fn managed(&mut self) {
        for node in self.export.all("DomainStatusList") {
            let (Some(id), Some(name)) = (node.text("DomainId"), node.word("DomainName")) else {
                self.gap("domain:?", "a domain without DomainId was left out", node.span, true);
                continue;
            };
            let described = [format!("ES {name}"), format!("OpenSearch {name}")];
            self.held(node, "DomainStatusList", &id, node.get("VPCOptions"), |text| {
                described.iter().any(|own| text == own)
            });
        }
        for node in self.export.all("Functions") {
            let Some(id) = node.text("FunctionName") else {
                let what = "a function without FunctionName was left out";
                self.gap("function:?", what, node.span, true);
                continue;
            };
            // Functions with the same subnets and groups share interfaces: the first one takes them.
            let described = format!("AWS Lambda VPC ENI-{}", id.value);
            let with_suffix = format!("{described}-");
            self.held(node, "Functions", &id, node.get("VpcConfig"), |text| {
                text == described || text.starts_with(&with_suffix)
            });
        }
    }

    /// Something with interfaces in a list of subnets: those of the export, otherwise one for each subnet.
    fn held(
        &mut self,
        node: &Node,
        section: &str,
        id: &Spanned<String>,
        place: Option<&Node>,
        described: impl Fn(&str) -> bool,
    ) {
        let place = place.filter(|place| !place.list("SubnetIds").is_empty());
        let Some(place) = place else {
            self.notes.push(format!("{} is in no VPC and was left out", id.value));
            return;
        };
        let name = self.names.or_id(section, &id.value).to_owned();
        let object = format!("instance:{name}");
        let mut interfaces = self.claimed(described);
        if interfaces.is_empty() {
            let filters = self.groups(place, "SecurityGroupIds", &name);
            for subnet in place.list("SubnetIds") {
                let own = subnet.as_str().and_then(|id| Some((id, self.names.subnet(id)?)));
                let Some((label, subnet_name)) = own else {
                    self.gap(&object, "a subnet is not in the export", subnet.span, true);
                    continue;
                };
                let made = Interface {
                    subnet: Some(Spanned::new(subnet_name, subnet.span)),
                    filters: filters.clone(),
                    span: subnet.span.into(),
                    ..Interface::default()
                };
                interfaces.push((Spanned::new(label.to_owned(), subnet.span), made));
            }
            if !interfaces.is_empty() {
                let what = "the export does not give its addresses; the lowest free ones of its subnets stand for them";
                self.gap(&object, what, node.span, false);
            }
        }
        if interfaces.is_empty() {
            return;
        }
        let row = Instance {
            id: Some(id.clone()),
            kind: Some(Spanned::bare(InstanceKind::ManagedInterface)),
            interfaces: Entries(interfaces),
            span: node.span.into(),
            ..Instance::default()
        };
        let label = match self.description.instances.get(&name) {
            Some(_) => format!("{name}-{}", section.to_ascii_lowercase()),
            None => name,
        };
        self.description.instances.push((key(&label, node), row));
    }
}
