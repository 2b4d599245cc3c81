//! Numbers that are given once.

use std::ops::Range;
use std::sync::Arc;

use aspen_core::InvalidRequest;
use tokio::sync::Mutex;

use super::CoordinationError;
use super::counter::add_and_get;
use super::space::Space;

/// How many numbers a sequence takes at a time at most. What is taken and not given is a gap.
pub const SEQUENCE_BLOCK_MAX: u32 = 1_000_000;

/// Gives each number once, whoever asks: 0, 1, 2 … with a block of 1.
///
/// With larger blocks a round trip serves many numbers. Each handle then gives growing numbers, and
/// handles take turns by blocks; numbers that a handle has taken and not given are never given.
/// Clones share a block. A write with an unknown outcome leaves a gap as well.
#[derive(Clone, Debug)]
pub struct Sequence {
    space: Space,
    block: u32,
    left: Arc<Mutex<Range<u64>>>,
}

impl Sequence {
    pub(super) fn new(space: Space, block: u32) -> Self {
        Self { space, block, left: Arc::default() }
    }

    /// A number that was never given before, higher than all that this handle has given.
    ///
    /// # Errors
    /// See [`CoordinationError`]; also when there are no numbers left.
    pub async fn next(&self) -> Result<u64, CoordinationError> {
        let mut left = self.left.lock().await;
        if left.is_empty() {
            *left = self.take_block().await?;
        }
        let number = left.start;
        left.start += 1;
        Ok(number)
    }

    async fn take_block(&self) -> Result<Range<u64>, CoordinationError> {
        let block = u64::from(self.block);
        let end = u64::from_le_bytes(add_and_get(&self.space, block.to_le_bytes()).await?);
        let start = end.checked_sub(block);
        let start = start.ok_or_else(|| InvalidRequest::new("the sequence is used up"))?;
        Ok(start..end)
    }
}
