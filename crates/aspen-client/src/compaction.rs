//! Forgetting history on request.

use std::sync::Arc;

use aspen_core::{Command, Reply, Revision, WriteError, WriteFailure};

use crate::deadline::Deadline;
use crate::propose::Proposing;
use crate::shared::{Shared, group_for};

impl Shared {
    /// Forgets history below a revision. Doing it twice is doing it once, so it needs no session.
    pub(crate) async fn compact(
        self: &Arc<Self>,
        horizon: Revision,
    ) -> Result<Revision, WriteError> {
        let deadline = Deadline::after(self.options.request_timeout());
        let command = Command::Compact { horizon };
        let answer = Proposing::new(self, group_for(), None, command, deadline).run().await?;
        match answer.reply {
            Reply::Compacted { horizon } => Ok(horizon),
            Reply::Rejected(rejection) => Err(WriteError::not_applied(rejection)),
            other => {
                let bug = WriteFailure::Bug(format!("a compaction answered {other:?}"));
                Err(WriteError::maybe_applied(bug))
            }
        }
    }
}
