//! Shortens a group's log once its state no longer needs it.

use std::time::Duration;

use aspen_core::{LogIndex, runtime};
use aspen_storage::StateError;

use crate::group::wait_metrics;
use crate::replica::Replica;

/// How long a flush of the state may take before the caller looks after other things.
const FLUSH_WAIT: Duration = Duration::from_secs(60);

/// A log that could not be shortened now.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PurgeError {
    #[error("the state was not flushed in time")]
    NotFlushed,
    #[error(transparent)]
    State(#[from] StateError),
    #[error("consensus has stopped: {0}")]
    Stopped(String),
}

/// Keeps a log that has grown too long within its bounds.
///
/// Up to twice the wished length it waits for the state machine to flush in its own time, in the
/// large transactions that suit it; beyond that it has the state flushed.
pub(crate) async fn keep_log_short(replica: &Replica) -> Result<(), PurgeError> {
    let (len_bytes, kept) = (replica.log.state().len_bytes, replica.options.log_bytes_kept);
    if len_bytes <= kept {
        return Ok(());
    }
    let Some(target) = purge_target(replica) else { return Ok(()) };
    if len_bytes > kept.saturating_mul(2) {
        return purge(replica, target, true).await;
    }
    let flushed = replica.state.flushed().position.map(|position| position.index);
    let purged = replica.log.state().purged.map(|(index, _)| index);
    match flushed.map(|flushed| flushed.min(target)) {
        Some(upto) if Some(upto) > purged => purge(replica, upto, false).await,
        _ => Ok(()),
    }
}

/// Three quarters of what is applied; the rest spares followers that lag a little a snapshot.
fn purge_target(replica: &Replica) -> Option<LogIndex> {
    let applied = replica.state.applied().position?.index.get();
    let first = replica.log.state().purged.map_or(0, |(index, _)| index.get() + 1);
    let count = (applied + 1).checked_sub(first)?;
    let gone = count - count / 4;
    (gone > 0).then(|| LogIndex::new(first + gone - 1))
}

/// Makes everything applied durable and purges the log up to there.
pub(crate) async fn shorten_log(replica: &Replica) -> Result<(), PurgeError> {
    match replica.state.applied().position {
        Some(position) => purge(replica, position.index, true).await,
        None => Ok(()),
    }
}

/// Purges the log up to `upto`, once consensus knows that the durable state covers it; `flush`
/// makes it so.
///
/// On a leader the purge itself may come a little later: entries that a follower is being sent stay
/// until it has them or until it turns out to be unreachable.
async fn purge(replica: &Replica, upto: LogIndex, flush: bool) -> Result<(), PurgeError> {
    if replica.metrics().snapshot < Some(upto) {
        if flush {
            // Here, not inside of consensus, which takes a failed flush for the end of the replica.
            let flushed = runtime::timeout(FLUSH_WAIT, replica.state.flush()).await;
            flushed.map_err(|_| PurgeError::NotFlushed)??;
        }
        replica.raft.trigger().snapshot().await.map_err(stopped)?;
        let flushed = wait_metrics(replica, FLUSH_WAIT, |metrics| metrics.snapshot >= Some(upto));
        flushed.await.map_err(|_| PurgeError::NotFlushed)?;
    }
    replica.raft.trigger().purge_log(upto.get()).await.map_err(stopped)
}

fn stopped(error: impl ToString) -> PurgeError {
    PurgeError::Stopped(error.to_string())
}
