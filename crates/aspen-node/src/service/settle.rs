//! Waits until a change of a group's members has happened for certain.
//!
//! A replica's metrics show the members of its own log. A replica that lags shows those of the
//! past, one that has just been added shows none, and the newest may not be committed yet. Who
//! switches a removed node off on such a word takes a majority away from the group. So a replica's
//! word counts only after it has caught up with its leader, and once what it shows is committed.

use std::time::Duration;

use aspen_core::GroupMetrics;
use aspen_core::runtime::{self, Elapsed};
use aspen_raft::Group;

/// How long to wait before a leader that could not be asked is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Waits until the members of a group are committed to be as wished.
///
/// # Errors
/// When they are not within `timeout`.
pub(super) async fn settle(
    group: &Group,
    timeout: Duration,
    reached: impl Fn(&GroupMetrics) -> bool,
) -> Result<(), Elapsed> {
    runtime::timeout(timeout, settled(group, timeout, reached)).await?
}

async fn settled(
    group: &Group,
    timeout: Duration,
    reached: impl Fn(&GroupMetrics) -> bool,
) -> Result<(), Elapsed> {
    loop {
        catch_up(group).await;
        let seen = group.wait_metrics(timeout, &reached).await?;
        group.wait_metrics(timeout, |now| now.committed >= seen.last_log).await?;
        // What was seen may have been replaced by a new leader's log meanwhile.
        if reached(&group.metrics()) && !group.is_changing_voters() {
            return Ok(());
        }
        runtime::sleep(ASK_AGAIN).await;
    }
}

/// Waits until this replica has applied what was committed when this was called.
async fn catch_up(group: &Group) {
    while group.read_revision().await.is_err() {
        runtime::sleep(ASK_AGAIN).await;
    }
}
