//! Settings of consensus on one node.

use std::time::Duration;

use aspen_core::{BATCH_PROPOSALS_MAX, runtime};
use serde::{Deserialize, Serialize};

/// How this node takes part in its groups. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RaftOptions {
    /// How often a leader tells its followers that it lives. Shorter notices trouble sooner and
    /// costs more idle messages per group; must stay below `election_ms_min`.
    pub heartbeat_ms: u64,
    /// The least time without a leader before a follower seeks votes. Shorter fails over sooner;
    /// longer tolerates slower disks and networks.
    pub election_ms_min: u64,
    /// The most such time, over five quarters of the least; a leader's lease is two fifths of it.
    /// The wider the gap to the minimum, the rarer two candidates split the votes; the shorter it
    /// is, the sooner a failover is over.
    pub election_ms_max: u64,
    /// How long a vote or heartbeat may take. Shorter gives up on dead peers sooner; longer
    /// tolerates slow links.
    pub vote_timeout_ms: u64,
    /// How long an append of entries or a snapshot chunk may take. Longer lets slow disks finish;
    /// shorter resends sooner.
    pub append_timeout_ms: u64,
    /// How long a follower may take to verify and install a snapshot it has received. Longer
    /// tolerates larger states; shorter retries a stuck follower sooner.
    pub install_timeout_ms: u64,
    /// How long a proposal may take before its caller hears that its outcome is unknown. Longer
    /// rides out a change of leader; shorter answers sooner.
    pub proposal_timeout_ms: u64,
    /// How long a read may wait for its turn. Longer rides out a change of leader; shorter answers
    /// sooner.
    pub read_timeout_ms: u64,
    /// How long a change of membership may take, the new member's catching up included. Longer
    /// suits larger states; shorter tells the operator sooner.
    pub membership_timeout_ms: u64,
    /// How many proposals of a group may be unanswered; one more is refused as overloaded. More
    /// merges more into one sync; fewer bounds memory and the wait of each.
    pub operations_in_flight_max: usize,
    /// How many calls that read from a group may be unanswered; one more is refused as overloaded.
    /// More absorbs larger bursts; fewer bounds memory.
    pub reads_waiting_max: usize,
    /// How many proposals share a log entry. More pays consensus' cost per entry less often; fewer
    /// bounds the time that one entry takes to apply.
    pub batch_proposals_max: usize,
    /// How many bytes of proposals share a log entry; a single larger proposal has an entry alone.
    /// More is cheaper per byte; fewer keeps messages short.
    pub batch_bytes_max: usize,
    /// How many entries of one group may be under way at once. More hides the time a sync takes;
    /// fewer makes larger, cheaper entries.
    pub batches_in_flight_max: usize,
    /// How long superseded versions of keys stay readable. Longer serves later readers and
    /// watchers; shorter keeps files small.
    pub history_ms: u64,
    /// How many bytes of log a group keeps before it purges what its durable state covers; at twice
    /// as many it has the state flushed. More spares lagging followers a snapshot and the state
    /// machine small flushes; fewer replays faster after a crash.
    pub log_bytes_kept: u64,
    /// How many bytes of recent entries a group keeps in memory for its followers and for `apply`.
    /// More spares reads of the log file; fewer saves memory.
    pub entry_cache_bytes: usize,
    /// Whether a leader sends entries to its followers while its own log still syncs them. With it
    /// a write waits for the slower of two syncs that run at the same time; without it for one
    /// after the other, and a leader whose disk hangs stops sending at once.
    pub overlap_syncs: bool,
    /// Whether a restarted node stays silent for one lease: it neither votes nor campaigns.
    /// Without it a restart forgets what it promised a leader and lease reads may be stale; with
    /// it a wholly restarted cluster elects later by that much.
    pub silent_start: bool,
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            heartbeat_ms: 500,
            election_ms_min: 1_500,
            election_ms_max: 3_000,
            vote_timeout_ms: 500,
            append_timeout_ms: 5_000,
            install_timeout_ms: 120_000,
            proposal_timeout_ms: 5_000,
            read_timeout_ms: 5_000,
            membership_timeout_ms: 60_000,
            operations_in_flight_max: 1_000,
            reads_waiting_max: 10_000,
            batch_proposals_max: 512,
            batch_bytes_max: 1024 * 1024,
            batches_in_flight_max: 4,
            history_ms: 300_000,
            log_bytes_kept: 32 * 1024 * 1024,
            entry_cache_bytes: 8 * 1024 * 1024,
            overlap_syncs: true,
            silent_start: true,
        }
    }
}

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidOptions {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl RaftOptions {
    /// Checks the settings and their relations.
    ///
    /// # Errors
    /// Names the first setting that cannot work.
    pub fn validate(&self) -> Result<(), InvalidOptions> {
        self.validate_times()?;
        let counts = [
            ("operations_in_flight_max", self.operations_in_flight_max),
            ("reads_waiting_max", self.reads_waiting_max),
            ("batch_proposals_max", self.batch_proposals_max),
            ("batch_bytes_max", self.batch_bytes_max),
            ("batches_in_flight_max", self.batches_in_flight_max),
        ];
        if let Some((field, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(invalid(field, "must be at least 1"));
        }
        if self.batch_proposals_max > BATCH_PROPOSALS_MAX {
            let problem = format!("must be at most {BATCH_PROPOSALS_MAX} (BATCH_PROPOSALS_MAX)");
            return Err(invalid("batch_proposals_max", problem));
        }
        Ok(())
    }

    fn validate_times(&self) -> Result<(), InvalidOptions> {
        let times = [
            ("heartbeat_ms", self.heartbeat_ms),
            ("vote_timeout_ms", self.vote_timeout_ms),
            ("append_timeout_ms", self.append_timeout_ms),
            ("install_timeout_ms", self.install_timeout_ms),
            ("proposal_timeout_ms", self.proposal_timeout_ms),
            ("read_timeout_ms", self.read_timeout_ms),
            ("membership_timeout_ms", self.membership_timeout_ms),
        ];
        if let Some((field, _)) = times.into_iter().find(|(_, time)| *time == 0) {
            return Err(invalid(field, "must be at least 1 ms"));
        }
        if self.heartbeat_ms >= self.election_ms_min {
            let problem = format!("must stay below election_ms_min ({})", self.election_ms_min);
            return Err(invalid("heartbeat_ms", problem));
        }
        if self.election_ms_min >= 2 * self.lease_ms() {
            let problem = format!(
                "must stay below four fifths of election_ms_max ({})",
                self.election_ms_max
            );
            return Err(invalid("election_ms_min", problem));
        }
        if self.campaign_ms_min() >= self.lease_ms() {
            let problem = format!(
                "must be over three and a quarter times heartbeat_ms ({}): a leader's lease is two \
                 fifths of it",
                self.heartbeat_ms
            );
            return Err(invalid("election_ms_max", problem));
        }
        Ok(())
    }

    /// openraft's view of the settings.
    pub(crate) fn to_config(&self, group: &str) -> openraft::Config {
        openraft::Config {
            cluster_name: group.to_owned(),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.campaign_ms_min(),
            election_timeout_max: self.lease_ms(),
            install_snapshot_timeout: self.install_timeout_ms,
            max_payload_entries: APPEND_ENTRIES_MAX,
            // Snapshots and purges are decided by the maintenance task, by bytes, not by counts.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            replication_lag_threshold: LEARNER_LAG_ENTRIES_MAX,
            enable_pre_vote: Some(true),
            // A restored leader would reuse log ids of entries that it sent but lost.
            enable_leader_restore: Some(runtime::planted("leader-restore")),
            // A write waits for both the leader's and a follower's sync; followers begin as soon as
            // they can.
            broadcast_submitted_on_append: Some(true),
            ..openraft::Config::default()
        }
    }

    pub(crate) fn vote_timeout(&self) -> Duration {
        Duration::from_millis(self.vote_timeout_ms)
    }

    pub(crate) fn append_timeout(&self) -> Duration {
        Duration::from_millis(self.append_timeout_ms)
    }

    pub(crate) fn install_timeout(&self) -> Duration {
        Duration::from_millis(self.install_timeout_ms)
    }

    pub(crate) fn proposal_timeout(&self) -> Duration {
        Duration::from_millis(self.proposal_timeout_ms)
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    pub(crate) fn membership_timeout(&self) -> Duration {
        Duration::from_millis(self.membership_timeout_ms)
    }

    /// How long a failover may take.
    pub(crate) fn election_time_max(&self) -> Duration {
        Duration::from_millis(self.election_ms_max)
    }

    /// How long a leader's lease may outlive its last contact.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms())
    }

    /// A follower of openraft first waits for its leader's lease, which is as long as the longest
    /// election timeout, and then for a random election timeout: up to twice that together. The
    /// last fifth of `election_ms_max` is left for the votes, and for the vote after a split one.
    fn lease_ms(&self) -> u64 {
        self.election_ms_max / 5 * 2
    }

    /// The shortest time that a follower waits after the lease. It must pass a heartbeat and the
    /// tick of the clock that counts it.
    fn campaign_ms_min(&self) -> u64 {
        let after_lease = self.election_ms_min.saturating_sub(self.lease_ms());
        after_lease.max(self.heartbeat_ms.saturating_add(self.heartbeat_ms / 4 + 1))
    }
}

/// How many entries one append message carries at most.
const APPEND_ENTRIES_MAX: u64 = 1_024;

/// How many entries a learner may lack and still count as caught up. Under load it is always a few
/// behind; each of these takes it far less time than an election.
const LEARNER_LAG_ENTRIES_MAX: u64 = 64;

fn invalid(field: &'static str, problem: impl Into<String>) -> InvalidOptions {
    InvalidOptions { field, problem: problem.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn defaults_are_valid_for_both_libraries() {
        RaftOptions::default().validate().unwrap();
        RaftOptions::default().to_config("meta").validate().unwrap();
    }

    /// What a follower waits in all: the lease, then openraft's own election timeout.
    #[test]
    fn a_follower_campaigns_within_the_configured_times() {
        for (heartbeat_ms, min, max) in [(500, 1_500, 3_000), (150, 600, 1_200), (100, 400, 4_000)]
        {
            let (election_ms_min, election_ms_max) = (min, max);
            let options = RaftOptions {
                heartbeat_ms,
                election_ms_min,
                election_ms_max,
                ..Default::default()
            };
            options.validate().unwrap();
            let config = options.to_config("meta").validate().unwrap();
            let lease = config.election_timeout_max;
            assert!(lease + config.election_timeout_min >= min, "{config:?}");
            assert!(lease + config.election_timeout_max <= max, "{config:?}");
        }
    }

    #[test]
    fn an_impossible_relation_names_its_field() {
        let options = RaftOptions { heartbeat_ms: 2_000, ..RaftOptions::default() };
        assert_eq!(options.validate().unwrap_err().field, "heartbeat_ms");
        let options = RaftOptions { election_ms_min: 3_000, ..RaftOptions::default() };
        assert_eq!(options.validate().unwrap_err().field, "election_ms_min");
        let options = RaftOptions { heartbeat_ms: 1_300, ..RaftOptions::default() };
        assert_eq!(options.validate().unwrap_err().field, "election_ms_max");
        let options = RaftOptions { batch_proposals_max: 0, ..RaftOptions::default() };
        assert_eq!(options.validate().unwrap_err().field, "batch_proposals_max");
        let options = RaftOptions { batch_proposals_max: 1 << 20, ..RaftOptions::default() };
        assert_eq!(options.validate().unwrap_err().field, "batch_proposals_max");
    }
}
