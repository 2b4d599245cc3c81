//! The logs of all replicas.

use std::collections::BTreeMap;

use aspen_core::GroupId;

use super::{Judgement, LogId, Replica};
use crate::check::Violation;

/// If two logs hold an entry of one index, term and leader, it is the same one, and so is
/// everything before it (Raft paper, section 5.3, "Log Matching Property").
const MATCHING: &str = "logs match";

/// What a log has called durable is there after any restart, until it is truncated or purged.
const DURABLE: &str = "a durable entry stays";

/// An entry is applied only where it is durable: a state that is ahead of its log has a hole in
/// its history after a restart.
const LOG_FIRST: &str = "the log is durable before the state";

/// Purged entries live on in the durable state.
const COVERED: &str = "the durable state covers what the log forgets";

/// An entry, by its position and a digest of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    id: LogId,
    digest: u64,
}

/// What a log held when it was opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) purged: Option<LogId>,
    pub(crate) entries: Vec<(LogId, u64)>,
}

/// One replica's log.
#[derive(Default)]
struct Log {
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
    /// From where a truncation is under way.
    truncating: Option<u64>,
}

impl Log {
    fn before(&self, index: u64) -> Option<LogId> {
        let entry = self.entries.range(..index).next_back().map(|(_, entry)| entry.id);
        entry.or(self.purged).filter(|id| id.index + 1 == index)
    }
}

/// What is known of an entry wherever it is.
#[derive(Clone, Copy, Debug)]
struct Seen {
    digest: u64,
    before: Option<LogId>,
}

/// Every replica's log, and every entry that ever was in one.
#[derive(Default)]
pub(super) struct Logs {
    logs: BTreeMap<Replica, Log>,
    seen: BTreeMap<(GroupId, LogId), Seen>,
}

impl Logs {
    /// A log was opened: all that it has called durable must be there.
    pub(super) fn opened(&mut self, replica: Replica, found: &Found) -> Judgement {
        let log = self.logs.entry(replica).or_default();
        let gone_upto = found.purged.map(|id| id.index);
        let present: BTreeMap<u64, Entry> = found
            .entries
            .iter()
            .map(|(id, digest)| (id.index, Entry { id: *id, digest: *digest }))
            .collect();
        for (index, entry) in &log.entries {
            let purged = gone_upto.is_some_and(|upto| *index <= upto);
            let truncated = log.truncating.is_some_and(|from| *index >= from);
            if !purged && !truncated && present.get(index) != Some(entry) {
                let detail =
                    format!("{replica}: {} was {:?} after a restart", entry.id, present.get(index));
                return Err(Violation::new(DURABLE, detail));
            }
        }
        *log = Log { purged: found.purged, ..Log::default() };
        for (id, digest) in &found.entries {
            self.appended(replica, *id, *digest)?;
        }
        Ok(())
    }

    /// An entry is durable.
    pub(super) fn appended(&mut self, replica: Replica, id: LogId, digest: u64) -> Judgement {
        let log = self.logs.entry(replica).or_default();
        let before = log.before(id.index);
        log.entries.insert(id.index, Entry { id, digest });
        let seen = self.seen.entry((replica.group, id)).or_insert(Seen { digest, before });
        if seen.digest != digest {
            let detail = format!("{replica}: {id} has another content than elsewhere");
            return Err(Violation::new(MATCHING, detail));
        }
        // The first entry after a snapshot that has just been purged to has nothing before it here.
        if before.is_some() && seen.before.is_some() && before != seen.before {
            let detail =
                format!("{replica}: before {id} is {before:?}, elsewhere {:?}", seen.before);
            return Err(Violation::new(MATCHING, detail));
        }
        seen.before = seen.before.or(before);
        Ok(())
    }

    /// Whether this is the first entry of a leader, in its own log.
    pub(super) fn begins_leadership(&self, replica: Replica, id: LogId) -> bool {
        let log = self.logs.get(&replica);
        let last = log.and_then(|log| log.entries.last_key_value()).map(|(_, entry)| entry.id);
        let last = last.or_else(|| log.and_then(|log| log.purged));
        id.leader == replica.node.get()
            && last.is_none_or(|last| (last.term, last.leader) != (id.term, id.leader))
    }

    /// A truncation begins.
    pub(super) fn truncates(&mut self, replica: Replica, from: u64) {
        self.logs.entry(replica).or_default().truncating = Some(from);
    }

    /// It has ended.
    pub(super) fn truncated(&mut self, replica: Replica) {
        let log = self.logs.entry(replica).or_default();
        if let Some(from) = log.truncating.take() {
            log.entries.split_off(&from);
        }
    }

    /// The beginning goes.
    pub(super) fn purges(
        &mut self,
        replica: Replica,
        upto: LogId,
        flushed: Option<u64>,
    ) -> Judgement {
        if flushed.is_none_or(|flushed| flushed < upto.index) {
            let detail = format!("{replica}: up to {upto}, the state up to {flushed:?}");
            return Err(Violation::new(COVERED, detail));
        }
        let log = self.logs.entry(replica).or_default();
        if log.purged.is_none_or(|purged| purged.index < upto.index) {
            log.entries = log.entries.split_off(&(upto.index + 1));
            log.purged = Some(upto);
        }
        Ok(())
    }

    /// An entry is applied: it must be durable here.
    pub(super) fn judge_applied(&self, replica: Replica, id: LogId) -> Judgement {
        match self.holds(replica, id) {
            true => Ok(()),
            false => Err(Violation::new(LOG_FIRST, format!("{replica} applied {id}"))),
        }
    }

    /// Whether a replica's log has an entry, or had it before it was purged.
    pub(super) fn holds(&self, replica: Replica, id: LogId) -> bool {
        self.logs.get(&replica).is_some_and(|log| {
            log.purged.is_some_and(|purged| purged.index >= id.index)
                || log.entries.get(&id.index).is_some_and(|entry| entry.id == id)
        })
    }

    /// Up to where a replica's log is purged.
    pub(super) fn purged(&self, replica: Replica) -> Option<LogId> {
        self.logs.get(&replica).and_then(|log| log.purged)
    }
}
