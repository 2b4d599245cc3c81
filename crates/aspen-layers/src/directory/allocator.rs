//! Short prefixes, allocated by many at once: FoundationDB's high-contention allocator.
//!
//! Numbers are drawn at random from a *window*, so that allocations that run at once seldom meet.
//! A count of the window's allocations, raised without being read by a check, tells when it is half
//! full; then the next window begins, and what is known of the older ones is forgotten:
//!
//! ```text
//! counters / start   how many numbers of the window that begins at `start` were drawn
//! recent / number    the number is taken; kept for the newest window only
//! ```
//!
//! Why no number is allocated twice: an allocation sees, at one revision, which window is newest
//! and that its number is not taken, and it conflicts with every change of that number's key since.
//! The check must be on *changes*, not on what the key is at the commit: an allocation may take the
//! number and another begin the next window, which forgets it, and the key would be absent again.

use aspen_core::runtime::random_u64;
use aspen_core::{AtomicOperation, KeyRange, Value};
use aspen_txn::{RangeQuery, Transaction};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::DirectoryError;
use crate::subspace::Subspace;
use crate::tuple::{self, PackError};

/// How many numbers of a window are tried before it is left. At most half of them are taken, so
/// that all are taken is as good as impossible.
const ALLOCATION_TRIES_MAX: usize = 64;

/// Allocates prefixes, none twice, none the beginning of another.
#[derive(Clone, Debug)]
pub(super) struct Allocator {
    counters: Subspace,
    recent: Subspace,
}

impl Allocator {
    pub(super) fn new(subspace: &Subspace) -> Result<Self, PackError> {
        Ok(Self { counters: subspace.nested(&(0,))?, recent: subspace.nested(&(1,))? })
    }

    /// A number that is nobody else's, packed. Allocations of one transaction must come one after
    /// another: of two at once none would see that the other takes its number.
    pub(super) async fn allocate(&self, tx: &Transaction) -> Result<Bytes, DirectoryError> {
        let mut start = self.newest_window(tx).await?;
        loop {
            let window = window_len(start);
            let has_room = self.count(tx, start).await? < window.div_ceil(2);
            let chosen = match has_room {
                true => self.choose(tx, start, window).await?,
                false => None,
            };
            if let Some(prefix) = chosen {
                return Ok(prefix);
            }
            let next = start.checked_add(window);
            start = next.ok_or_else(|| DirectoryError::corrupt("allocator", "no windows left"))?;
            self.forget_before(tx, start)?;
        }
    }

    async fn newest_window(&self, tx: &Transaction) -> Result<u64, DirectoryError> {
        let newest = RangeQuery::new(self.counters.range()).reverse().limit(1);
        let Some((key, _)) = tx.snapshot().stream(newest).try_next().await? else { return Ok(0) };
        let start = self.counters.unpack::<(u64,)>(&key);
        Ok(start.map_err(|error| DirectoryError::corrupt(key, error))?.0)
    }

    /// Counts this allocation, and answers how many there have been in the window.
    async fn count(&self, tx: &Transaction, start: u64) -> Result<u64, DirectoryError> {
        let key = self.counters.pack(&(start,))?;
        let one = Value::new(1_u64.to_le_bytes().to_vec())?;
        tx.atomic(key.clone(), AtomicOperation::Add(one))?;
        let count = tx.snapshot().get(&key).await?.unwrap_or_default();
        let count = count.as_bytes().try_into().map(u64::from_le_bytes);
        count.map_err(|_| DirectoryError::corrupt(key, "it is no number of 8 bytes"))
    }

    /// Takes a free number of the window.
    async fn choose(
        &self,
        tx: &Transaction,
        start: u64,
        window: u64,
    ) -> Result<Option<Bytes>, DirectoryError> {
        for _ in 0..ALLOCATION_TRIES_MAX {
            let number = start.saturating_add(random_u64() % window);
            let prefix = tuple::pack(&(number,))?;
            // A zero would put the whole directory into one partition of the key space.
            if prefix.contains(&0) {
                continue;
            }
            let taken = self.recent.pack(&(number,))?;
            if tx.snapshot().get(&taken).await?.is_none() {
                tx.add_read_conflict_key(&taken).await?;
                tx.set(taken, Value::default())?;
                return Ok(Some(prefix.into()));
            }
        }
        Ok(None)
    }

    fn forget_before(&self, tx: &Transaction, start: u64) -> Result<(), DirectoryError> {
        for space in [&self.counters, &self.recent] {
            let end = space.pack(&(start,))?.into_bytes();
            tx.delete_range(KeyRange { end: Some(end), ..space.range() })?;
        }
        Ok(())
    }
}

/// Small windows keep prefixes short while there are few; large ones have room for many at once.
fn window_len(start: u64) -> u64 {
    match start {
        0..255 => 64,
        255..65_535 => 1_024,
        _ => 8_192,
    }
}
