//! Revisions: a group's clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of changes a group has applied; a transaction that changes anything is one revision.
///
/// 0 means "before any change": an absent key has `mod_revision` 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// Before any change.
    pub const ZERO: Self = Self(0);

    /// What a reply over several shards carries in place of a revision, since they have none in
    /// common. No group ever reaches it, so that reading at it is refused as in the future.
    pub const OF_SEVERAL_SHARDS: Self = Self(1 << 62);

    /// Wraps the raw number.
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The revision of the next change.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
