//! A vote is never taken back.

use std::collections::BTreeMap;

use super::{Judgement, Replica, Vote};
use crate::check::Violation;

/// The promise: a replica's vote only grows, over restarts too (Raft paper, section 5.2). One that
/// forgets a vote may give it twice, and then there are two leaders.
const PROMISE: &str = "a vote is never taken back";

/// The last durable vote of every replica.
#[derive(Default)]
pub(super) struct Votes(BTreeMap<Replica, Vote>);

impl Votes {
    /// A vote is durable.
    pub(super) fn voted(&mut self, replica: Replica, vote: Vote) -> Judgement {
        match self.0.insert(replica, vote) {
            Some(earlier) if earlier > vote => {
                let detail = format!("{replica}: {earlier:?}, then {vote:?}");
                Err(Violation::new(PROMISE, detail))
            }
            _ => Ok(()),
        }
    }

    /// A restarted replica found this vote.
    pub(super) fn opened(&mut self, replica: Replica, vote: Option<Vote>) -> Judgement {
        match (self.0.get(&replica), vote) {
            (Some(earlier), None) => {
                let detail = format!("{replica}: {earlier:?} was lost in a restart");
                Err(Violation::new(PROMISE, detail))
            }
            (_, Some(vote)) => self.voted(replica, vote),
            (None, None) => Ok(()),
        }
    }
}
