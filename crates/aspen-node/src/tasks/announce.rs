//! Tells the cluster where this node is, when what the registry says is no longer true.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Consistency, JoinRequest, runtime};
use aspen_net::PeerAddress;

use crate::core::Core;
use crate::join::{Asked, ask_any};
use crate::registry::{self, ChangeError, Registry};

/// How often to compare while the registry is right.
const COMPARE_EVERY: Duration = Duration::from_millis(500);

/// How often to look for a leader to tell while it is not.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often to ask the others: after a welcome it takes them a moment to tell this node's replica.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// What this node's replica of the registry says about it.
enum Standing {
    /// It is there as it is.
    Registered,
    /// So it is, but nobody leads as far as this node hears. It may have been away while the others
    /// took in new nodes, and refuse the leader because it does not know it.
    Unheard,
    /// It was taken out for good.
    Removed,
    /// It is not there, or at another place, or the replica cannot tell.
    Unknown,
}

/// Compares until it is dropped; announces while the registry lacks this node or has it elsewhere.
pub(super) async fn announce(core: Arc<Core>) {
    let mut ask_after = runtime::now() + ASK_EVERY;
    loop {
        match standing(&core).await {
            Standing::Registered => {
                *core.refusal.lock() = None;
                ask_after = runtime::now() + ASK_EVERY;
                runtime::sleep(COMPARE_EVERY).await;
            }
            Standing::Removed => {
                *core.refusal.lock() = Some("this node was removed from the cluster".to_owned());
                runtime::sleep(COMPARE_EVERY).await;
            }
            Standing::Unheard | Standing::Unknown => {
                if core.leads_meta() || runtime::now() >= ask_after {
                    try_to_register(&core).await;
                    ask_after = runtime::now() + ASK_EVERY;
                }
                runtime::sleep(LOOK_EVERY).await;
            }
        }
    }
}

async fn standing(core: &Core) -> Standing {
    let own = core.record();
    match Registry::load(&core.meta, Consistency::Stale).await {
        Ok(registry) if registry.removed.contains_key(&own.id) => Standing::Removed,
        Ok(registry) if registry.nodes.get(&own.id) == Some(&own) => match core.meta.leader() {
            Some(_) => Standing::Registered,
            None => Standing::Unheard,
        },
        _ => Standing::Unknown,
    }
}

async fn try_to_register(core: &Core) {
    match register(core).await {
        Ok(()) => tracing::info!("this node is registered where it is now"),
        Err(cause) => tracing::info!(cause, "this node cannot be registered yet"),
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
    match ask_any(&*core.links, &peers, &request).await {
        Asked::Welcome { nodes, .. } => {
            if core.directory.introduce(nodes) {
                core.links.set_peers(core.directory.all());
            }
            Ok(())
        }
        Asked::Refused(refusal) => {
            *core.refusal.lock() = Some(refusal.clone());
            Err(refusal)
        }
        Asked::NotNow(cause) => Err(cause),
    }
}
