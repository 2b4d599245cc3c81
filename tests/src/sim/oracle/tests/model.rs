//! A small correct Raft with ordered ballots: elections, replication in any order, crashes that
//! lose what was not durable, snapshots. Whatever it does, no promise breaks. With one of its rules
//! left out, some do.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspen_core::{GroupId, NodeId};

use super::super::{Applied, Found, LogId, Oracle, Replica, Vote};
use crate::workload::SeededRandom;

const NODES: u64 = 5;

/// The rule that a model does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Voters do not compare logs (section 5.4.1).
    VotesForAnyLog,
    /// Leaders commit entries of earlier leaders by counting copies (section 5.4.2).
    CountsOldEntries,
    /// A restart forgets the vote.
    ForgetsVote,
    /// Followers do not compare the entry before (section 5.3).
    AppendsAnywhere,
    /// A leader takes a snapshot from a later one without hearing that it is one.
    IgnoresLeaders,
}

/// A term and the node that leads in it.
type Ballot = (u64, u64);

#[derive(Clone, Debug, Default)]
struct Member {
    vote: Option<(Ballot, bool)>,
    leads: Option<Ballot>,
    log: Vec<(LogId, u64)>,
    /// How many entries are known to be committed, are applied, and are in the durable state.
    committed: usize,
    applied: usize,
    flushed: usize,
    /// How many the leader knows each other node to hold.
    matched: BTreeMap<u64, usize>,
}

impl Member {
    fn ballot(&self) -> Option<Ballot> {
        self.vote.map(|(ballot, _)| ballot)
    }
}

struct Model {
    fault: Fault,
    oracle: Arc<Oracle>,
    members: BTreeMap<u64, Member>,
    random: SeededRandom,
    proposals: u64,
}

fn replica(id: u64) -> Replica {
    Replica { node: NodeId::new(id), group: GroupId::META }
}

impl Model {
    fn new(fault: Fault, seed: u64) -> Self {
        let members = (1..=NODES).map(|id| (id, Member::default())).collect();
        let (oracle, random) = (Oracle::new(), SeededRandom::new(seed));
        Self { fault, oracle, members, random, proposals: 0 }
    }

    fn any(&self) -> u64 {
        1 + self.random.below(NODES)
    }

    fn member(&mut self, id: u64) -> &mut Member {
        self.members.get_mut(&id).unwrap()
    }

    fn step(&mut self) {
        let (leader, other) = (self.some_leader(), self.any());
        match self.random.below(40) {
            0..2 => self.campaign(other),
            2 => self.restart(other),
            3 => self.send_snapshot(leader, other),
            4..8 => self.propose(leader),
            8..32 => self.replicate(leader, other),
            _ => self.apply(other),
        }
    }

    /// One of those that think they lead, if any.
    fn some_leader(&self) -> u64 {
        let leaders = self.members.iter().filter(|(_, member)| member.leads.is_some());
        let leaders: Vec<u64> = leaders.map(|(id, _)| *id).collect();
        self.random.pick(&leaders).copied().unwrap_or_else(|| self.any())
    }

    fn save_vote(&mut self, id: u64, ballot: Ballot, granted: bool) {
        let member = self.member(id);
        member.vote = Some((ballot, granted));
        member.leads = member.leads.filter(|leads| *leads >= ballot);
        let (term, candidate) = ballot;
        self.oracle.voted(replica(id), Vote { term, candidate, granted });
    }

    fn campaign(&mut self, id: u64) {
        let own = self.members[&id].clone();
        let ballot = (own.ballot().map_or(0, |(term, _)| term) + 1, id);
        let last = |member: &Member| member.log.last().map(|(entry, _)| *entry);
        let mut votes = 0;
        for voter in 1..=NODES {
            let heard = voter == id || self.random.below(10) < 7;
            let member = &self.members[&voter];
            let current = last(member) <= last(&own) || self.fault == Fault::VotesForAnyLog;
            if heard && member.ballot() < Some(ballot) && current {
                self.save_vote(voter, ballot, false);
                votes += 1;
            }
        }
        if votes > NODES / 2 {
            self.save_vote(id, ballot, true);
            let member = self.member(id);
            member.leads = Some(ballot);
            member.matched.clear();
            self.propose(id);
        }
    }

    fn propose(&mut self, id: u64) {
        self.proposals += 1;
        let payload = self.proposals;
        let member = self.member(id);
        let Some((term, leader)) = member.leads else { return };
        let entry = LogId { term, leader, index: member.log.len() as u64 };
        member.log.push((entry, payload));
        self.oracle.appended(replica(id), &[(entry, payload)]);
    }

    /// Sends what a random prefix lacks; the answer may be lost.
    fn replicate(&mut self, from: u64, to: u64) {
        let leader = self.members[&from].clone();
        let (Some(ballot), false) = (leader.leads, from == to) else { return };
        if self.members[&to].ballot() > Some(ballot) {
            return;
        }
        self.save_vote(to, ballot, true);
        let (count, held) = (leader.log.len(), &self.members[&to].log);
        let start = self.up_to(count.min(held.len()));
        let end = (start + self.up_to(2 * count - start)).min(count);
        let before = start.checked_sub(1);
        let matches = before.is_none_or(|at| held.get(at) == leader.log.get(at));
        if !matches && self.fault != Fault::AppendsAnywhere {
            return;
        }
        for (offset, (entry, payload)) in leader.log[start..end].iter().enumerate() {
            self.take(to, start + offset, *entry, *payload);
        }
        let follower = self.member(to);
        follower.committed = follower.committed.max(leader.committed.min(end));
        if self.random.below(4) > 0 {
            self.acknowledge(from, to, end);
        }
    }

    fn up_to(&self, most: usize) -> usize {
        self.random.below(most as u64 + 1) as usize
    }

    fn take(&mut self, id: u64, at: usize, entry: LogId, payload: u64) {
        let member = self.member(id);
        if member.log.get(at).is_some_and(|(held, _)| *held == entry) {
            return;
        }
        let conflicts = member.log.len() > at;
        member.log.truncate(at);
        member.log.push((entry, payload));
        if conflicts {
            self.truncate(id, entry.index);
        }
        self.oracle.appended(replica(id), &[(entry, payload)]);
    }

    fn truncate(&self, id: u64, from: u64) {
        self.oracle.truncates(replica(id), from);
        self.oracle.truncated(replica(id));
    }

    fn acknowledge(&mut self, leader: u64, from: u64, count: usize) {
        let fault = self.fault;
        let leader = self.member(leader);
        let matched = leader.matched.entry(from).or_default();
        *matched = count.max(*matched);
        let mut counts: Vec<usize> = leader.matched.values().copied().collect();
        counts.push(leader.log.len());
        counts.sort_unstable_by(|one, two| two.cmp(one));
        let Some(held) = counts.get(NODES as usize / 2).copied() else { return };
        let last = held.checked_sub(1).map(|at| leader.log[at].0);
        let last = last.map(|entry| (entry.term, entry.leader));
        if last == leader.leads || fault == Fault::CountsOldEntries {
            leader.committed = leader.committed.max(held);
        }
    }

    fn apply(&mut self, id: u64) {
        let oracle = self.oracle.clone();
        let member = self.member(id);
        while member.applied < member.committed.min(member.log.len()) {
            let (entry, digest) = member.log[member.applied];
            member.applied += 1;
            oracle.applied(replica(id), &[Applied { id: entry, digest, answers: digest }]);
        }
        let state = member.log[..member.applied].iter();
        let digest = state.fold(0_u64, |digest, (_, payload)| digest.rotate_left(7) ^ payload);
        oracle.held(replica(id), member.applied as u64, digest);
    }

    fn send_snapshot(&mut self, from: u64, to: u64) {
        let source = self.members[&from].clone();
        let newer = source.applied > self.members[&to].applied;
        let Some(ballot) = source.leads.filter(|_| from != to && newer) else { return };
        if self.members[&to].ballot() > Some(ballot) {
            return;
        }
        if self.fault != Fault::IgnoresLeaders {
            self.save_vote(to, ballot, true);
        }
        let last = source.applied - 1;
        let entry = source.log[last].0;
        let target = self.member(to);
        // What follows the snapshot's last entry stays only where that entry matches (section 7).
        let follows = target.log.get(last) == source.log.get(last);
        let held = target.log.len();
        let rest = target.log.split_off(source.applied.min(held));
        target.log = source.log[..source.applied].to_vec();
        target.log.extend(rest.into_iter().filter(|_| follows));
        target.applied = source.applied;
        target.flushed = source.applied;
        target.committed = target.committed.max(source.applied);
        if !follows && held > source.applied {
            self.truncate(to, entry.index + 1);
        }
        self.oracle.installed(replica(to), Some(entry));
        self.oracle.purges(replica(to), entry, Some(entry.index));
    }

    fn restart(&mut self, id: u64) {
        let (forgets, oracle) = (self.fault == Fault::ForgetsVote, self.oracle.clone());
        let (flushed, applied) = (self.members[&id].flushed, self.members[&id].applied);
        let kept = flushed + self.up_to(applied - flushed);
        let member = self.member(id);
        member.leads = None;
        member.applied = kept;
        member.committed = kept;
        member.vote = member.vote.filter(|_| !forgets);
        let vote = |((term, candidate), granted)| Vote { term, candidate, granted };
        let found = Found { purged: None, entries: member.log.clone() };
        oracle.log_opened(replica(id), &found, member.vote.map(vote));
        let last = kept.checked_sub(1).map(|at| member.log[at].0);
        oracle.state_opened(replica(id), last);
    }
}

/// The first promise that a model with this fault breaks.
fn broken(fault: Fault, seed: u64) -> Option<String> {
    let mut model = Model::new(fault, seed);
    (0..600).find_map(|_| {
        model.step();
        super::broken(&model.oracle)
    })
}

/// Within how many seeds a fault must show.
const SEEDS: u64 = 5_000;

fn is_found(fault: Fault, promises: &[&str]) {
    let shows = |name: String| promises.contains(&name.as_str());
    let found = (0..SEEDS).any(|seed| broken(fault, seed).is_some_and(shows));
    assert!(found, "{fault:?} is not found in {SEEDS} seeds");
}

#[test]
fn a_correct_raft_breaks_no_promise() {
    for seed in 0..400 {
        assert_eq!(broken(Fault::None, seed), None, "seed {seed}");
    }
}

#[test]
fn the_model_makes_progress() {
    let mut model = Model::new(Fault::None, 1);
    (0..600).for_each(|_| model.step());
    let applied = model.members.values().map(|member| member.applied).max();
    assert!(applied > Some(10), "{applied:?}");
}

#[test]
fn leaders_chosen_regardless_of_their_logs_are_found() {
    is_found(Fault::VotesForAnyLog, &["a leader has all that is committed"]);
}

#[test]
fn counting_copies_of_old_entries_is_found() {
    let promises = ["a leader has all that is committed", "what is committed never changes"];
    is_found(Fault::CountsOldEntries, &promises);
}

#[test]
fn a_forgotten_vote_is_found() {
    is_found(Fault::ForgetsVote, &["a vote is never taken back"]);
}

#[test]
fn appending_regardless_of_the_entry_before_is_found() {
    is_found(Fault::AppendsAnywhere, &["logs match"]);
}

#[test]
fn a_leader_that_drops_its_entries_is_found() {
    is_found(Fault::IgnoresLeaders, &["a leader only adds to its log"]);
}
