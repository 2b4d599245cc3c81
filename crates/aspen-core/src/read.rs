//! Reads: what to read, how fresh, and in what pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::bounded::bounded_by;
use crate::{InvalidRequest, Key, KeyRange, KeyValue, Revision, ShardId};

/// How many keys one batch read may name.
pub const READ_KEYS_MAX: usize = 10_000;

/// How many results a scan page holds when the caller names no limit.
pub const SCAN_RESULTS_DEFAULT: u32 = 1_000;

/// How many results a scan page may hold at most.
pub const SCAN_RESULTS_MAX: u32 = 10_000;

/// How many bytes of keys and values the answer to one read may hold. A read is answered whole or
/// not at all, so one that finds more fails; read fewer keys at a time.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// An upper bound of what a result adds to a message beside its key and value: their lengths, its
/// counters and its lease.
const RESULT_OVERHEAD_BYTES: usize = 64;

/// How many bytes of keys and values a scan page may hold at most. A page always holds at
/// least one result, so it may exceed this by one key and value.
pub const SCAN_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(SCAN_RESULTS_DEFAULT <= SCAN_RESULTS_MAX);
const _: () = assert!(2 * SCAN_BYTES_MAX < crate::MESSAGE_BYTES_MAX);
const _: () = assert!(
    READ_BYTES_MAX + READ_KEYS_MAX * RESULT_OVERHEAD_BYTES + 64 * 1024 < crate::MESSAGE_BYTES_MAX
);
const _: () = assert!(crate::KEY_BYTES_MAX + crate::VALUE_BYTES_MAX < READ_BYTES_MAX);

bounded_by!(keys_bound, READ_KEYS_MAX);
bounded_by!(entries_bound, SCAN_RESULTS_MAX as usize);

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consistency {
    /// Sees every write acknowledged before the read began. One round trip to a quorum, shared by
    /// all reads that wait.
    #[default]
    Linearizable,
    /// As [`Consistency::Linearizable`] while clocks run within 10 % of each other; saves the
    /// round trip by trusting the leader's lease.
    Lease,
    /// What this replica has applied, however old.
    Stale,
    /// The state at a revision, from history; waits for nothing. Reading at a revision that the
    /// caller learnt from a reply gives the state of that reply.
    AtRevision(Revision),
}

/// Reads keys, all at one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRequest {
    /// The keys, at most [`READ_KEYS_MAX`].
    #[serde(with = "keys_bound")]
    pub keys: Vec<Key>,
    /// How fresh.
    pub consistency: Consistency,
}

impl ReadRequest {
    /// A linearizable read of one key.
    pub fn one(key: Key) -> Self {
        Self { keys: vec![key], consistency: Consistency::Linearizable }
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        match self.keys.len() {
            count if count > READ_KEYS_MAX => {
                Err(InvalidRequest::limit("READ_KEYS_MAX", READ_KEYS_MAX, count))
            }
            _ => Ok(()),
        }
    }
}

/// Counts what a read has found so far against [`READ_BYTES_MAX`]. Whoever collects results charges
/// each one before it looks for the next, so that memory never holds more than the limit and one
/// result.
#[derive(Clone, Debug, Default)]
pub struct ReadBytes {
    bytes: usize,
}

impl ReadBytes {
    /// Counts one result.
    ///
    /// # Errors
    /// Names the limit when the result is one too many.
    pub fn charge(&mut self, found: &KeyValue) -> Result<(), InvalidRequest> {
        self.bytes += found.len_bytes();
        match self.bytes {
            bytes if bytes > READ_BYTES_MAX => {
                Err(InvalidRequest::limit("READ_BYTES_MAX", READ_BYTES_MAX, bytes))
            }
            _ => Ok(()),
        }
    }
}

/// The answer to a [`ReadRequest`]; at most [`READ_BYTES_MAX`] bytes of keys and values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReply {
    /// The revision at which everything was read.
    pub revision: Revision,
    /// One per key asked for, in the same order.
    #[serde(with = "keys_bound")]
    pub values: Vec<Option<KeyValue>>,
}

/// The direction of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScanOrder {
    /// From the first key to the last.
    #[default]
    Forward,
    /// From the last key to the first.
    Reverse,
}

/// What a scan returns of each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// Key, value and counters.
    #[default]
    Full,
    /// Everything but the value, which is left empty.
    KeysOnly,
    /// Only the number of keys in the whole range (from the cursor on); limits do not apply.
    CountOnly,
}

/// Reads a page of a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanRequest {
    /// The range.
    pub range: KeyRange,
    /// The direction.
    pub order: ScanOrder,
    /// At most this many results, `1..=SCAN_RESULTS_MAX`.
    pub limit: u32,
    /// Stop after the result with which keys and values reach this many bytes, at most
    /// [`SCAN_BYTES_MAX`].
    pub bytes_max: usize,
    /// What to return of each key.
    pub projection: Projection,
    /// How fresh. Ignored with a cursor, which carries its own revision.
    pub consistency: Consistency,
    /// Where the page before ended. The page is read at the revision of the first page, so that
    /// pages lose and repeat nothing under concurrent writes.
    pub cursor: Option<Cursor>,
}

impl ScanRequest {
    /// A linearizable forward scan with the default limits.
    pub fn new(range: KeyRange) -> Self {
        Self {
            range,
            order: ScanOrder::Forward,
            limit: SCAN_RESULTS_DEFAULT,
            bytes_max: SCAN_BYTES_MAX,
            projection: Projection::Full,
            consistency: Consistency::Linearizable,
            cursor: None,
        }
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        if self.limit > SCAN_RESULTS_MAX {
            let (limit, actual) = (SCAN_RESULTS_MAX as usize, self.limit as usize);
            return Err(InvalidRequest::limit("SCAN_RESULTS_MAX", limit, actual));
        }
        if self.bytes_max > SCAN_BYTES_MAX {
            return Err(InvalidRequest::limit("SCAN_BYTES_MAX", SCAN_BYTES_MAX, self.bytes_max));
        }
        if self.limit == 0 || self.bytes_max == 0 {
            return Err(InvalidRequest::new("scan limit and bytes_max must be at least 1"));
        }
        Ok(())
    }

    /// The part of the range that the cursor leaves.
    pub fn remaining_range(&self) -> KeyRange {
        let mut range = self.range.clone();
        match (&self.cursor, self.order) {
            (None, _) => {}
            (Some(cursor), ScanOrder::Forward) => {
                range.start = range.start.max(cursor.last_key.successor());
            }
            (Some(cursor), ScanOrder::Reverse) => {
                let last = cursor.last_key.clone().into_bytes();
                range.end = Some(range.end.map_or(last.clone(), |end| end.min(last)));
            }
        }
        range
    }

    /// The consistency in force: a cursor reads at its own revision.
    pub fn effective_consistency(&self) -> Consistency {
        match &self.cursor {
            Some(cursor) => Consistency::AtRevision(cursor.revision),
            None => self.consistency,
        }
    }
}

/// Where a page ended; give it back to read the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The revision that every page of the scan reads; [`Revision::OF_SEVERAL_SHARDS`] when
    /// `shards` names one for each.
    pub revision: Revision,
    /// The last key of the page.
    pub last_key: Key,
    /// For a scan over several shards, the revision that every page reads of each; otherwise empty.
    /// No message carries it, since a node is asked for one shard at a time.
    #[serde(skip)]
    pub shards: BTreeMap<ShardId, Revision>,
}

impl Cursor {
    /// Where a page of one shard ended.
    pub const fn new(revision: Revision, last_key: Key) -> Self {
        Self { revision, last_key, shards: BTreeMap::new() }
    }
}

/// A page of a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPage {
    /// The revision at which the page was read.
    pub revision: Revision,
    /// The results in the scan's order; empty for a count.
    #[serde(with = "entries_bound")]
    pub entries: Vec<KeyValue>,
    /// The number of results, or of keys in the range for a count.
    pub count: u64,
    /// Where to go on; `None` when the range is exhausted.
    pub cursor: Option<Cursor>,
}
