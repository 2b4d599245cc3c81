//! A vote is never taken back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Judgement, Replica, Vote};
use crate::check::Violation;

/// The promise: a replica's vote only grows, over restarts too (Raft paper, section 5.2). One that
/// forgets a vote may give it twice, and then there are two leaders.
const PROMISE: &str = "a vote is never taken back";

/// The last durable vote of every replica, and the terms in which it stood for leader.
#[derive(Default)]
pub(super) struct Votes {
    last: BTreeMap<Replica, Vote>,
    stood: BTreeSet<(Replica, u64)>,
}

impl Votes {
    /// A vote is durable.
    pub(super) fn voted(&mut self, replica: Replica, vote: Vote) -> Judgement {
        if vote.candidate == replica.node.get() {
            self.stood.insert((replica, vote.term));
        }
        match self.last.insert(replica, vote) {
            Some(earlier) if earlier > vote => {
                let detail = format!("{replica}: {earlier:?}, then {vote:?}");
                Err(Violation::new(PROMISE, detail))
            }
            _ => Ok(()),
        }
    }

    /// A restarted replica found this vote.
    pub(super) fn opened(&mut self, replica: Replica, vote: Option<Vote>) -> Judgement {
        match (self.last.get(&replica), vote) {
            (Some(earlier), None) => {
                let detail = format!("{replica}: {earlier:?} was lost in a restart");
                Err(Violation::new(PROMISE, detail))
            }
            (_, Some(vote)) => self.voted(replica, vote),
            (None, None) => Ok(()),
        }
    }
    /// Whether a replica has voted for itself in a term.
    pub(super) fn has_stood(&self, replica: Replica, term: u64) -> bool {
        self.stood.contains(&(replica, term))
    }

    /// The term in which a replica leads, as far as it knows.
    pub(super) fn leads(&self, replica: Replica) -> Option<u64> {
        let vote = self.last.get(&replica)?;
        (vote.granted && vote.candidate == replica.node.get()).then_some(vote.term)
    }
}
