//! What clients ask of leases that is not replicated: only a group's leader knows deadlines.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{InvalidRequest, Key, LeaseId, READ_KEYS_MAX};

/// How many leases one request may keep alive. A client with more sends several.
pub const KEEP_ALIVE_LEASES_MAX: usize = 1_000;

/// How many leases one page of a list holds.
pub const LEASE_LIST_MAX: usize = 10_000;

bounded_by!(leases_bound, KEEP_ALIVE_LEASES_MAX);
bounded_by!(list_bound, LEASE_LIST_MAX);
bounded_by!(keys_bound, READ_KEYS_MAX);

/// A request about leases, answered by the group's leader alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseRequest {
    /// Gives leases their whole TTL again.
    KeepAlive {
        /// The leases, at most [`KEEP_ALIVE_LEASES_MAX`].
        #[serde(with = "leases_bound")]
        leases: Vec<LeaseId>,
    },
    /// Asks how long a lease has left.
    TimeToLive {
        /// The lease.
        lease: LeaseId,
        /// Whether to name its keys too.
        with_keys: bool,
    },
    /// Lists leases by id, private ones left out.
    List {
        /// Only ids above this.
        after: LeaseId,
    },
}

impl LeaseRequest {
    /// Checks the limits.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        match self {
            Self::KeepAlive { leases } if leases.len() > KEEP_ALIVE_LEASES_MAX => {
                let (limit, count) = (KEEP_ALIVE_LEASES_MAX, leases.len());
                Err(InvalidRequest::limit("KEEP_ALIVE_LEASES_MAX", limit, count))
            }
            _ => Ok(()),
        }
    }
}

/// The answer to a [`LeaseRequest`], of the matching variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseResponse {
    /// To `KeepAlive`: for each lease the TTL that it has again, in milliseconds; `None` when there
    /// is no such lease (any more).
    KeptAlive(#[serde(with = "leases_bound")] Vec<Option<u64>>),
    /// To `TimeToLive`; `None` when there is no such lease.
    TimeToLive(Option<LeaseStatus>),
    /// To `List`.
    List {
        /// In order, at most [`LEASE_LIST_MAX`].
        #[serde(with = "list_bound")]
        leases: Vec<LeaseId>,
        /// Whether there are more.
        more: bool,
    },
}

/// How a lease is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// The lease.
    pub lease: LeaseId,
    /// What it was granted, in milliseconds.
    pub ttl_ms: u64,
    /// How long it has left unless it is kept alive, in milliseconds. 0: its end is being decided.
    /// After a change of leader it may be above the TTL.
    pub remaining_ms: u64,
    /// How many keys it has.
    pub keys_attached: u64,
    /// Its first keys in order, if they were asked for: at most [`READ_KEYS_MAX`] and
    /// [`crate::SCAN_BYTES_MAX`] bytes.
    #[serde(with = "keys_bound")]
    pub keys: Vec<Key>,
}
