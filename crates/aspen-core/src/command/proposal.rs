//! What one log entry carries.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{ClientId, EXPIRE_LEASES_MAX, LeaseId, Revision, SessionStamp, Transaction};

/// How many proposals one log entry may carry. Leaders gather far fewer; it bounds what an entry
/// can cost those who decode it.
pub const BATCH_PROPOSALS_MAX: usize = 16 * 1024;

bounded_by!(proposals_bound, BATCH_PROPOSALS_MAX);
bounded_by!(leases_bound, EXPIRE_LEASES_MAX);

/// Something a group does by agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A transaction.
    Transaction(Transaction),
    /// Opens a session, or keeps one that is open.
    OpenSession {
        /// The client's identity.
        client: ClientId,
    },
    /// Forgets history below a revision; reads there answer `Compacted`.
    Compact {
        /// The oldest revision that stays readable.
        horizon: Revision,
    },
    /// Grants a lease.
    GrantLease {
        /// Its id. [`LeaseId::UNCHOSEN`] until the leader has drawn one, which it does before the
        /// command is replicated.
        lease: LeaseId,
        /// Its time to live, in milliseconds.
        ttl_ms: u64,
    },
    /// Ends a lease and deletes its keys.
    RevokeLease {
        /// The lease.
        lease: LeaseId,
    },
    /// Ends leases whose time is over, as the leader's clock has decided, and deletes their keys.
    ExpireLeases {
        /// The leases, at most [`EXPIRE_LEASES_MAX`]. They end in this order, as far as their keys
        /// fit [`crate::DELETE_RANGE_KEYS_MAX`]; those that have ended already are passed over.
        #[serde(with = "leases_bound")]
        leases: Vec<ExpiringLease>,
    },
    /// Keeps a revision readable while a lease is in force; see [`crate::Pins`].
    PinRevision {
        /// The lease.
        lease: LeaseId,
        /// The revision; `None` for the newest when the command is applied.
        revision: Option<Revision>,
    },
}

/// A lease whose time is over. An id may be granted again once its lease has ended, and that lease
/// must not end in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiringLease {
    /// The lease.
    pub lease: LeaseId,
    /// Which of the group's grants made it.
    pub grant: u64,
}

/// One command with the session that makes it apply once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Who sent it; `None` for the store's own commands.
    pub session: Option<SessionStamp>,
    /// What to do.
    pub command: Command,
}

/// The payload of one log entry: proposals that waited together share one entry, so that Raft's
/// cost per entry is paid once for all of them. They are applied in order, each atomic by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalBatch {
    /// The leader's wall clock when it proposed, in Unix milliseconds. `apply` knows no other
    /// clock, and lets it never run backwards.
    pub time_ms: u64,
    /// The proposals, at most [`BATCH_PROPOSALS_MAX`].
    #[serde(with = "proposals_bound")]
    pub proposals: Vec<Proposal>,
}
