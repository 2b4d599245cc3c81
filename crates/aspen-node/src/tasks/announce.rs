//! Tells the cluster where this node is, when what the registry says is no longer true.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Consistency, JoinRequest};
use aspen_net::PeerAddress;

use aspen_core::runtime;

use crate::core::Core;
use crate::join::{Asked, ask_any};
use crate::registry::{self, ChangeError, Registry};

/// How often to compare while the registry is right.
const COMPARE_EVERY: Duration = Duration::from_millis(500);

/// How often to look for a leader to tell while it is not.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often to ask the others: after a welcome it takes them a moment to tell this node's replica.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Compares until it is dropped; announces while the registry lacks this node or has it elsewhere.
pub(super) async fn announce(core: Arc<Core>) {
    let mut ask_after = runtime::now() + ASK_EVERY;
    loop {
        if is_registered(&core).await {
            runtime::sleep(COMPARE_EVERY).await;
            continue;
        }
        if core.leads_meta() || runtime::now() >= ask_after {
            match register(&core).await {
                Ok(()) => tracing::info!("this node is registered where it is now"),
                Err(cause) => tracing::info!(cause, "this node cannot be registered yet"),
            }
            ask_after = runtime::now() + ASK_EVERY;
        }
        runtime::sleep(LOOK_EVERY).await;
    }
}

/// Whether this node's replica of the registry has this node as it is.
async fn is_registered(core: &Core) -> bool {
    let own = core.record();
    match Registry::load(&core.meta, Consistency::Stale).await {
        Ok(registry) => {
            let known = registry.nodes.get(&own.id);
            known == Some(&own) || registry.removed.contains_key(&own.id)
        }
        Err(_) => false,
    }
}

async fn register(core: &Core) -> Result<(), String> {
    let own = core.record();
    if core.leads_meta() {
        let decide = |_: &Registry| Ok::<_, ()>(registry::registration(&own));
        return match registry::change(&core.meta, decide).await {
            Ok(_) => Ok(()),
            Err(ChangeError::Refused(())) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
    }
    let others = core.directory.all().into_iter().filter(|record| record.id != own.id);
    let peers: Vec<PeerAddress> = others.map(|record| PeerAddress::from(&record)).collect();
    let request = JoinRequest { node: own, cluster: Some(core.cluster) };
    match ask_any(&core.net, &peers, &request).await {
        Asked::Welcome { nodes, .. } => {
            if core.directory.merge(nodes) {
                core.net.set_peers(core.directory.all());
            }
            Ok(())
        }
        Asked::Refused(refusal) => Err(refusal),
        Asked::NotNow(cause) => Err(cause),
    }
}
