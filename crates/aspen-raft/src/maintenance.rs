//! What a group does for itself in the background: keeps its log short and its history bounded, and
//! finishes changes of voters that were left half-way.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{Command, Proposal, Revision};

use crate::group::Group;
use crate::joint::Finisher;
use crate::purge::{keep_log_short, shorten_log};

/// How often the log's length is looked at. It costs a look at memory when there is nothing to do.
const TICK: Duration = Duration::from_secs(1);

/// How often the revision is remembered: how finely history is cut.
const SAMPLE: Duration = Duration::from_secs(10);

/// Runs until the group is dropped or stopping.
pub(crate) async fn run(group: Weak<Group>) {
    let mut history = History::default();
    let mut finisher = Finisher::default();
    loop {
        runtime::sleep(TICK).await;
        let Some(group) = group.upgrade() else { return };
        if group.replica.is_stopping() {
            return;
        }
        // Followers that lag must then be sent a snapshot instead of entries.
        let shortened = match runtime::buggify("raft-purge-early") {
            true => shorten_log(&group.replica).await,
            false => keep_log_short(&group.replica).await,
        };
        if let Err(error) = shortened {
            tracing::warn!(group = %group.id(), %error, "the log cannot be shortened");
        }
        history.tick(&group).await;
        finisher.tick(&group.replica).await;
    }
}

/// Which revision was current when, so that history older than its time can go. Every replica
/// remembers; the leader acts.
#[derive(Default)]
struct History {
    samples: VecDeque<(Instant, Revision)>,
    compacted: Revision,
}

impl History {
    async fn tick(&mut self, group: &Group) {
        let now = runtime::now();
        let due = self.samples.back().is_none_or(|(at, _)| now.duration_since(*at) >= SAMPLE);
        if due {
            self.samples.push_back((now, group.replica.state.revision()));
        }
        let age = Duration::from_millis(group.replica.options.history_ms);
        if let Some(horizon) = self.take_older_than(now, age) {
            self.compact(group, horizon).await;
        }
    }

    /// Forgets samples that have reached the age; the newest of them is the horizon.
    fn take_older_than(&mut self, now: Instant, age: Duration) -> Option<Revision> {
        let mut horizon = None;
        while let Some((at, revision)) = self.samples.front() {
            if now.duration_since(*at) < age {
                break;
            }
            horizon = Some(*revision);
            self.samples.pop_front();
        }
        horizon.filter(|horizon| *horizon > self.compacted)
    }

    async fn compact(&mut self, group: &Group, horizon: Revision) {
        if !group.replica.is_leader() {
            return;
        }
        let proposal = Proposal { session: None, command: Command::Compact { horizon } };
        match group.propose(vec![proposal]).await.pop() {
            Some(Ok(_)) => self.compacted = horizon,
            Some(Err(error)) => tracing::warn!(group = %group.id(), %error, "not compacted"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_the_newest_sample_that_is_old_enough() {
        let start = runtime::now();
        let mut history = History::default();
        for step in 0..5 {
            let at = start + SAMPLE * step;
            history.samples.push_back((at, Revision::new(u64::from(step) * 10)));
        }
        let now = start + SAMPLE * 4;
        assert_eq!(history.take_older_than(now, SAMPLE * 2), Some(Revision::new(20)));
        assert_eq!(history.samples.len(), 2);
        assert_eq!(history.take_older_than(now, SAMPLE * 2), None);
    }
}
