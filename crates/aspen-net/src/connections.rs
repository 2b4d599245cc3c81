//! The open connections of an endpoint, both directions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::{EndpointKey, runtime};
use iroh::endpoint::Connection;
use parking_lot::Mutex;

use crate::close::{CloseCode, close};
use crate::endpoint::endpoint_key;
use crate::metrics::NetMetrics;
use crate::protocol::Protocol;

/// Counts and finds connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    live: Mutex<Live>,
    rejected: AtomicU64,
    reconnects: AtomicU64,
    batches_in: AtomicU64,
    requests_in: AtomicU64,
}

#[derive(Debug, Default)]
struct Live {
    next: u64,
    open: BTreeMap<u64, Open>,
    /// Bytes of connections that have ended.
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    peer: EndpointKey,
    protocol: Protocol,
}

impl Connections {
    /// Follows a connection until it ends.
    pub(crate) fn follow(self: &Arc<Self>, connection: &Connection, protocol: Protocol) {
        let open = Open {
            connection: connection.clone(),
            peer: endpoint_key(connection.remote_id()),
            protocol,
        };
        let id = self.insert(open);
        let (connections, connection) = (Arc::clone(self), connection.clone());
        runtime::spawn(async move {
            connection.closed().await;
            connections.remove(id);
        });
    }

    fn insert(&self, open: Open) -> u64 {
        let mut live = self.live.lock();
        let id = live.next;
        live.next += 1;
        live.open.insert(id, open);
        id
    }

    fn remove(&self, id: u64) {
        let mut live = self.live.lock();
        if let Some(open) = live.open.remove(&id) {
            let stats = open.connection.stats();
            live.bytes_in += stats.udp_rx.bytes;
            live.bytes_out += stats.udp_tx.bytes;
        }
    }

    /// Closes the connections that `whom` selects by the peer's key and the protocol.
    pub(crate) fn close_where(
        &self,
        whom: impl Fn(EndpointKey, Protocol) -> bool,
        code: CloseCode,
        reason: &str,
    ) {
        let selected: Vec<Connection> = {
            let live = self.live.lock();
            let chosen = live.open.values().filter(|open| whom(open.peer, open.protocol));
            chosen.map(|open| open.connection.clone()).collect()
        };
        selected.iter().for_each(|connection| close(connection, code, reason));
    }

    /// Whether a connection with the peer is open, and the shortest round trip in microseconds.
    /// Joins do not count: they end by themselves.
    pub(crate) fn peer(&self, peer: EndpointKey) -> (bool, Option<u64>) {
        let live = self.live.lock();
        let open: Vec<&Connection> = live
            .open
            .values()
            .filter(|open| open.peer == peer && open.protocol != Protocol::Join)
            .map(|open| &open.connection)
            .filter(|connection| connection.close_reason().is_none())
            .collect();
        (!open.is_empty(), open.iter().filter_map(|connection| rtt_us(connection)).min())
    }

    /// Another connection was refused.
    pub(crate) fn count_rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// A peer was reached again.
    pub(crate) fn count_reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// A batch arrived.
    pub(crate) fn count_batch(&self, requests: usize) {
        self.batches_in.fetch_add(1, Ordering::Relaxed);
        self.requests_in.fetch_add(requests as u64, Ordering::Relaxed);
    }

    /// Everything but the peers. `is_member` tells members from clients.
    pub(crate) fn metrics(&self, is_member: impl Fn(EndpointKey) -> bool) -> NetMetrics {
        let live = self.live.lock();
        let stats = live.open.values().map(|open| open.connection.stats());
        let (bytes_in, bytes_out) = stats.fold((live.bytes_in, live.bytes_out), |sum, stats| {
            (sum.0 + stats.udp_rx.bytes, sum.1 + stats.udp_tx.bytes)
        });
        let is_client = |open: &&Open| open.protocol == Protocol::Client && !is_member(open.peer);
        NetMetrics {
            connections: live.open.len(),
            client_connections: live.open.values().filter(is_client).count(),
            peers: Vec::new(),
            bytes_in,
            bytes_out,
            rejected_connections: self.rejected.load(Ordering::Relaxed),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            batches_in: self.batches_in.load(Ordering::Relaxed),
            requests_in: self.requests_in.load(Ordering::Relaxed),
        }
    }
}

fn rtt_us(connection: &Connection) -> Option<u64> {
    let paths = connection.paths();
    let rtt = paths.iter().find(|path| path.is_selected()).map(|path| path.rtt())?;
    u64::try_from(rtt.as_micros()).ok()
}
