//! Endpoints as people name them on the command line.

use netwright_model::language::EndpointRef;
use netwright_model::network::Network;
use netwright_model::scalar::Scalar;
use netwright_verify::ask::{Point, points};

use crate::failure::Failure;

/// The points that a text stands for.
pub(crate) fn find(network: &Network, text: &str) -> Result<Vec<Point>, Failure> {
    let reference =
        EndpointRef::parse_scalar(text).map_err(|e| Failure::usage(e.message, e.help))?;
    points(network, &reference).map_err(|missing| Failure::usage(missing.message, missing.help))
}
