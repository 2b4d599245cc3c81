#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use aspen_core::{
    EndpointKey, GroupId, GroupMetrics, GroupRole, LogIndex, NodeId, NodeRecord,
    ReplicationProgress, Revision, Term,
};

use super::{PROMOTION_LAG_ENTRIES_MAX, Situation, Step};
use crate::registry::Registry;

fn record(id: u64) -> NodeRecord {
    NodeRecord { id: NodeId::new(id), endpoint: EndpointKey::new([0; 32]), addresses: vec![] }
}

fn ids(raw: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    raw.into_iter().map(NodeId::new).collect()
}

/// Node 1 leads a group; every node is online unless a test says otherwise.
struct Fixture {
    registry: Registry,
    metrics: GroupMetrics,
    online: BTreeSet<NodeId>,
    avoid: BTreeSet<NodeId>,
}

fn fixture(registered: &[u64], voters: &[u64], learners: &[u64]) -> Fixture {
    let nodes = registered.iter().map(|id| (NodeId::new(*id), record(*id))).collect();
    let progress = ReplicationProgress { matched: Some(LogIndex::new(5)), lag_entries: 0 };
    let metrics = GroupMetrics {
        group: GroupId::META,
        node: NodeId::new(1),
        role: GroupRole::Leader,
        term: Term::new(1),
        leader: Some(NodeId::new(1)),
        last_log: None,
        committed: None,
        applied: None,
        snapshot: None,
        purged: None,
        revision: Revision::ZERO,
        voters: ids(voters.to_vec()).into_iter().collect(),
        learners: ids(learners.to_vec()).into_iter().collect(),
        replication: (1..9).map(|id| (NodeId::new(id), progress)).collect::<BTreeMap<_, _>>(),
    };
    let registry = Registry { nodes, ..Registry::default() };
    Fixture { registry, metrics, online: ids(1..9), avoid: BTreeSet::new() }
}

impl Fixture {
    fn next(&self) -> Option<Step> {
        let Self { registry, metrics, online, avoid } = self;
        Situation { registry, metrics, online, avoid }.next_step()
    }
}

fn set_voters(subject: u64, voters: impl IntoIterator<Item = u64>) -> Option<Step> {
    Some(Step::SetVoters { subject: NodeId::new(subject), voters: ids(voters) })
}

#[test]
fn a_group_as_wished_is_left_alone() {
    assert_eq!(fixture(&[1, 2, 3], &[1, 2, 3], &[]).next(), None);
}

#[test]
fn a_new_node_learns_first_and_votes_then() {
    assert_eq!(fixture(&[1, 2], &[1], &[]).next(), Some(Step::AddLearner(record(2))));
    assert_eq!(fixture(&[1, 2], &[1], &[2]).next(), set_voters(2, [1, 2]));
}

#[test]
fn a_learner_that_lags_or_is_away_does_not_vote_yet() {
    let mut lagging = fixture(&[1, 2], &[1], &[2]);
    lagging.metrics.replication.get_mut(&NodeId::new(2)).unwrap().lag_entries =
        PROMOTION_LAG_ENTRIES_MAX + 1;
    assert_eq!(lagging.next(), None);
    let mut away = fixture(&[1, 2], &[1], &[2]);
    away.online.remove(&NodeId::new(2));
    assert_eq!(away.next(), None);
    let mut silent = fixture(&[1, 2], &[1], &[2]);
    silent.metrics.replication.get_mut(&NodeId::new(2)).unwrap().matched = None;
    assert_eq!(silent.next(), None);
}

#[test]
fn one_that_failed_does_not_keep_the_others_waiting() {
    let mut fixture = fixture(&[1, 2, 3], &[1], &[]);
    fixture.avoid = ids([2]);
    assert_eq!(fixture.next(), Some(Step::AddLearner(record(3))));
    fixture.avoid = ids([2, 3]);
    assert_eq!(fixture.next(), None);
}

#[test]
fn a_removed_node_is_taken_out_before_anything_else() {
    let mut fixture = fixture(&[1, 2, 4], &[1, 2, 3], &[]);
    fixture.registry.removed.insert(NodeId::new(3), record(3));
    assert_eq!(fixture.next(), Some(Step::Remove(NodeId::new(3))));
}

#[test]
fn a_member_that_is_merely_unregistered_stays() {
    assert_eq!(fixture(&[1, 2], &[1, 2, 3], &[]).next(), None);
}

#[test]
fn a_removed_leader_hands_over_to_one_that_answers() {
    let mut fixture = fixture(&[2, 3], &[1, 2, 3], &[]);
    fixture.registry.removed.insert(NodeId::new(1), record(1));
    fixture.online.remove(&NodeId::new(2));
    assert_eq!(fixture.next(), Some(Step::HandOver(NodeId::new(3))));
    fixture.online.clear();
    assert_eq!(fixture.next(), None);
}

#[test]
fn wished_voters_are_reached_one_by_one() {
    let mut fixture = fixture(&[1, 2, 3], &[1, 2, 3], &[]);
    fixture.registry.wished_voters = Some(ids([1, 2]));
    assert_eq!(fixture.next(), set_voters(3, [1, 2]));
    fixture.registry.wished_voters = Some(ids([2, 3]));
    assert_eq!(fixture.next(), Some(Step::HandOver(NodeId::new(2))));
}

#[test]
fn the_new_voter_comes_before_the_old_one_goes() {
    let mut fixture = fixture(&[1, 2], &[1], &[2]);
    fixture.registry.wished_voters = Some(ids([2]));
    assert_eq!(fixture.next(), set_voters(2, [1, 2]));
    fixture.online.remove(&NodeId::new(2));
    assert_eq!(fixture.next(), None);
}
