//! Leases as their users see them.

use async_trait::async_trait;

use crate::{LeaseId, LeaseStatus, ReadError, Revision, WriteError};

/// A lease that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseGrant {
    /// Its id: the one that was chosen, or drawn.
    pub lease: LeaseId,
    /// Its TTL, in milliseconds.
    pub ttl_ms: u64,
}

/// A lease that was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRevocation {
    /// The group's revision after it; the revision of the deletions when there were any keys.
    pub revision: Revision,
    /// How many keys were deleted.
    pub keys: u64,
}

/// A store with leases. In memory, embedded in a node or behind a remote cluster, the semantics and
/// limits are the same.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Grants a lease, exactly once: with the id given, or with one drawn by the leader.
    ///
    /// The TTL runs from some moment between this call and its answer: a holder counts from the
    /// call.
    ///
    /// # Errors
    /// [`crate::Rejection::LeaseExists`], [`crate::Rejection::TooManyLeases`], `Invalid` for a TTL
    /// or id out of bounds; see [`WriteError`].
    async fn grant(&self, lease: Option<LeaseId>, ttl_ms: u64) -> Result<LeaseGrant, WriteError>;

    /// Gives leases their whole TTL again, counted from some moment between this call and its
    /// answer. Answers the TTL of each in the same order, in milliseconds; `None` for a lease that
    /// has ended.
    ///
    /// # Errors
    /// See [`ReadError`]; on any, some of the leases may have been kept alive.
    async fn keep_alive(&self, leases: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError>;

    /// Ends a lease and deletes its keys, exactly once and at one revision.
    ///
    /// # Errors
    /// [`crate::Rejection::NoSuchLease`]; see [`WriteError`].
    async fn revoke(&self, lease: LeaseId) -> Result<LeaseRevocation, WriteError>;

    /// How long a lease has left, and its keys if they are wanted; `None` when there is none.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn time_to_live(
        &self,
        lease: LeaseId,
        with_keys: bool,
    ) -> Result<Option<LeaseStatus>, ReadError>;

    /// All leases by id, but private ones.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn list(&self) -> Result<Vec<LeaseId>, ReadError>;
}
