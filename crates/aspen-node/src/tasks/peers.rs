//! Keeps what the node knows of its peers current: in memory, in the network, and in files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Consistency, NodeId, NodeRecord, Rights, runtime};

use crate::core::Core;
use crate::data_dir::{DataDir, DataDirError, write_atomically};
use crate::registry::Registry;

/// How often to look when nothing has woken us: it bounds how long a new node stays unknown to the
/// nodes that it did not ask. A look at what has not changed costs microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The files that follow the peers.
#[derive(Clone)]
pub(super) struct Files {
    /// Peers for the next run.
    pub(super) peers: PathBuf,
    /// The ticket for clients.
    pub(super) ticket: PathBuf,
}

/// Follows the registry and the groups' members until it is dropped.
pub(super) async fn keep_current(core: Arc<Core>, files: Files) {
    let mut ticket_is_current = false;
    let mut registry = Registry::default();
    loop {
        registry = refresh(&core, registry).await;
        if core.directory.replace(known_nodes(&core, &registry)) {
            let peers = core.directory.all();
            core.net.set_peers(peers.clone());
            let path = files.peers.clone();
            save("peers", move || DataDir::save_peers(&path, &peers)).await;
            ticket_is_current = false;
        }
        if !ticket_is_current && core.serves() {
            ticket_is_current = write_ticket(&core, &files.ticket).await;
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
/// itself, also what it was told when it joined: those are the nodes that will contact it.
fn known_nodes(core: &Core, registry: &Registry) -> BTreeMap<NodeId, NodeRecord> {
    let own = core.record();
    let mut nodes = BTreeMap::new();
    if !registry.nodes.contains_key(&own.id) {
        nodes.extend(core.directory.all().into_iter().map(|record| (record.id, record)));
    }
    for group in core.host.groups() {
        nodes.extend(group.members().into_iter().map(|record| (record.id, record)));
    }
    nodes.extend(registry.nodes.clone());
    nodes.insert(own.id, own);
    nodes
}

async fn wait_for_news(core: &Core) {
    tokio::select! {
        () = runtime::sleep(LOOK_EVERY) => {}
        () = core.registry_changed.notified() => {}
    }
}

/// Writes the ticket for clients; answers whether it is there.
async fn write_ticket(core: &Core, path: &Path) -> bool {
    let ticket = match core.ticket(Rights::Admin) {
        Ok(ticket) => ticket.to_string(),
        Err(error) => {
            tracing::warn!(%error, "no ticket can be issued");
            return false;
        }
    };
    let path = path.to_owned();
    save("ticket", move || write_atomically(&path, format!("{ticket}\n").as_bytes())).await
}

async fn save(
    what: &str,
    write: impl FnOnce() -> Result<(), DataDirError> + Send + 'static,
) -> bool {
    let result = runtime::spawn_blocking(write).await;
    let failure = match result {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(what, error = failure, "file cannot be written");
    false
}
