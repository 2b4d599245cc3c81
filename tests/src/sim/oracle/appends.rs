//! Appends that a replica does not wait for.

use std::collections::BTreeMap;

use super::{Judgement, Replica};
use crate::check::Violation;

/// What a peer hears is durable: no answer leaves before all that had begun to be written when the
/// question came (Raft paper, section 5: servers answer after they have updated stable storage).
const DURABLE: &str = "what is answered is durable";

#[derive(Clone, Copy, Default)]
struct Counts {
    begun: u64,
    ended: u64,
}

/// How many appends each running replica has begun and ended.
#[derive(Default)]
pub(super) struct Appends(BTreeMap<Replica, Counts>);

impl Appends {
    /// A new process has begun nothing.
    pub(super) fn opened(&mut self, replica: Replica) {
        self.0.remove(&replica);
    }

    pub(super) fn begins(&mut self, replica: Replica) {
        self.0.entry(replica).or_default().begun += 1;
    }

    pub(super) fn ends(&mut self, replica: Replica) {
        self.0.entry(replica).or_default().ended += 1;
    }

    pub(super) fn begun(&self, replica: Replica) -> u64 {
        self.0.get(&replica).map_or(0, |counts| counts.begun)
    }

    /// An answer leaves to a question that came when so many appends had begun.
    pub(super) fn judge_answer(&self, replica: Replica, begun: u64) -> Judgement {
        let ended = self.0.get(&replica).map_or(0, |counts| counts.ended);
        match begun <= ended {
            true => Ok(()),
            false => {
                let detail = format!("{replica}: {begun} appends had begun, {ended} are durable");
                Err(Violation::new(DURABLE, detail))
            }
        }
    }
}
