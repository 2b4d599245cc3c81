//! Which node to ask: the known peers and the believed leader of each group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{ClusterStatus, EndpointKey, GroupId, NodeId, NodeRecord, NodeState, NotLeader};
use aspen_net::{CallError, PeerAddress, Ticket};
use parking_lot::Mutex;

/// How many nodes the client remembers; the cluster's own limit.
const PEERS_MAX: usize = 10_000;

/// How long a node that no connection could be opened to is left alone while there are others.
/// Followers name a dead leader until they have elected the next; to follow that word would cost a
/// whole attempt to connect each time. Longer than a failover; a node that comes back sooner is
/// found that much later.
const AVOIDED: Duration = Duration::from_secs(2);

/// Whom a request may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// The group's leader first, anyone when it is unknown or was asked already.
    Leader,
    /// Any node, in turn.
    Any,
}

#[derive(Debug)]
struct Peer {
    address: Arc<PeerAddress>,
    node: Option<NodeId>,
    /// Named by the ticket: kept even when the cluster no longer lists it.
    from_ticket: bool,
    /// Its last call failed: asked only after the others.
    suspect: bool,
    /// It could not be reached: not asked before this unless there is nobody else.
    avoided_until: Option<Instant>,
}

impl Peer {
    fn is_avoided(&self, now: Instant) -> bool {
        self.avoided_until.is_some_and(|until| now < until)
    }
}

#[derive(Debug, Default)]
struct Table {
    peers: BTreeMap<EndpointKey, Peer>,
    leaders: BTreeMap<GroupId, EndpointKey>,
    turn: usize,
}

/// The routing table. Everything in it is a belief: a wrong one costs an attempt, never safety.
#[derive(Debug)]
pub(crate) struct Routes {
    table: Mutex<Table>,
}

impl Routes {
    pub(crate) fn new(ticket: &Ticket) -> Self {
        let mut table = Table::default();
        for address in &ticket.peers {
            table.insert(address.clone(), None, true);
        }
        Self { table: Mutex::new(table) }
    }

    /// The best peer that is not in `tried`.
    pub(crate) fn pick(
        &self,
        group: GroupId,
        affinity: Affinity,
        tried: &BTreeSet<EndpointKey>,
    ) -> Option<Arc<PeerAddress>> {
        let mut table = self.table.lock();
        if affinity == Affinity::Leader
            && let Some(leader) = table.leader(group).filter(|peer| !tried.contains(&peer.endpoint))
        {
            return Some(leader);
        }
        table.turn = table.turn.wrapping_add(1);
        table.next_in_turn(tried)
    }

    /// A peer answered a request that only a leader, or a node that forwards to it, can answer.
    pub(crate) fn answered(&self, group: GroupId, peer: EndpointKey) {
        let mut table = self.table.lock();
        if let Some(peer) = table.peers.get_mut(&peer) {
            peer.suspect = false;
            peer.avoided_until = None;
        }
        table.leaders.entry(group).or_insert(peer);
    }

    /// A peer could not be reached, or did not answer in time.
    pub(crate) fn suspect(&self, peer: EndpointKey) {
        let mut table = self.table.lock();
        table.leaders.retain(|_, leader| *leader != peer);
        if let Some(peer) = table.peers.get_mut(&peer) {
            peer.suspect = true;
        }
    }

    /// A call to a peer failed.
    pub(crate) fn call_failed(&self, peer: EndpointKey, error: &CallError) {
        match error {
            CallError::Unreachable(_) => self.unreachable(peer),
            _ => self.suspect(peer),
        }
    }

    /// No connection to a peer could be opened.
    fn unreachable(&self, peer: EndpointKey) {
        self.suspect(peer);
        if let Some(peer) = self.table.lock().peers.get_mut(&peer) {
            peer.avoided_until = Some(runtime::now() + AVOIDED);
        }
    }

    /// A peer says that it does not lead, and perhaps who does.
    pub(crate) fn not_leader(&self, peer: EndpointKey, hint: &NotLeader) {
        let mut table = self.table.lock();
        if table.leaders.get(&hint.group) == Some(&peer) {
            table.leaders.remove(&hint.group);
        }
        let hinted = match (&hint.address, hint.leader) {
            (Some((endpoint, addresses)), leader) => {
                let id = leader.unwrap_or_default();
                let record = NodeRecord { id, endpoint: *endpoint, addresses: addresses.clone() };
                table.insert(PeerAddress::from(&record), leader, false);
                Some(*endpoint)
            }
            (None, Some(leader)) => table.endpoint_of(leader),
            (None, None) => None,
        };
        let now = runtime::now();
        let avoided =
            |leader: &EndpointKey| table.peers.get(leader).is_some_and(|peer| peer.is_avoided(now));
        if let Some(leader) = hinted.filter(|leader| *leader != peer && !avoided(leader)) {
            table.leaders.insert(hint.group, leader);
        }
    }

    /// Takes over the cluster's own picture of nodes and leaders.
    pub(crate) fn learn(&self, status: &ClusterStatus) {
        let mut table = self.table.lock();
        let now = runtime::now();
        let listed: BTreeSet<_> = status.nodes.iter().map(|node| node.record.endpoint).collect();
        table.peers.retain(|endpoint, peer| peer.from_ticket || listed.contains(endpoint));
        for node in &status.nodes {
            table.insert(PeerAddress::from(&node.record), Some(node.record.id), false);
            if let Some(peer) = table.peers.get_mut(&node.record.endpoint) {
                peer.suspect = node.state == NodeState::Offline || peer.is_avoided(now);
            }
        }
        for group in &status.groups {
            let leader = group.metrics.leader.and_then(|leader| table.endpoint_of(leader));
            let trusted = leader.filter(|leader| !table.is_suspect(*leader));
            if let Some(leader) = trusted {
                table.leaders.insert(group.metrics.group, leader);
            }
        }
    }

    /// Whether the peer is the believed leader of the group.
    pub(crate) fn is_leader(&self, group: GroupId, peer: EndpointKey) -> bool {
        self.table.lock().leaders.get(&group) == Some(&peer)
    }
}

impl Table {
    /// Adds a peer or updates its addresses; an empty list never replaces known ones.
    fn insert(&mut self, address: PeerAddress, node: Option<NodeId>, from_ticket: bool) {
        let endpoint = address.endpoint;
        let has_room = self.peers.len() < PEERS_MAX;
        match self.peers.get_mut(&endpoint) {
            Some(known) => {
                known.node = node.or(known.node);
                if !address.addresses.is_empty() && *known.address != address {
                    known.address = Arc::new(address);
                }
            }
            None if has_room => {
                let address = Arc::new(address);
                let avoided_until = None;
                let peer = Peer { address, node, from_ticket, suspect: false, avoided_until };
                self.peers.insert(endpoint, peer);
            }
            None => tracing::warn!(limit = PEERS_MAX, "too many peers; one is not remembered"),
        }
    }

    fn leader(&self, group: GroupId) -> Option<Arc<PeerAddress>> {
        let endpoint = self.leaders.get(&group)?;
        self.peers.get(endpoint).map(|peer| peer.address.clone())
    }

    fn endpoint_of(&self, node: NodeId) -> Option<EndpointKey> {
        self.peers.iter().find(|(_, peer)| peer.node == Some(node)).map(|(endpoint, _)| *endpoint)
    }

    fn is_suspect(&self, endpoint: EndpointKey) -> bool {
        self.peers.get(&endpoint).is_none_or(|peer| peer.suspect)
    }

    /// The untried peer whose turn it is: trusted ones first, then suspects; those to be avoided
    /// only when there are no others.
    fn next_in_turn(&self, tried: &BTreeSet<EndpointKey>) -> Option<Arc<PeerAddress>> {
        let now = runtime::now();
        let all_avoided = self.peers.values().all(|peer| peer.is_avoided(now));
        [false, true].into_iter().find_map(|suspect| {
            let eligible = || {
                self.peers.iter().filter(move |(endpoint, peer)| {
                    let is_wanted = all_avoided || !peer.is_avoided(now);
                    peer.suspect == suspect && is_wanted && !tried.contains(endpoint)
                })
            };
            let count = eligible().count();
            let turn = self.turn.checked_rem(count)?;
            eligible().nth(turn).map(|(_, peer)| peer.address.clone())
        })
    }
}

#[cfg(test)]
mod tests;
