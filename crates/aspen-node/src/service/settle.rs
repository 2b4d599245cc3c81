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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Weak};

    use super::*;
    use aspen_core::{
        ClusterController, EndpointKey, GroupId, Lane, NodeId, NodeRecord, PeerHandler,
        PeerRequest, Transport, TransportError,
    };
    use aspen_raft::{RaftHost, RaftOptions};
    use aspen_storage::{MemoryDisk, MemoryLogStore, MemoryStateMachine};
    use async_trait::async_trait;
    use bytes::Bytes;
    use parking_lot::Mutex;

    /// What two nodes reach each other by, until it is cut.
    #[derive(Default)]
    struct Wire {
        ends: Mutex<BTreeMap<NodeId, Weak<RaftHost>>>,
        cut: AtomicBool,
    }

    /// The end of a wire that one node holds.
    struct End(NodeId, Arc<Wire>);

    #[async_trait]
    impl Transport for End {
        async fn call(
            &self,
            target: NodeId,
            _: Lane,
            request: PeerRequest,
            _: Duration,
        ) -> Result<Bytes, TransportError> {
            let Self(from, wire) = self;
            let other = wire.ends.lock().get(&target).and_then(Weak::upgrade);
            match other.filter(|_| !wire.cut.load(Ordering::SeqCst)) {
                Some(host) => {
                    let answer = host.handle(*from, request).await;
                    answer.map_err(|rejection| TransportError::Rejected { node: target, rejection })
                }
                None => {
                    let detail = "cut off".to_owned();
                    Err(TransportError::Unreachable { node: target, detail })
                }
            }
        }
    }

    async fn start(id: u64, wire: &Arc<Wire>, directory: &std::path::Path) -> Arc<RaftHost> {
        let node = NodeId::new(id);
        let end = Arc::new(End(node, wire.clone()));
        let host = RaftHost::new(node, end, RaftOptions::default());
        wire.ends.lock().insert(node, Arc::downgrade(&host));
        let log = MemoryLogStore::new().group(GroupId::META);
        let state = MemoryStateMachine::open(&MemoryDisk::new(GroupId::META, directory));
        host.open_group(GroupId::META, log, state).await.unwrap();
        host
    }

    fn record(id: u64) -> NodeRecord {
        let endpoint = EndpointKey::new([id as u8; 32]);
        NodeRecord { id: NodeId::new(id), endpoint, addresses: Vec::new() }
    }

    /// A node that had been cut off was asked to remove another one. Its own log did not name that
    /// one (it had joined meanwhile), so it answered that the node was gone. The operator switched
    /// it off, and with it the majority that the group needed (found in simulation by seed 10020).
    #[tokio::test(start_paused = true)]
    async fn a_replica_that_cannot_ask_its_leader_is_not_believed() {
        let (wire, directory) = (Arc::default(), tempfile::tempdir().unwrap());
        let first = start(1, &wire, directory.path()).await;
        let second = start(2, &wire, directory.path()).await;
        first.init(GroupId::META, vec![record(1), record(2)]).await.unwrap();
        let (group, patience) = (second.group(GroupId::META).unwrap(), Duration::from_secs(30));
        let gone = |metrics: &GroupMetrics| !metrics.voters.contains(&NodeId::new(3));
        let both = |metrics: &GroupMetrics| metrics.voters.len() == 2;
        settle(&group, patience, both).await.unwrap();
        settle(&group, patience, gone).await.unwrap();

        wire.cut.store(true, Ordering::SeqCst);
        settle(&group, patience, gone).await.unwrap_err();
        first.shutdown().await;
        second.shutdown().await;
    }
}
