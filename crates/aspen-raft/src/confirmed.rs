//! What a follower has confirmed to the leader of one term.
//!
//! A follower may refuse entries, but not those that it has confirmed before: then its disk has
//! lost what a majority may have been counted for. The consensus library takes that for impossible
//! and would end the leader. Such a node counts as unreachable instead, until it is removed from
//! the group; a node with an empty disk joins under a new id.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::types::{LeaderId, LogId};
use crate::wire::Malformed;

/// The confirmations of all followers. Clones of one follower's share them.
#[derive(Debug, Default)]
pub(crate) struct Confirmations(BTreeMap<u64, Arc<Confirmed>>);

impl Confirmations {
    /// Those of one follower.
    pub(crate) fn of(&mut self, node: u64) -> Arc<Confirmed> {
        self.0.entry(node).or_default().clone()
    }

    /// Those of a follower of whom nothing is known: a member that was removed may come back.
    pub(crate) fn renewed(&mut self, node: u64) -> Arc<Confirmed> {
        self.0.remove(&node);
        self.of(node)
    }
}

/// How far one follower has confirmed the log of the leader that asked last.
#[derive(Debug, Default)]
pub(crate) struct Confirmed(Mutex<Option<(LeaderId, LogId)>>);

impl Confirmed {
    /// Records that the follower holds the leader's log up to `upto`.
    pub(crate) fn advance(&self, leader: LeaderId, upto: Option<LogId>) {
        let Some(upto) = upto else { return };
        let mut confirmed = self.0.lock();
        let before = confirmed.filter(|(of, _)| *of == leader).map(|(_, before)| before);
        *confirmed = Some((leader, before.map_or(upto, |before| before.max(upto))));
    }

    /// Whether the follower may say that it lacks the leader's entry at `refused`.
    ///
    /// # Errors
    /// It has confirmed that entry to the same leader.
    pub(crate) fn check_refusal(
        &self,
        leader: LeaderId,
        refused: Option<LogId>,
    ) -> Result<(), Malformed> {
        let confirmed = self.0.lock().filter(|(of, _)| *of == leader).map(|(_, upto)| upto);
        match (confirmed, refused) {
            (Some(confirmed), Some(refused)) if refused.index <= confirmed.index => {
                Err(Malformed(format!("it has lost {refused}: remove it, and let it join anew")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_one_leader_heard_is_not_taken_back() {
        let leader = |term| LeaderId { term, node_id: 1 };
        let at = |term, index| Some(LogId { leader_id: leader(term), index });
        let mut confirmations = Confirmations::default();
        let confirmed = confirmations.of(2);
        confirmed.check_refusal(leader(3), at(3, 9)).unwrap();
        confirmed.advance(leader(3), at(3, 9));
        confirmed.advance(leader(3), at(3, 7));
        assert!(confirmed.check_refusal(leader(3), at(3, 9)).is_err());
        assert!(confirmed.check_refusal(leader(3), at(2, 1)).is_err());
        confirmed.check_refusal(leader(3), at(3, 10)).unwrap();
        // A leader in between may have had it removed.
        confirmed.check_refusal(leader(5), at(3, 9)).unwrap();
        confirmed.advance(leader(5), at(3, 4));
        confirmed.check_refusal(leader(5), at(3, 9)).unwrap();
        assert!(confirmations.of(2).check_refusal(leader(5), at(3, 4)).is_err());
        confirmations.renewed(2).check_refusal(leader(5), at(3, 4)).unwrap();
    }
}
