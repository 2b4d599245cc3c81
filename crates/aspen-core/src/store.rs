//! The store as its users and its operators see it.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::{
    ControlError, GroupId, GroupMetrics, InvalidRequest, Key, KeyRange, KeyValue, NodeId,
    NodeRecord, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest, ShardId,
    TransactionOutcome, Value, WriteCommand, WriteError,
};

/// An ordered, transactional key-value store.
///
/// In memory, embedded in a node or behind a remote cluster, the semantics and limits are the same.
#[async_trait]
pub trait KeyValueStore: Send + Sync {
    /// Reads keys at one revision.
    ///
    /// # Errors
    /// See [`ReadError`]; nothing is ever half-read.
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError>;

    /// Reads a page of a range.
    ///
    /// # Errors
    /// See [`ReadError`].
    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError>;

    /// Runs a write, atomically, exactly once.
    ///
    /// A failed compare is no error: `succeeded` is false and the failure branch ran. A failed read
    /// conflict is one.
    ///
    /// # Errors
    /// See [`WriteError`], which says whether the write may have happened.
    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError>;

    /// The one shard that holds every key of a range; `None` when several may.
    ///
    /// Revisions are comparable only within a shard: whoever reads at a revision that it has learnt
    /// from an earlier read asks here first whether both read the same one. A store of one group
    /// is all one shard.
    fn sole_shard(&self, _range: &KeyRange) -> Option<ShardId> {
        Some(ShardId::new(0))
    }

    /// Reads one key, linearizably.
    ///
    /// # Errors
    /// As [`KeyValueStore::read`].
    async fn get(&self, key: Key) -> Result<Option<KeyValue>, ReadError> {
        let mut reply = self.read(ReadRequest::one(key)).await?;
        Ok(reply.values.pop().flatten())
    }

    /// Sets one key.
    ///
    /// # Errors
    /// As [`KeyValueStore::write`].
    async fn set(&self, key: Key, value: Value) -> Result<TransactionOutcome, WriteError> {
        self.write(WriteCommand::Set { key, value }).await
    }

    /// Removes one key.
    ///
    /// # Errors
    /// As [`KeyValueStore::write`].
    async fn delete(&self, key: Key) -> Result<TransactionOutcome, WriteError> {
        self.write(WriteCommand::Delete { key }).await
    }
}

/// A cluster as its operators see it, one group at a time.
#[async_trait]
pub trait ClusterController: Send + Sync {
    /// Makes `members` the first voters of a group that has none. Idempotent for the same members.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn init(&self, group: GroupId, members: Vec<NodeRecord>) -> Result<(), ControlError>;

    /// Adds a node that receives the log without voting, and waits until it has caught up.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn add_learner(&self, group: GroupId, node: NodeRecord) -> Result<(), ControlError>;

    /// Makes exactly these nodes the voters, by joint consensus; each must be a learner or voter.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn change_membership(
        &self,
        group: GroupId,
        voters: BTreeSet<NodeId>,
    ) -> Result<(), ControlError>;

    /// Removes a node, voter or learner, from the group.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn remove_node(&self, group: GroupId, node: NodeId) -> Result<(), ControlError>;

    /// Hands leadership to another voter.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn transfer_leader(&self, group: GroupId, to: NodeId) -> Result<(), ControlError>;

    /// Builds a snapshot and lets the log before it be purged.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn trigger_snapshot(&self, group: GroupId) -> Result<(), ControlError>;

    /// What this node knows of the group.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn metrics(&self, group: GroupId) -> Result<GroupMetrics, ControlError>;

    /// The group's leader as far as this node knows.
    ///
    /// # Errors
    /// See [`ControlError`].
    async fn leader(&self, group: GroupId) -> Result<Option<NodeId>, ControlError>;
}

impl From<InvalidRequest> for WriteError {
    fn from(error: InvalidRequest) -> Self {
        Self::not_applied(error)
    }
}
