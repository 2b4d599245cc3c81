//! What operators do, at the wrong moment.

use aspen_core::{ControlError, ControlRequest, NodeId};
use serde::{Deserialize, Serialize};

use super::{Target, Which};
use crate::sim::trace;
use crate::sim::world::World;

/// A leader hands over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) which: Which,
    pub(crate) to: Target,
}

impl Transfer {
    pub(super) async fn strike(&self, world: &World) {
        let Some(to) = self.to.find(&world.cluster) else { return };
        ask(world, ControlRequest::TransferLeader { group: self.which.group(), to }).await;
    }
}

/// A leader builds a snapshot and shortens its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) which: Which,
}

impl Snapshot {
    pub(super) async fn strike(&self, world: &World) {
        ask(world, ControlRequest::TriggerSnapshot { group: self.which.group() }).await;
    }
}

/// Asks for a node's removal; answers whether the cluster is without it. One that was lost before
/// it had come in is unknown there.
pub(super) async fn remove(world: &World, node: NodeId) -> bool {
    let result = world.operator().control(ControlRequest::RemoveNode { node }).await;
    trace::note("operator", format!("remove node {node}: {result:?}"));
    result.is_ok() || result.is_err_and(|error| is_unknown_node(&error))
}

/// Whether something was refused because the cluster does not know a node.
pub(crate) fn is_unknown_node(error: &ControlError) -> bool {
    matches!(error, ControlError::Invalid(detail) if detail.contains("is not registered"))
}

/// Asks for something; answers whether it was done.
pub(super) async fn ask(world: &World, request: ControlRequest) -> bool {
    let asked = format!("{request:?}");
    let result = world.operator().control(request).await;
    trace::note("operator", format!("{asked}: {result:?}"));
    result.is_ok()
}
