//! How large the packets of a question may be, and what becomes of larger ones, as the prover says it.

use netwright_model::network::Network;
use netwright_verify::mtu::path::{Larger, PathMtu, of};
use netwright_verify::prover::path::{Arrival, End, Object, Step};
use netwright_verify::trace::Trace;

/// What is expected of the size of TCP's packets in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The kernel finds exactly this size, in octets.
    Exactly(u32),
    /// Full packets are larger and are lost in silence: the transfer stops.
    Stops,
    /// The description does not say enough.
    NotSaid,
}

/// The largest packets of both directions.
pub(super) struct Sizes {
    there: PathMtu,
    back: PathMtu,
}

impl Sizes {
    pub(super) fn of(network: &Network, trace: &Trace) -> Option<Self> {
        let back = trace.back.as_ref()?;
        if is_reached_twice(network, trace) {
            return None;
        }
        Some(Self { there: of(network, &trace.forward.path), back: of(network, &back.path) })
    }

    /// What is expected of TCP there, and of its answers.
    pub(super) fn transfer(&self) -> (Fit, Fit) {
        (fit(&self.there, &self.back), fit(&self.back, &self.there))
    }

    /// The largest packet of each direction, where it is known.
    pub(super) fn octets(&self) -> Option<(u32, u32)> {
        Some((self.there.octets?, self.back.octets?))
    }

    /// Why nothing larger arrives.
    pub(super) fn limit(&self) -> String {
        let PathMtu { octets, at, .. } = &self.there;
        octets.map_or_else(String::new, |octets| format!("{at} carries {octets} octets"))
    }

    /// Why no larger answer arrives.
    pub(super) fn limit_back(&self) -> String {
        let PathMtu { octets, at, .. } = &self.back;
        octets.map_or_else(String::new, |octets| format!("{at} carries {octets} octets back"))
    }
}

/// TCP sends no segment that is larger than its own network or than the far end's carries.
fn fit(way: &PathMtu, other: &PathMtu) -> Fit {
    let (Some(octets), Some(own), Some(far)) = (way.octets, way.own, other.own) else {
        return Fit::NotSaid;
    };
    let sent = own.min(far);
    if sent <= octets {
        return Fit::Exactly(sent);
    }
    match way.larger {
        Larger::Told | Larger::OnlyTcpFits => Fit::Exactly(octets),
        Larger::Lost => Fit::Stops,
        Larger::Unknown => Fit::NotSaid,
    }
}

/// Whether a flow reaches, by a route of its VPC, an outside service that also stands on the Internet: the service's own network is the
/// Internet's, and what it says of sizes is not what this way carries.
fn is_reached_twice(network: &Network, trace: &Trace) -> bool {
    let End::Delivered(Arrival::Endpoint(end)) = trace.forward.path.end else { return false };
    let mut steps = trace.forward.path.steps.iter();
    let over_internet = steps.any(|step| *step == Step::At(Object::Internet));
    let mut externals = network.externals.iter();
    !over_internet && externals.any(|row| row.endpoint == end && row.attached.is_empty())
}
