//! What replies weigh, and how much a transaction may read.

use aspen_core::{
    InvalidRequest, KeyValue, OperationResult, Rejection, Reply, SCAN_BYTES_MAX, SCAN_RESULTS_MAX,
};

/// What any reply or entry counts beside keys and values: its counters, at their longest.
const COUNTERS_BYTES: usize = 48;

/// What the result of an operation counts beside an entry: two counters, at their longest.
const RESULT_BYTES: usize = 24;

/// What a kept reply counts, in bytes. An upper bound of its encoding that costs no encoding. It
/// decides what a session drops, so it is part of the replicated semantics: it never changes.
pub(in crate::state) fn reply_len_bytes(reply: &Reply) -> u64 {
    let content = match reply {
        Reply::Transaction(outcome) => outcome.results.iter().map(result_len_bytes).sum(),
        Reply::Rejected(Rejection::Conflict(conflict)) => {
            let range = conflict.range.as_ref();
            let bounds = range.map_or(0, |range| {
                range.start.len() + range.end.as_ref().map_or(0, |end| end.len())
            });
            conflict.key.as_bytes().len() + bounds
        }
        Reply::Rejected(Rejection::Invalid(detail)) => detail.len(),
        Reply::SessionOpen
        | Reply::Compacted { .. }
        | Reply::LeaseGranted { .. }
        | Reply::LeaseRevoked { .. }
        | Reply::LeasesExpired { .. }
        | Reply::RevisionPinned { .. }
        | Reply::Rejected(_) => 0,
    };
    (COUNTERS_BYTES + content) as u64
}

fn result_len_bytes(result: &OperationResult) -> usize {
    let content = match result {
        OperationResult::Put { .. } | OperationResult::Deleted { .. } => 0,
        OperationResult::Get(found) => {
            found.as_ref().map_or(0, |entry| COUNTERS_BYTES + entry.len_bytes())
        }
        OperationResult::Scan { entries, .. } => {
            entries.iter().map(|entry| COUNTERS_BYTES + entry.len_bytes()).sum()
        }
    };
    RESULT_BYTES + content
}

/// How much a transaction has read so far: together no more than a scan page may hold, so that its
/// reply fits a message.
#[derive(Default)]
pub(super) struct ReadBudget {
    results: usize,
    bytes: usize,
}

impl ReadBudget {
    /// Counts one result; the rejection of the transaction when it is one too many.
    pub(super) fn charge(&mut self, entry: &KeyValue) -> Result<(), Rejection> {
        self.results += 1;
        self.bytes += entry.len_bytes();
        within("SCAN_RESULTS_MAX", SCAN_RESULTS_MAX as usize, self.results)?;
        within("SCAN_BYTES_MAX", SCAN_BYTES_MAX, self.bytes)
    }
}

/// The rejection that names a limit when `actual` exceeds it.
pub(super) fn within(name: &str, limit: usize, actual: usize) -> Result<(), Rejection> {
    match actual {
        actual if actual > limit => {
            Err(Rejection::Invalid(InvalidRequest::limit(name, limit, actual).to_string()))
        }
        _ => Ok(()),
    }
}
