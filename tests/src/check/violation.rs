//! A broken promise.

use serde::{Deserialize, Serialize};

/// What a checker found: which promise was broken, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// The promise, as a checker names it.
    pub invariant: String,
    /// The evidence, for a person; several lines where it takes them.
    pub detail: String,
}

impl Violation {
    /// A violation of `invariant`, shown by `detail`.
    pub fn new(invariant: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { invariant: invariant.into(), detail: detail.into() }
    }
}
