//! A group that cannot be opened.

use aspen_core::GroupId;

/// Why [`crate::RaftHost::open_group`] failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The group is open already.
    #[error("{0} is open already")]
    AlreadyOpen(GroupId),
    /// The host is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// The settings cannot work.
    #[error("invalid settings: {0}")]
    Options(#[from] crate::InvalidOptions),
    /// Log and state machine cannot be read or contradict each other.
    #[error("{group} cannot start from its stored state: {detail}")]
    Storage {
        /// The group.
        group: GroupId,
        /// What is wrong.
        detail: String,
    },
}
