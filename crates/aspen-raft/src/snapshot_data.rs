//! What stands for a snapshot between openraft and the state machine.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use aspen_storage::{AppliedState, SnapshotFile, StateError, StateMachine};

use crate::types::{LogId, SnapshotMeta};
use crate::wire::{self, Malformed};

/// A snapshot's content: promised or received.
pub(crate) enum SnapshotData {
    /// The state of this node. The file is built when someone needs it, so that the log can be
    /// purged again and again without writing one.
    Local(Arc<dyn StateMachine>),
    /// A complete file received from the leader.
    Received(ReceivedFile),
}

impl fmt::Debug for SnapshotData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(_) => f.write_str("Local"),
            Self::Received(file) => write!(f, "Received({})", file.0.display()),
        }
    }
}

/// A received file; it is removed when it is dropped, whether it was installed or not.
pub(crate) struct ReceivedFile(pub(crate) PathBuf);

impl Drop for ReceivedFile {
    fn drop(&mut self) {
        // Installing may have moved it away; a leftover is also removed at the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A snapshot file that covers at least `least`: the newest one there is, else a new one.
pub(crate) async fn file_covering(
    state: &dyn StateMachine,
    least: Option<LogId>,
) -> Result<SnapshotFile, StateError> {
    let covers = |file: &SnapshotFile| {
        let index = file.applied.position.as_ref().map(|position| position.index.get());
        index >= least.map(|id| id.index)
    };
    match state.latest_snapshot().await? {
        Some(file) if covers(&file) => Ok(file),
        _ => state.build_snapshot().await,
    }
}

/// What a snapshot at this state covers.
pub(crate) fn meta_of(applied: &AppliedState) -> Result<SnapshotMeta, Malformed> {
    Ok(SnapshotMeta {
        last_log_id: applied.position.as_ref().map(wire::from_position).transpose()?,
        last_membership: wire::stored_membership(applied.membership.as_ref())?,
    })
}
