//! Pins: revisions that stay readable, however far history is compacted around them.
//!
//! * A **pin** keeps one revision of a group readable for as long as a lease is in force: it is
//!   granted to a lease, kept with it, and ends when the lease is revoked or expires.
//! * The **horizon moves on** as if there were no pins. Below it, of every key only the version
//!   that is visible at a pinned revision stays; reads at exactly that revision succeed, reads at
//!   any other below the horizon are [`crate::ReadError::Compacted`]. Watches and read conflicts
//!   need every change since a revision, so for them the horizon alone counts.
//! * A revision below the horizon can be pinned only while another pin holds it.

use async_trait::async_trait;

use crate::{LeaseId, Leases, Revision, WriteError};

/// How many pins a group has at most; one lease may have several. Each can keep a version of every
/// key alive that the horizon would let go, and each flush and compaction looks at all of them;
/// fewer would refuse long reads that come together.
pub const PIN_COUNT_MAX: usize = 256;

/// A store that keeps revisions readable. In memory, embedded in a node or behind a remote cluster,
/// the semantics and limits are the same.
#[async_trait]
pub trait Pins: Leases {
    /// Keeps a revision readable while a lease is in force: the one named, or the newest, which
    /// then includes every write acknowledged before the call. Answers the revision. Pinning it
    /// again to the same lease changes nothing.
    ///
    /// # Errors
    /// [`crate::Rejection::NoSuchLease`]; [`crate::Rejection::Compacted`] below the horizon, unless
    /// the revision is pinned already; [`crate::Rejection::FutureRevision`];
    /// [`crate::Rejection::TooManyPins`]; see [`WriteError`].
    async fn pin(&self, lease: LeaseId, revision: Option<Revision>)
    -> Result<Revision, WriteError>;
}
