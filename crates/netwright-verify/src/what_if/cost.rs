//! What NAT gateways cost, by the price model of Cloud NAT.

use netwright_model::language::Provider;
use netwright_model::network::Network;

/// Hours of a month, as providers count them.
const HOURS: f64 = 730.0;
/// Dollars an hour for each client machine (Cloud NAT, "Pricing").
const PER_CLIENT: f64 = 0.0014;
/// Most dollars an hour for all clients of a gateway, however many there are.
const MOST_FOR_CLIENTS: f64 = 0.044;
/// Dollars an hour for each address.
const PER_ADDRESS: f64 = 0.005;

/// An estimate in dollars a month, without the charge for data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Dollars a month; none where no price model is known for a gateway's provider.
    pub dollars: Option<f64>,
    /// Gateways counted.
    pub gateways: usize,
}

impl Cost {
    /// Cents a month; none where no price model is known.
    #[must_use]
    pub fn cents(self) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cost is not negative, and far below the largest number"
        )]
        self.dollars.map(|dollars| (dollars * 100.0).round() as u64)
    }
}

/// The estimated monthly cost of a network's NAT gateways. Data is charged beside it ($0.045 a GiB).
#[must_use]
pub fn monthly(network: &Network) -> Cost {
    let mut dollars = Some(0.0);
    for nat in &network.nats {
        let provider = nat.vpc.map(|vpc| network[vpc].provider);
        if provider != Some(Provider::Gcp) {
            dollars = None;
            continue;
        }
        let clients = f64::from(clients(network, nat));
        let addresses = u32::try_from(nat.addresses.len().max(1)).unwrap_or(u32::MAX);
        let hourly =
            (clients * PER_CLIENT).min(MOST_FOR_CLIENTS) + f64::from(addresses) * PER_ADDRESS;
        dollars = dollars.map(|sum| sum + hourly * HOURS);
    }
    Cost { dollars, gateways: network.nats.len() }
}

/// Machines in the subnets that a gateway serves; a connector counts with the most instances it may have.
fn clients(network: &Network, nat: &netwright_model::network::Nat) -> u32 {
    let id = network.nats.iter().position(|other| other.endpoint == nat.endpoint);
    let serves = |interface: &&netwright_model::network::Interface| {
        network[interface.subnet].nat.map(netwright_model::network::NatId::index) == id
            && interface.public.is_empty()
    };
    network
        .interfaces
        .iter()
        .filter(serves)
        .map(|interface| {
            let connector = network.description.connectors.get(&network[interface.owner].name);
            connector.and_then(|c| c.max_instances.as_ref()).map_or(1, |most| most.value)
        })
        .sum()
}
