//! A cluster of fake nodes that share one state and misbehave on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    ClientId, ClientRequest, ClientResponse, ClusterId, ClusterStatus, Command, ControlRequest,
    ControlResponse, EndpointKey, GroupId, GroupMetrics, GroupRole, GroupStatus, Key, KeyValue,
    NodeId, NodeRecord, NodeState, NodeStatus, NotLeader, Operation, OperationResult, ReadError,
    ReadReply, ReadRequest, Rejection, Reply, Revision, ScanPage, SessionStamp, ShardId, SqlError,
    SqlReply, Term, Transaction, TransactionOutcome, Value, WriteError, WriteFailure,
};
use aspen_net::{CallError, PeerAddress, Ticket};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use super::watches::{self, FakeWatches};
use crate::{Channel, Client, ClientOptions};

/// What the cluster is told to do, and what it saw.
#[derive(Default)]
pub(super) struct Script {
    /// The leader; `None`: an election without an end.
    pub(super) leader: Option<u8>,
    /// Nodes that cannot be reached.
    pub(super) down: BTreeSet<u8>,
    /// This many proposals are applied and their answers lost.
    pub(super) lose_answers: usize,
    /// This many proposals fail with this error before they are applied.
    pub(super) refusals: Vec<WriteError>,
    /// Every proposal of the kind that writes fails so, until this is taken away.
    pub(super) refuse_writes: Option<WriteError>,
    /// Every read fails so, until this is taken away.
    pub(super) refuse_reads: Option<ReadError>,
    /// The group ends every session once the next proposal is applied.
    pub(super) evict_after_next: bool,
    /// Who leads after the next proposal arrived.
    pub(super) leader_after_next: Option<u8>,
    /// Followers do not say who leads.
    pub(super) hide_leader: bool,
    /// How polls for changes are answered.
    pub(super) watches: FakeWatches,
    /// Answers to proposals whatever they are.
    pub(super) forced_replies: Vec<Reply>,
    /// Each node's revision when it lags.
    pub(super) lagging: BTreeMap<u8, u64>,
    /// Every call: the node and the request.
    pub(super) calls: Vec<(u8, ClientRequest)>,
    pub(super) in_flight_now: usize,
    pub(super) in_flight_max: usize,
    pub(super) nodes: Vec<u8>,
    sessions: BTreeMap<ClientId, FakeSession>,
    values: BTreeMap<Key, KeyValue>,
    revision: u64,
    /// How many times each key was put.
    pub(super) puts: BTreeMap<Key, u64>,
}

#[derive(Default)]
struct FakeSession {
    floor: u64,
    replies: BTreeMap<u64, Reply>,
}

pub(super) struct FakeCluster {
    pub(super) script: Mutex<Script>,
    /// When closed to zero permits, proposals wait here before they are applied.
    pub(super) gate: Semaphore,
    pub(super) arrived: Notify,
}

pub(super) fn endpoint(node: u8) -> EndpointKey {
    EndpointKey::new([node; 32])
}

pub(super) fn address(node: u8) -> String {
    format!("127.0.0.1:{}", 1000 + u16::from(node))
}

pub(super) fn shard() -> GroupId {
    GroupId::shard(ShardId::new(0))
}

pub(super) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

pub(super) fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

pub(super) fn ticket(nodes: &[u8]) -> Ticket {
    let peer = |node: &u8| PeerAddress {
        endpoint: endpoint(*node),
        addresses: vec![address(*node).parse().unwrap()],
    };
    Ticket {
        cluster: ClusterId::new([9; 16]),
        peers: nodes.iter().map(peer).collect(),
        grant: None,
    }
}

impl FakeCluster {
    /// Three nodes, the first leads.
    pub(super) fn three() -> Arc<Self> {
        let script = Script { leader: Some(1), nodes: vec![1, 2, 3], ..Script::default() };
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { script: Mutex::new(script), gate, arrived: Notify::new() })
    }

    pub(super) fn client(self: &Arc<Self>, bootstrap: &[u8]) -> Client {
        self.client_with(bootstrap, ClientOptions::default())
    }

    pub(super) fn client_with(
        self: &Arc<Self>,
        bootstrap: &[u8],
        options: ClientOptions,
    ) -> Client {
        Client::over(self.clone(), ticket(bootstrap), options)
    }

    /// The stamps of the transactions that arrived, in order.
    pub(super) fn stamps(&self) -> Vec<SessionStamp> {
        let script = self.script.lock();
        let stamp = |(_, request): &(u8, ClientRequest)| match request {
            ClientRequest::Propose { session, command: Command::Transaction(_), .. } => *session,
            _ => None,
        };
        script.calls.iter().filter_map(stamp).collect()
    }

    /// The nodes that got data requests (no status), in order.
    pub(super) fn data_calls(&self) -> Vec<u8> {
        let script = self.script.lock();
        let data = script.calls.iter();
        data.filter(|(_, request)| !matches!(request, ClientRequest::Control(_)))
            .map(|(node, _)| *node)
            .collect()
    }

    /// The sessions that were asked for, in order, retries included.
    pub(super) fn opened(&self) -> Vec<ClientId> {
        let script = self.script.lock();
        let opened = |(_, request): &(u8, ClientRequest)| match request {
            ClientRequest::Propose { command: Command::OpenSession { client }, .. } => {
                Some(*client)
            }
            _ => None,
        };
        script.calls.iter().filter_map(opened).collect()
    }

    /// Forgets every session, as the group does with idle ones.
    pub(super) fn expire_sessions(&self) {
        self.script.lock().sessions.clear();
    }
}

#[async_trait]
impl Channel for FakeCluster {
    async fn call(
        &self,
        peer: &PeerAddress,
        request: ClientRequest,
        timeout: Duration,
    ) -> Result<ClientResponse, CallError> {
        let node = peer.endpoint.as_bytes()[0];
        self.script.lock().calls.push((node, request.clone()));
        self.arrived.notify_one();
        if self.script.lock().down.contains(&node) {
            return Err(CallError::Unreachable("connection refused".to_owned()));
        }
        if matches!(request, ClientRequest::Propose { .. }) {
            let _in_flight = InFlight::enter(self);
            let waited = aspen_core::runtime::timeout(timeout, self.gate.acquire()).await;
            drop(waited.map_err(|_| CallError::Timeout)?);
            return self.script.lock().propose(node, request);
        }
        watches::wait(self, &request).await;
        Ok(self.script.lock().answer(node, request))
    }
}

/// Counts proposals between arrival and answer.
struct InFlight<'a>(&'a FakeCluster);

impl<'a> InFlight<'a> {
    fn enter(cluster: &'a FakeCluster) -> Self {
        let mut script = cluster.script.lock();
        script.in_flight_now += 1;
        script.in_flight_max = script.in_flight_max.max(script.in_flight_now);
        Self(cluster)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.script.lock().in_flight_now -= 1;
    }
}

impl Script {
    fn not_leader(&self, group: GroupId) -> NotLeader {
        let leader = self.leader.filter(|_| !self.hide_leader);
        NotLeader {
            group,
            leader: leader.map(|node| NodeId::new(u64::from(node))),
            address: leader.map(|node| (endpoint(node), vec![address(node)])),
        }
    }

    fn propose(&mut self, node: u8, request: ClientRequest) -> Result<ClientResponse, CallError> {
        let ClientRequest::Propose { group, session, command } = request else {
            panic!("only proposals come here")
        };
        if self.leader != Some(node) {
            let error = WriteError::not_applied(self.not_leader(group));
            return Ok(ClientResponse::Propose(Err(error)));
        }
        if matches!(command, Command::Transaction(_)) {
            if let Some(next) = self.leader_after_next.take() {
                self.leader = Some(next);
            }
            if let Some(error) = self.refuse_writes.clone().or_else(|| self.refusals.pop()) {
                return Ok(ClientResponse::Propose(Err(error)));
            }
            if let Some(reply) = self.forced_replies.pop() {
                return Ok(ClientResponse::Propose(Ok(reply)));
            }
        }
        let counts = matches!(command, Command::Transaction(_));
        let reply = self.apply(session, command);
        if counts && std::mem::take(&mut self.evict_after_next) {
            self.sessions.clear();
        }
        if counts && self.lose_answers > 0 {
            self.lose_answers -= 1;
            return Err(CallError::Lost("connection lost".to_owned()));
        }
        Ok(ClientResponse::Propose(Ok(reply)))
    }

    fn apply(&mut self, stamp: Option<SessionStamp>, command: Command) -> Reply {
        let transaction = match command {
            Command::OpenSession { client } => {
                self.sessions.entry(client).or_default();
                return Reply::SessionOpen;
            }
            Command::Transaction(transaction) => transaction,
            other => panic!("unexpected {other:?}"),
        };
        let stamp = stamp.expect("clients stamp every transaction");
        let Some(session) = self.sessions.get_mut(&stamp.client) else {
            return Reply::Rejected(Rejection::SessionExpired);
        };
        session.floor = session.floor.max(stamp.settled_below);
        let (floor, end) = (session.floor, session.floor + aspen_core::SESSION_WINDOW_MAX);
        session.replies.retain(|sequence, _| *sequence >= floor);
        if !(floor..end).contains(&stamp.sequence) {
            let sequence = stamp.sequence;
            return Reply::Rejected(Rejection::OutsideWindow { sequence, floor, end });
        }
        if let Some(reply) = session.replies.get(&stamp.sequence) {
            return reply.clone();
        }
        let reply = Reply::Transaction(self.run(&transaction));
        let session = self.sessions.get_mut(&stamp.client).unwrap();
        session.replies.insert(stamp.sequence, reply.clone());
        reply
    }

    fn run(&mut self, transaction: &Transaction) -> TransactionOutcome {
        self.revision += 1;
        let revision = Revision::new(self.revision);
        let mut results = Vec::new();
        for operation in &transaction.success {
            let Operation::Put { key, value, .. } = operation else { panic!("only puts here") };
            *self.puts.entry(key.clone()).or_default() += 1;
            let version = self.puts[key];
            let entry = KeyValue {
                key: key.clone(),
                value: value.clone(),
                version,
                create_revision: revision,
                mod_revision: revision,
                lease: None,
            };
            self.values.insert(key.clone(), entry);
            results.push(OperationResult::Put { version, create_revision: revision });
        }
        TransactionOutcome { revision, succeeded: true, results }
    }

    fn answer(&self, node: u8, request: ClientRequest) -> ClientResponse {
        match request {
            ClientRequest::Read { group, request } => {
                ClientResponse::Read(self.read(node, group, request))
            }
            ClientRequest::Scan { .. } => ClientResponse::Scan(Ok(ScanPage {
                revision: Revision::new(self.revision),
                entries: self.values.values().cloned().collect(),
                count: self.values.len() as u64,
                cursor: None,
            })),
            ClientRequest::Control(ControlRequest::Status) => {
                ClientResponse::Control(Ok(ControlResponse::Status(Box::new(self.status(node)))))
            }
            ClientRequest::Control(ControlRequest::TransferLeader { group, .. })
                if self.leader != Some(node) =>
            {
                ClientResponse::Control(Err(self.not_leader(group).into()))
            }
            ClientRequest::Control(_) => ClientResponse::Control(Ok(ControlResponse::Done)),
            ClientRequest::Watch { poll, .. } => {
                ClientResponse::Watch(self.watches.answer(node, self.revision, poll))
            }
            ClientRequest::Lease { .. } => panic!("no leases here"),
            ClientRequest::Sql { .. } => ClientResponse::Sql(self.sql(node)),
            ClientRequest::Propose { .. } => panic!("proposals go elsewhere"),
        }
    }

    fn sql(&self, node: u8) -> Result<SqlReply, SqlError> {
        if self.leader != Some(node) {
            return Err(ReadError::from(self.not_leader(shard())).into());
        }
        let (revision, columns) = (Revision::new(self.revision), vec!["n".to_owned()]);
        Ok(SqlReply { revision, columns, rows: Vec::new(), truncated: false })
    }

    fn read(&self, node: u8, group: GroupId, request: ReadRequest) -> Result<ReadReply, ReadError> {
        use aspen_core::Consistency::{AtRevision, Lease, Linearizable, Stale};
        if let Some(error) = &self.refuse_reads {
            return Err(error.clone());
        }
        let current = Revision::new(*self.lagging.get(&node).unwrap_or(&self.revision));
        match request.consistency {
            Linearizable | Lease if self.leader != Some(node) => {
                return Err(self.not_leader(group).into());
            }
            AtRevision(requested) if requested > current => {
                return Err(ReadError::FutureRevision { requested, current });
            }
            Linearizable | Lease | Stale | AtRevision(_) => {}
        }
        let values = request.keys.iter().map(|key| self.values.get(key).cloned()).collect();
        Ok(ReadReply { revision: current, values })
    }

    fn status(&self, asked: u8) -> ClusterStatus {
        let id = |node: u8| NodeId::new(u64::from(node));
        let node = |node: &u8| NodeStatus {
            record: NodeRecord {
                id: id(*node),
                endpoint: endpoint(*node),
                addresses: vec![address(*node)],
            },
            state: match self.down.contains(node) {
                true => NodeState::Offline,
                false => NodeState::Online,
            },
            version: None,
            disk_used_percent: None,
        };
        let metrics = GroupMetrics {
            group: shard(),
            node: id(asked),
            role: GroupRole::Follower,
            term: Term::new(1),
            leader: self.leader.map(id),
            last_log: None,
            committed: None,
            applied: None,
            snapshot: None,
            purged: None,
            revision: Revision::new(self.revision),
            voters: self.nodes.iter().map(|node| id(*node)).collect(),
            learners: Vec::new(),
            replication: BTreeMap::new(),
        };
        ClusterStatus {
            cluster: ClusterId::new([9; 16]),
            nodes: self.nodes.iter().map(node).collect(),
            groups: vec![GroupStatus { metrics }],
        }
    }
}

/// A write failure that leaves the outcome open.
pub(super) fn maybe(detail: &str) -> WriteError {
    WriteError::maybe_applied(WriteFailure::Timeout(detail.to_owned()))
}
