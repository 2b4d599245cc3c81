//! Keeps what the node knows of its peers current: in memory, in the network, and where
//! the next run finds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Consistency, NodeId, NodeRecord, Rights, runtime};

use crate::compose::PeerSink;
use crate::core::Core;
use crate::registry::Registry;

/// How often to look when nothing has woken us: it bounds how long a new node stays unknown to the
/// nodes that it did not ask. A look at what has not changed costs microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Follows the registry and the groups' members until it is dropped.
pub(super) async fn keep_current(core: Arc<Core>, sink: Option<Arc<dyn PeerSink>>) {
    let mut ticket_is_current = false;
    let mut registry = Registry::default();
    loop {
        registry = refresh(&core, registry).await;
        if core.directory.replace(known_nodes(&core, &registry)) {
            let peers = core.directory.all();
            core.links.set_peers(peers.clone());
            if let Some(sink) = &sink {
                sink.save_peers(peers).await;
            }
            ticket_is_current = false;
        }
        if let Some(sink) = sink.as_ref().filter(|_| !ticket_is_current && core.serves()) {
            ticket_is_current = save_ticket(&core, &**sink).await;
        }
        wait_for_news(&core).await;
    }
}

/// Reads the registry again if this node's replica has moved on.
async fn refresh(core: &Core, registry: Registry) -> Registry {
    if core.meta.metrics().revision == registry.revision {
        return registry;
    }
    match Registry::load(&core.meta, Consistency::Stale).await {
        Ok(current) => current,
        Err(error) => {
            tracing::debug!(%error, "registry cannot be read");
            registry
        }
    }
}

/// Registered nodes and members of groups. Before this node's replica has heard of this node
/// itself, also what it was told when it joined: those are the nodes that will contact it. And what
/// it was told when it asked because it heard of no leader.
fn known_nodes(core: &Core, registry: &Registry) -> BTreeMap<NodeId, NodeRecord> {
    let own = core.record();
    let mut nodes = BTreeMap::new();
    if !registry.nodes.contains_key(&own.id) {
        nodes.extend(core.directory.all().into_iter().map(|record| (record.id, record)));
    }
    let introduced = core.directory.introduced().into_iter();
    let introduced = introduced.filter(|record| !registry.removed.contains_key(&record.id));
    nodes.extend(introduced.map(|record| (record.id, record)));
    for group in core.host.groups() {
        nodes.extend(group.members().into_iter().map(|record| (record.id, record)));
    }
    nodes.extend(registry.nodes.clone());
    nodes.insert(own.id, own);
    nodes
}

async fn wait_for_news(core: &Core) {
    tokio::select! {
        biased;
        () = runtime::sleep(LOOK_EVERY) => {}
        () = core.registry_changed.notified() => {}
    }
}

/// Keeps the ticket for clients; answers whether that worked.
async fn save_ticket(core: &Core, sink: &dyn PeerSink) -> bool {
    match core.ticket(Rights::Admin) {
        Ok(ticket) => sink.save_ticket(ticket).await,
        Err(error) => {
            tracing::warn!(%error, "no ticket can be issued");
            false
        }
    }
}
