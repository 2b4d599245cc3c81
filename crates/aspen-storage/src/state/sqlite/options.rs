//! Settings of a SQLite state machine.

use serde::{Deserialize, Serialize};

use crate::state::StateError;

/// How many read connections a group may have; more contend for the same disk and memory.
pub const READERS_MAX: usize = 8;

/// The smallest head layer, in bytes: every flush costs a sync, so a smaller one is all syncs.
pub const HEAD_BYTES_MIN: usize = 64 * 1024;

/// How a SQLite state machine spends memory and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateOptions {
    /// Bytes of recent changes in memory before they are flushed; up to twice as many while a flush
    /// runs. More makes a flush cheaper per change, because more changes share a page and a sync;
    /// less saves memory and leaves less log to replay after a crash.
    pub head_bytes_max: usize,
    /// The longest that a change waits for a flush, in milliseconds. Longer gathers larger flushes
    /// on a quiet group; shorter leaves less log to replay after a crash.
    pub flush_interval_ms: u64,
    /// Read connections, each with a thread, `1..=READERS_MAX`. More serve more reads of cold keys
    /// and scans at once; fewer save memory and leave the cores to writers.
    pub readers: usize,
    /// Bytes of unchanged keys and values kept in memory after a flush or a read. More answers more
    /// reads, and more of the reads that a write needs, without asking the database; less saves
    /// memory.
    pub warm_bytes_max: usize,
    /// Bytes of keys kept in memory with their versions but without their values. More lets more
    /// writes know what they replace without asking the database; less saves memory.
    pub summary_bytes_max: usize,
    /// Bytes of the database that each reading connection maps into memory. More spares reads a
    /// system call a page; less keeps the process' resident memory small, for mapped pages count as
    /// its own, once per connection.
    pub mmap_bytes: u64,
    /// Page cache of the flushing connection, in bytes. More keeps more of a flush's pages at hand;
    /// beyond some 8 MiB SQLite's page hash makes every page dearer.
    pub writer_cache_bytes: usize,
    /// Page cache of each reading connection, in bytes. More keeps more of the upper tree pages;
    /// less saves memory, for the operating system caches the file anyway.
    pub reader_cache_bytes: usize,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024 * 1024,
            flush_interval_ms: 5_000,
            readers: 2,
            warm_bytes_max: 32 * 1024 * 1024,
            summary_bytes_max: 16 * 1024 * 1024,
            mmap_bytes: 0,
            writer_cache_bytes: 8 * 1024 * 1024,
            reader_cache_bytes: 2 * 1024 * 1024,
        }
    }
}

impl StateOptions {
    /// Checks the limits of the settings.
    ///
    /// # Errors
    /// `Incompatible` names the setting.
    pub fn validate(&self) -> Result<(), StateError> {
        if self.readers == 0 || self.readers > READERS_MAX {
            return Err(invalid(format!("readers must be 1 to {READERS_MAX} (READERS_MAX)")));
        }
        if self.head_bytes_max < HEAD_BYTES_MIN {
            return Err(invalid(format!(
                "head_bytes_max must be at least {HEAD_BYTES_MIN} (HEAD_BYTES_MIN)"
            )));
        }
        if self.flush_interval_ms == 0 {
            return Err(invalid("flush_interval_ms must be at least 1".to_owned()));
        }
        Ok(())
    }
}

fn invalid(detail: String) -> StateError {
    StateError::Incompatible(detail)
}
