//! Numbers by which a resource tells an old holder from a new one.

use aspen_core::Revision;

/// A number that only grows from one holder of a primitive to the next: the revision at which its
/// key came into being.
///
/// Send it along with every request to what is protected, which refuses any that is lower than the
/// highest it has seen. Then a holder that was paused, and does not know that another has taken
/// over, does no harm (Kleppmann, "How to do distributed locking", 2016). Tokens of different
/// primitives are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(Revision);

impl FencingToken {
    /// The token of a key that came into being at a revision.
    pub const fn new(revision: Revision) -> Self {
        Self(revision)
    }

    /// The revision.
    pub const fn revision(self) -> Revision {
        self.0
    }

    /// The raw number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl std::fmt::Display for FencingToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
