//! What was committed, and what applying it gave.

use std::collections::BTreeMap;

use aspen_core::GroupId;

use super::logs::Logs;
use super::{Judgement, LogId, Replica};
use crate::check::Violation;

/// Two replicas never apply different entries at one index (Raft paper, section 5.4.3, "State
/// Machine Safety Property").
const UNCHANGED: &str = "what is committed never changes";

/// A committed entry is in the log of every later leader (section 5.4, "Leader Completeness
/// Property").
const COMPLETE: &str = "a leader has all that is committed";

/// Applying the same entries gives the same answers everywhere.
const SAME_ANSWERS: &str = "replicas answer alike";

/// What a state machine has called durable is there after any restart.
const FLUSHED: &str = "a flushed state stays";

/// A restarted replica has a log that goes on where its state ends.
const NO_GAP: &str = "the log goes on where the state ends";

/// An entry that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) id: LogId,
    /// A digest of what it does.
    pub(crate) digest: u64,
    /// A digest of what it answered.
    pub(crate) answers: u64,
}

/// Everything that was applied anywhere, and how far each replica is.
#[derive(Default)]
pub(super) struct Committed {
    entries: BTreeMap<GroupId, BTreeMap<u64, Applied>>,
    /// The last entry that each replica applied.
    applied: BTreeMap<Replica, LogId>,
    /// The last entry that each replica's state holds durably.
    flushed: BTreeMap<Replica, LogId>,
}

impl Committed {
    /// An entry was applied.
    pub(super) fn applied(&mut self, replica: Replica, entry: Applied) -> Judgement {
        let id = entry.id;
        if let Some(last) = self.applied.insert(replica, id)
            && last.index + 1 != id.index
        {
            let detail = format!("{replica} applied {id} after {last}");
            return Err(Violation::new(UNCHANGED, detail));
        }
        let entries = self.entries.entry(replica.group).or_default();
        let known = *entries.entry(id.index).or_insert(entry);
        if (known.id, known.digest) != (entry.id, entry.digest) {
            let detail = format!("{replica} applied {id}, another replica {}", known.id);
            return Err(Violation::new(UNCHANGED, detail));
        }
        if known.answers != entry.answers {
            let detail = format!("{replica} gave another answer to {id} than another replica");
            return Err(Violation::new(SAME_ANSWERS, detail));
        }
        Ok(())
    }

    /// A replica opened its state, and its log has forgotten all up to `purged`.
    pub(super) fn opened(
        &mut self,
        replica: Replica,
        applied: Option<LogId>,
        purged: Option<LogId>,
    ) -> Judgement {
        let flushed = self.flushed.get(&replica).copied();
        if applied.map(|id| id.index) < flushed.map(|id| id.index) {
            let detail = format!("{replica}: {flushed:?} was flushed, found {applied:?}");
            return Err(Violation::new(FLUSHED, detail));
        }
        if applied.map(|id| id.index) < purged.map(|id| id.index) {
            let detail = format!("{replica}: state up to {applied:?}, log from {purged:?}");
            return Err(Violation::new(NO_GAP, detail));
        }
        self.stands_at(replica, applied)
    }

    /// A replica installed a snapshot.
    pub(super) fn installed(&mut self, replica: Replica, upto: Option<LogId>) -> Judgement {
        self.flushed(replica, upto);
        self.stands_at(replica, upto)
    }

    fn stands_at(&mut self, replica: Replica, at: Option<LogId>) -> Judgement {
        let Some(at) = at else {
            self.applied.remove(&replica);
            return Ok(());
        };
        self.applied.insert(replica, at);
        let entries = self.entries.get(&replica.group);
        match entries.and_then(|entries| entries.get(&at.index)) {
            Some(known) if known.id != at => {
                let detail = format!("{replica} stands at {at}, another replica at {}", known.id);
                Err(Violation::new(UNCHANGED, detail))
            }
            _ => Ok(()),
        }
    }

    /// A replica's state is durable.
    pub(super) fn flushed(&mut self, replica: Replica, upto: Option<LogId>) {
        if let Some(upto) = upto {
            self.flushed.insert(replica, upto);
        }
    }

    /// A leader writes its first entry: all that is committed must be before it.
    pub(super) fn judge_leader(&self, replica: Replica, first: LogId, logs: &Logs) -> Judgement {
        let Some(entries) = self.entries.get(&replica.group) else { return Ok(()) };
        for entry in entries.values() {
            // What a later leader committed does not concern an earlier one that writes late.
            let earlier = (entry.id.term, entry.id.leader) < (first.term, first.leader);
            if earlier && (entry.id.index >= first.index || !logs.holds(replica, entry.id)) {
                let detail = format!("{replica} begins with {first} and lacks {}", entry.id);
                return Err(Violation::new(COMPLETE, detail));
            }
        }
        Ok(())
    }

    /// A log loses its end: nothing committed may be there.
    pub(super) fn judge_truncation(&self, replica: Replica, from: u64, logs: &Logs) -> Judgement {
        let Some(entries) = self.entries.get(&replica.group) else { return Ok(()) };
        match entries.range(from..).find(|(_, entry)| logs.holds(replica, entry.id)) {
            Some((_, entry)) => {
                let detail = format!("{replica} truncates {}", entry.id);
                Err(Violation::new(UNCHANGED, detail))
            }
            None => Ok(()),
        }
    }
}
