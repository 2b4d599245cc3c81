//! Three composed nodes become a cluster, serve, and lose a voter.

use std::sync::Arc;

use aspen_core::{ControlRequest, NodeId, NodeRecord, Rights, Value};
use aspen_net::Ticket;
use aspen_node::compose::PeerSink;
use async_trait::async_trait;
use parking_lot::Mutex;

use crate::cluster::{CLUSTER, Machine, PATIENCE, voters};
use crate::memory_net::MemoryNet;

fn machines(dir: &tempfile::TempDir) -> [Machine; 3] {
    let net = Arc::new(MemoryNet::default());
    [1, 2, 3].map(|id| Machine::new(&net, dir.path(), id))
}

#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn composed_nodes_join_serve_and_leave() {
    let dir = tempfile::tempdir().unwrap();
    let machines = machines(&dir);
    let first = machines[0].found(None).await;
    first.node.wait_until_serving(PATIENCE).await.unwrap();
    let second = machines[1].join(&first).await;
    let third = machines[2].join(&second).await;
    first.status_until(voters(&[1, 2, 3])).await;
    third.node.wait_until_serving(PATIENCE).await.unwrap();

    third.set("k", "v").await;
    assert_eq!(second.get("k").await, Some(Value::try_from("v").unwrap()));

    let remove = ControlRequest::RemoveNode { node: NodeId::new(3) };
    second.node.client().control(remove).await.unwrap();
    second.status_until(voters(&[1, 2])).await;
    third.stop().await;
    first.set("k", "w").await;
    assert_eq!(second.get("k").await, Some(Value::try_from("w").unwrap()));
    first.stop().await;
    second.stop().await;
}

#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn composed_nodes_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let machines = machines(&dir);
    let first = machines[0].found(None).await;
    let second = machines[1].join(&first).await;
    let third = machines[2].join(&first).await;
    second.status_until(voters(&[1, 2, 3])).await;
    second.set("k", "v").await;
    let known = [&first, &second, &third].map(|running| running.node.record()).to_vec();
    for running in [first, second, third] {
        running.stop().await;
    }
    let mut running = Vec::new();
    for machine in &machines {
        running.push(machine.restart(known.clone()).await);
    }
    assert_eq!(running[2].get("k").await, Some(Value::try_from("v").unwrap()));
    for running in running {
        running.stop().await;
    }
}

/// Remembers what it was given last.
#[derive(Default)]
struct Memory {
    peers: Mutex<Vec<NodeRecord>>,
    ticket: Mutex<Option<Ticket>>,
}

#[async_trait]
impl PeerSink for Memory {
    async fn save_peers(&self, peers: Vec<NodeRecord>) {
        *self.peers.lock() = peers;
    }

    async fn save_ticket(&self, ticket: Ticket) -> bool {
        *self.ticket.lock() = Some(ticket);
        true
    }
}

#[cfg_attr(not(madsim), tokio::test(flavor = "multi_thread"))]
#[cfg_attr(madsim, madsim::test)]
async fn a_sink_is_told_of_peers_and_ticket() {
    let dir = tempfile::tempdir().unwrap();
    let machines = machines(&dir);
    let memory = Arc::new(Memory::default());
    let first = machines[0].found(Some(memory.clone())).await;
    let second = machines[1].join(&first).await;
    first.status_until(voters(&[1, 2])).await;
    let told = |_: &_| {
        let ticket = memory.ticket.lock();
        let named = ticket.as_ref().map(|ticket| (ticket.cluster, ticket.peers.len()));
        named == Some((CLUSTER, 2)) && memory.peers.lock().len() == 2
    };
    first.status_until(told).await;
    let ticket = memory.ticket.lock().clone().unwrap();
    assert_eq!(ticket.grant.map(|grant| grant.rights()), Some(Rights::Admin));
    first.stop().await;
    second.stop().await;
}
