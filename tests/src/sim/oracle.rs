//! Watches every replica and remembers the first broken promise.
//!
//! The observers around each node's logs and state machines tell it what happened, at the moment
//! when it happened; it knows what no node knows: the logs of all of them, and what was committed.
//! The promises are those of Figure 3 in Ongaro and Ousterhout, "In Search of an Understandable
//! Consensus Algorithm" (USENIX ATC 2014), and what durability and replication promise beyond them.

mod appends;
mod committed;
mod digests;
mod leaders;
mod log_id;
mod logs;
#[cfg(test)]
mod tests;
mod votes;

use std::sync::Arc;

use aspen_core::runtime::watch;
use aspen_core::{GroupId, NodeId};
use parking_lot::Mutex;

pub(crate) use committed::Applied;
pub(crate) use log_id::{LogId, Vote};
pub(crate) use logs::Found;

use self::appends::Appends;
use self::committed::Committed;
use self::digests::Digests;
use self::leaders::{judge_append_only, judge_elected};
use self::logs::Logs;
use self::votes::Votes;
use super::trace;
use crate::check::Violation;

/// One node's replica of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    pub(crate) group: GroupId,
}

impl std::fmt::Display for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {}, {}", self.node, self.group)
    }
}

/// Sees what happens on every node at once.
pub(crate) struct Oracle {
    known: Mutex<Known>,
    verdict: watch::Sender<Option<Violation>>,
}

#[derive(Default)]
struct Known {
    logs: Logs,
    votes: Votes,
    committed: Committed,
    digests: Digests,
    appends: Appends,
}

type Judgement = Result<(), Violation>;

impl Oracle {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { known: Mutex::default(), verdict: watch::Sender::new(None) })
    }

    /// Remembers a broken promise; the first stays.
    pub(crate) fn report(&self, violation: Violation) {
        trace::note("violation", violation.to_string());
        self.verdict.send_if_modified(|verdict| {
            let first = verdict.is_none();
            verdict.get_or_insert(violation);
            first
        });
    }

    /// Waits for the first broken promise.
    pub(crate) async fn first_violation(&self) -> Violation {
        let mut verdict = self.verdict.subscribe();
        let found = verdict.wait_for(Option::is_some).await.map(|found| found.clone());
        match found {
            Ok(Some(violation)) => violation,
            _ => std::future::pending().await,
        }
    }

    fn judge(&self, look: impl FnOnce(&mut Known) -> Judgement) {
        let judgement = look(&mut self.known.lock());
        if let Err(violation) = judgement {
            self.report(violation);
        }
    }

    /// A log answered what was never written.
    pub(crate) fn altered_log(&self, node: NodeId, what: &str) {
        let detail = format!("node {node}, after a bit flipped: {what}");
        self.report(Violation::new("a damaged log is noticed", detail));
    }

    /// A replica opened its log and found this.
    pub(crate) fn log_opened(&self, replica: Replica, found: &Found, vote: Option<Vote>) {
        self.judge(|known| {
            known.appends.opened(replica);
            known.votes.opened(replica, vote)?;
            known.logs.opened(replica, found)
        });
    }

    /// A replica opened its state, which stands there.
    pub(crate) fn state_opened(&self, replica: Replica, applied: Option<LogId>) {
        self.judge(|known| {
            let purged = known.logs.purged(replica);
            known.committed.opened(replica, applied, purged)
        });
    }

    /// A log begins an append that its replica does not wait for.
    pub(crate) fn append_begins(&self, replica: Replica) {
        self.known.lock().appends.begins(replica);
    }

    /// One of those is durable; they come to be in order.
    pub(crate) fn append_ends(&self, replica: Replica) {
        self.known.lock().appends.ends(replica);
    }

    /// How many of those a replica has begun.
    pub(crate) fn appends_begun(&self, replica: Replica) -> u64 {
        self.known.lock().appends.begun(replica)
    }

    /// A replica answers a peer that asked when so many had begun.
    pub(crate) fn answers(&self, replica: Replica, begun: u64) {
        self.judge(|known| known.appends.judge_answer(replica, begun));
    }

    /// A log says that these entries are durable.
    pub(crate) fn appended(&self, replica: Replica, entries: &[(LogId, u64)]) {
        self.judge(|known| {
            for (id, digest) in entries {
                let begins = known.logs.begins_leadership(replica, *id);
                if begins {
                    known.committed.judge_leader(replica, *id, &known.logs)?;
                }
                judge_elected(replica, *id, &known.votes)?;
                known.logs.appended(replica, *id, *digest)?;
            }
            Ok(())
        });
    }

    /// A log is asked to remove its end.
    pub(crate) fn truncates(&self, replica: Replica, from: u64) {
        self.judge(|known| {
            judge_append_only(replica, from, &known.votes)?;
            known.committed.judge_truncation(replica, from, &known.logs)?;
            known.logs.truncates(replica, from);
            Ok(())
        });
    }

    /// It did.
    pub(crate) fn truncated(&self, replica: Replica) {
        self.known.lock().logs.truncated(replica);
    }

    /// A log forgets its beginning; the replica's state is durable up to `flushed`.
    pub(crate) fn purges(&self, replica: Replica, upto: LogId, flushed: Option<u64>) {
        self.judge(|known| known.logs.purges(replica, upto, flushed));
    }

    /// A log says that this vote is durable.
    pub(crate) fn voted(&self, replica: Replica, vote: Vote) {
        self.judge(|known| known.votes.voted(replica, vote));
    }

    /// A replica applied entries.
    pub(crate) fn applied(&self, replica: Replica, entries: &[Applied]) {
        self.judge(|known| {
            for entry in entries {
                known.logs.judge_applied(replica, entry.id)?;
                known.committed.applied(replica, *entry)?;
            }
            Ok(())
        });
    }

    /// A digest of all that a replica's state held at a revision.
    pub(crate) fn held(&self, replica: Replica, revision: u64, digest: u64) {
        self.judge(|known| known.digests.seen(replica, revision, digest));
    }

    /// A replica's state is durable up to there.
    pub(crate) fn flushed(&self, replica: Replica, upto: Option<LogId>) {
        self.known.lock().committed.flushed(replica, upto);
    }

    /// A replica replaced its state by a snapshot.
    pub(crate) fn installed(&self, replica: Replica, upto: Option<LogId>) {
        self.judge(|known| known.committed.installed(replica, upto));
    }
}
