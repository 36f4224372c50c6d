//! Prefixes of a plan as text.

use netwright_model::scalar::{Prefix, Scalar};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(prefix: &Prefix, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(prefix)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Prefix, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    Prefix::parse_scalar(&text).map_err(D::Error::custom)
}
