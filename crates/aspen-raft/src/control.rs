//! Membership and leadership of groups, as operators steer them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspen_core::{ClusterController, ControlError, GroupId, GroupMetrics, NodeId, NodeRecord};
use async_trait::async_trait;
use openraft::ChangeMembers;
use openraft::errors::{Fatal, InitializeError, RaftError};

use crate::group::Group;
use crate::host::RaftHost;
use crate::membership_change::{change, change_in_time};
use crate::purge::shorten_log;
use crate::types::{Member, TypeConfig};

impl RaftHost {
    fn local(&self, group: GroupId) -> Result<Arc<Group>, ControlError> {
        self.group(group).ok_or(ControlError::NoSuchGroup(group))
    }

    fn leading(&self, group: GroupId) -> Result<Arc<Group>, ControlError> {
        let group = self.local(group)?;
        match group.replica.is_leader() {
            true => Ok(group),
            false => Err(group.replica.not_leader().into()),
        }
    }
}

#[async_trait]
impl ClusterController for RaftHost {
    async fn init(&self, group: GroupId, members: Vec<NodeRecord>) -> Result<(), ControlError> {
        let group = self.local(group)?;
        let wanted: BTreeMap<u64, Member> =
            members.into_iter().map(|record| (record.id.get(), Member(record))).collect();
        if wanted.is_empty() {
            return Err(ControlError::Invalid("a group needs at least one member".into()));
        }
        let voters: BTreeSet<u64> = wanted.keys().copied().collect();
        if group.is_initialized() {
            return same_voters(&group, &voters);
        }
        match group.replica.raft.initialize(wanted).await {
            Ok(()) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
                same_voters(&group, &voters)
            }
            Err(RaftError::APIError(error @ InitializeError::NotInMembers(_))) => {
                Err(ControlError::Invalid(error.to_string()))
            }
            Err(RaftError::Fatal(fatal)) => Err(stopped(&fatal)),
        }
    }

    async fn add_learner(&self, group: GroupId, node: NodeRecord) -> Result<(), ControlError> {
        let group = self.leading(group)?;
        let (id, member) = (node.id.get(), Member(node));
        let known = group.members().into_iter().find(|record| record.id == member.0.id);
        if known.is_some_and(|known| known != member.0) {
            // Adding a known node again keeps its old record: new addresses need their own step.
            let update = ChangeMembers::SetNodes(BTreeMap::from([(id, member.clone())]));
            change(&group.replica, update).await?;
        }
        change_in_time(&group.replica, || {
            let (replica, member) = (group.replica.clone(), member.clone());
            async move { replica.raft.add_learner(id, member, true).await }
        })
        .await
    }

    async fn change_membership(
        &self,
        group: GroupId,
        voters: BTreeSet<NodeId>,
    ) -> Result<(), ControlError> {
        let group = self.leading(group)?;
        let voters = voters.into_iter().map(NodeId::get).collect();
        change(&group.replica, ChangeMembers::ReplaceAllVoters(voters)).await
    }

    async fn remove_node(&self, group: GroupId, node: NodeId) -> Result<(), ControlError> {
        let group = self.leading(group)?;
        let metrics = group.metrics();
        let id = BTreeSet::from([node.get()]);
        if metrics.voters == [node] {
            let detail = format!("{node} is the only voter of {}", group.id());
            return Err(ControlError::Invalid(detail));
        }
        if metrics.voters.contains(&node) {
            return change(&group.replica, ChangeMembers::RemoveVoters(id)).await;
        }
        match metrics.learners.contains(&node) {
            true => change(&group.replica, ChangeMembers::RemoveNodes(id)).await,
            // Removed before: done.
            false => Ok(()),
        }
    }

    async fn transfer_leader(&self, group: GroupId, to: NodeId) -> Result<(), ControlError> {
        let group = self.leading(group)?;
        if !group.metrics().voters.contains(&to) {
            return Err(ControlError::Invalid(format!("{to} is no voter of {}", group.id())));
        }
        if to == self.node() {
            return Ok(());
        }
        let triggered = group.replica.raft.trigger().transfer_leader(to.get()).await;
        triggered.map_err(|fatal| stopped(&fatal))?;
        // Its first election may fail; after another the old leader goes on as before.
        let patience = group.replica.options.election_time_max();
        let moved = group.wait_metrics(patience, |metrics| metrics.leader == Some(to)).await;
        moved.map(|_| ()).map_err(|_| ControlError::Timeout(format!("{to} has not taken over")))
    }

    async fn trigger_snapshot(&self, group: GroupId) -> Result<(), ControlError> {
        let group = self.leading(group)?;
        let built = group.state().build_snapshot().await;
        built.map_err(|error| ControlError::Unavailable(error.to_string()))?;
        let shortened = shorten_log(&group.replica).await;
        shortened.map_err(|error| ControlError::Unavailable(error.to_string()))
    }

    async fn metrics(&self, group: GroupId) -> Result<GroupMetrics, ControlError> {
        Ok(self.local(group)?.metrics())
    }

    async fn leader(&self, group: GroupId) -> Result<Option<NodeId>, ControlError> {
        Ok(self.local(group)?.leader())
    }
}

/// An initialised group is what was asked for when its voters are the same.
fn same_voters(group: &Group, wanted: &BTreeSet<u64>) -> Result<(), ControlError> {
    let voters: BTreeSet<u64> = group.metrics().voters.into_iter().map(NodeId::get).collect();
    match voters == *wanted {
        true => Ok(()),
        false => {
            let detail = format!("{} is initialised with voters {voters:?}", group.id());
            Err(ControlError::Invalid(detail))
        }
    }
}

pub(crate) fn stopped(fatal: &Fatal<TypeConfig>) -> ControlError {
    ControlError::Unavailable(fatal.to_string())
}
