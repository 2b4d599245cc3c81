//! What an operator asks of a cluster in the midst of faults. It may fail: leaders come and go.

use aspen_core::{ControlRequest, GroupId, NodeId};
use aspen_tests::ProcessCluster;

const DATA: GroupId = GroupId::from_raw(1);

/// Asks for another leader of the data.
pub(crate) async fn transfer(cluster: &ProcessCluster, to: u64) {
    let to = NodeId::new(to);
    ask(cluster, ControlRequest::TransferLeader { group: DATA, to }).await;
}

/// Asks the leader of the data to write a snapshot and to purge its log.
pub(crate) async fn snapshot(cluster: &ProcessCluster) {
    ask(cluster, ControlRequest::TriggerSnapshot { group: DATA }).await;
}

async fn ask(cluster: &ProcessCluster, request: ControlRequest) {
    let client = cluster.client().await;
    if let Err(error) = client.control(request).await {
        eprintln!("the operator is refused: {error}");
    }
    client.close().await;
}
