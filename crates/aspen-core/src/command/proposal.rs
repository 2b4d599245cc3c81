//! What one log entry carries.

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{ClientId, Revision, SessionStamp, Transaction};

/// How many proposals one log entry may carry. Leaders gather far fewer; it bounds what an entry
/// can cost those who decode it.
pub const BATCH_PROPOSALS_MAX: usize = 16 * 1024;

bounded_by!(proposals_bound, BATCH_PROPOSALS_MAX);

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
