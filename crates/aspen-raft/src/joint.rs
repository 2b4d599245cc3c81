//! A change of voters that nobody finishes.
//!
//! Voters change in two steps: to a joint membership, in which the old and the new voters each need
//! a majority, and from there to the new one (Raft paper, section 6). Who asked for the change
//! sends both steps. When the leader stops between them, the joint membership stays, and a group
//! that looks as wished cannot spare a node that it should. So the next leader goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;
use openraft::ChangeMembers;

use crate::membership_change::change;
use crate::replica::Replica;
use crate::types::LogId;

/// How long one attempt to finish a change is waited for.
const FINISH_PATIENCE: Duration = Duration::from_secs(1);

/// A joint membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joint {
    at: Option<LogId>,
    /// The voters to come.
    voters: BTreeSet<u64>,
}

/// The joint membership that a group is in; `None` when it is in none.
pub(crate) fn joint(replica: &Replica) -> Option<Joint> {
    replica.with_metrics(|metrics| {
        let configs = metrics.membership_config.membership().get_joint_config();
        let voters = configs.last().filter(|_| configs.len() > 1)?.clone();
        Some(Joint { at: *metrics.membership_config.log_id(), voters })
    })
}

/// Finishes a change that has not gone on from one look to the next.
#[derive(Default)]
pub(crate) struct Finisher {
    seen: Option<Joint>,
    /// Counts the nodes that were asked to lead instead.
    asked: usize,
}

impl Finisher {
    /// Looks; the leader acts.
    pub(crate) async fn tick(&mut self, replica: &Arc<Replica>) {
        let now = joint(replica);
        let stays = now.clone().filter(|_| now == self.seen && replica.is_leader());
        self.seen = now;
        let Some(Joint { voters, .. }) = stays else { return };
        match voters.contains(&replica.node.get()) {
            true => finish(replica, voters).await,
            false => self.hand_over(replica, &voters).await,
        }
    }

    /// A leader that is to vote no more cannot stay one to the end: one of those to come goes on.
    async fn hand_over(&mut self, replica: &Replica, voters: &BTreeSet<u64>) {
        let turn = self.asked % voters.len().max(1);
        self.asked += 1;
        let Some(to) = voters.iter().nth(turn) else { return };
        tracing::info!(group = %replica.group, to, "handing over a change of voters");
        if let Err(error) = replica.raft.trigger().transfer_leader(*to).await {
            tracing::warn!(group = %replica.group, %error, "leadership is not handed over");
        }
    }
}

async fn finish(replica: &Arc<Replica>, voters: BTreeSet<u64>) {
    tracing::info!(group = %replica.group, ?voters, "going on with a change of voters");
    let finishing = change(replica, ChangeMembers::ReplaceAllVoters(voters));
    if let Ok(Err(error)) = runtime::timeout(FINISH_PATIENCE, finishing).await {
        tracing::warn!(group = %replica.group, %error, "a change of voters is not finished");
    }
}
