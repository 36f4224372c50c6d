//! What a document is, by its content.

use netwright_model::tree::Node;

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Netwright's own description.
    Netwright,
    /// Amazon Web Services: what the `describe-…` calls answer.
    Aws,
    /// Google Cloud: what `gcloud … list --format=json` and the APIs' lists answer.
    Gcp,
    /// IBM Cloud VPC: objects of its API, one account in a file.
    Ibm,
}

impl Format {
    /// A name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Netwright => "Netwright description",
            Self::Aws => "AWS export",
            Self::Gcp => "Google Cloud export",
            Self::Ibm => "IBM Cloud VPC export",
        }
    }
}

/// The format of a document; `None` where nothing tells.
pub(crate) fn format(root: &Node) -> Option<Format> {
    if crate::aws::recognises(root) {
        return Some(Format::Aws);
    }
    if crate::gcp::recognises(root) {
        return Some(Format::Gcp);
    }
    if crate::ibm::recognises(root) {
        return Some(Format::Ibm);
    }
    None
}
