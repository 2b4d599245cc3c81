//! Whether a process that knows the cookie becomes a node.

use aspen_core::{ClusterId, JoinReply, JoinRequest, NodeId, NodeRecord, Operation, WriteFailure};

use crate::core::Core;
use crate::registry::{self, ChangeError, Registry};

/// Registers a node, or says where to ask or why not.
pub(super) async fn admit(core: &Core, request: JoinRequest) -> JoinReply {
    if let Some(refusal) = refuse_foreign(core.cluster, &request) {
        return JoinReply::Refused(refusal);
    }
    if !core.leads_meta() {
        return redirect(core, core.meta.leader());
    }
    let node = request.node;
    let decided = registry::change(&core.meta, |registry| decide(registry, &node)).await;
    match decided {
        Ok(mut registry) => {
            tracing::info!(node = %node.id, endpoint = %node.endpoint, "node is registered");
            registry.nodes.insert(node.id, node);
            core.registry_changed.notify_one();
            JoinReply::Welcome { cluster: core.cluster, nodes: contacts(core, registry) }
        }
        Err(ChangeError::Refused(refusal)) => {
            tracing::warn!(node = %node.id, endpoint = %node.endpoint, refusal, "join is refused");
            JoinReply::Refused(refusal)
        }
        Err(ChangeError::Write(error)) => match error.failure {
            WriteFailure::NotLeader(hint) => redirect(core, hint.leader),
            failure => JoinReply::Retry(failure.to_string()),
        },
        Err(error) => JoinReply::Retry(error.to_string()),
    }
}

/// Every node that may contact the new one. This one is among them although it may not be
/// registered itself yet: a newcomer that did not know its leader would refuse it for ever.
fn contacts(core: &Core, registry: Registry) -> Vec<NodeRecord> {
    let mut contacts = registry.nodes;
    contacts.entry(core.node).or_insert_with(|| core.record());
    contacts.into_values().collect()
}

fn redirect(core: &Core, leader: Option<NodeId>) -> JoinReply {
    let leader = leader.filter(|leader| *leader != core.node);
    match leader.and_then(|leader| core.directory.node(leader)) {
        Some(record) => JoinReply::Redirect(record),
        None => JoinReply::Retry("the meta group has no leader now".to_owned()),
    }
}

fn refuse_foreign(cluster: ClusterId, request: &JoinRequest) -> Option<String> {
    match request.cluster {
        Some(other) if other != cluster => Some(format!(
            "the node comes for cluster {other}, by its ticket or data directory, and this is \
             cluster {cluster}; use a ticket of this cluster, with an empty directory"
        )),
        _ if request.node.id.get() == 0 => {
            Some("node id 0 is not valid; ids begin at 1".to_owned())
        }
        _ => None,
    }
}

/// What to write for a node that wants in; an error says why it may not.
pub(super) fn decide(registry: &Registry, node: &NodeRecord) -> Result<Vec<Operation>, String> {
    let id = node.id;
    if registry.removed.contains_key(&id) {
        return Err(format!(
            "node {id} was removed from the cluster and its id is never used again; join with an \
             empty directory and a new id"
        ));
    }
    if let Some(other) =
        registry.nodes.values().find(|other| other.endpoint == node.endpoint && other.id != id)
    {
        return Err(format!(
            "the key of this node is that of node {}; a data directory must not be copied: join \
             with an empty one",
            other.id
        ));
    }
    match registry.nodes.get(&id) {
        Some(known) if known.endpoint != node.endpoint => Err(format!(
            "id {id} belongs to another node, with key {}; choose another id, or remove that node \
             first (and then choose another id too, since ids are never used again)",
            known.endpoint
        )),
        Some(known) if known == node => Ok(Vec::new()),
        _ => Ok(registry::registration(node)),
    }
}
