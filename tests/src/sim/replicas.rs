//! Replicas that have applied the same hold the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspen_core::{Consistency, GroupId, KeyRange, NodeId, Revision, ScanRequest, codec};
use aspen_node::compose::GROUPS;
use aspen_raft::Group;
use aspen_storage::{StateError, StateMachine};

use super::cluster::SimCluster;
use super::trace;
use crate::check::Violation;

/// Equal states at equal applied entries (Raft paper, section 5.4.3).
const EQUAL: &str = "replicas hold the same";

/// A state machine finds nothing wrong with itself.
const SOUND: &str = "a replica's state is sound";

/// Compares all that the replicas of every group hold. Nothing may be going on.
pub(crate) async fn compare(cluster: &SimCluster) -> Result<(), Violation> {
    for group in GROUPS {
        let mut found: BTreeMap<NodeId, Content> = BTreeMap::new();
        for (node, replica) in cluster.replicas(group) {
            check(&replica, node).await?;
            let content = content(&**replica.state(), None).await;
            found.insert(node, content.map_err(|error| unsound(group, node, &error.to_string()))?);
        }
        judge(group, &found)?;
    }
    Ok(())
}

/// What a replica holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) revision: u64,
    keys: u64,
    pub(crate) digest: u64,
}

async fn check(replica: &Arc<Group>, node: NodeId) -> Result<(), Violation> {
    let faults = replica.state().check_integrity().await;
    let faults = faults.unwrap_or_else(|error| vec![error.to_string()]);
    match faults.is_empty() {
        true => Ok(()),
        false => Err(unsound(replica.id(), node, &faults.join("; "))),
    }
}

fn unsound(group: GroupId, node: NodeId, detail: &str) -> Violation {
    Violation::new(SOUND, format!("node {node}, {group}: {detail}"))
}

/// Reads all that a state holds, at a revision or the newest one.
pub(crate) async fn content(
    state: &dyn StateMachine,
    at: Option<Revision>,
) -> Result<Content, StateError> {
    let mut request =
        ScanRequest { consistency: Consistency::Stale, ..ScanRequest::new(KeyRange::all()) };
    let mut content = Content { revision: 0, keys: 0, digest: 0 };
    loop {
        let at = request.cursor.as_ref().map(|cursor| cursor.revision).or(at);
        let page = state.scan(request.clone(), at).await?;
        let bytes = codec::encode(&page.entries).expect("entries can be encoded");
        content.revision = page.revision.get();
        content.keys += page.entries.len() as u64;
        content.digest = content.digest.rotate_left(1) ^ trace::hash_bytes(&bytes);
        match page.cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return Ok(content),
        }
    }
}

fn judge(group: GroupId, found: &BTreeMap<NodeId, Content>) -> Result<(), Violation> {
    let mut contents = found.values();
    let first = contents.next();
    match contents.all(|content| Some(content) == first) {
        true => Ok(()),
        false => Err(Violation::new(EQUAL, format!("{group}: {found:?}"))),
    }
}
