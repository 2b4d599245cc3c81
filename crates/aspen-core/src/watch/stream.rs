//! A watch as its user holds it.

use async_trait::async_trait;

use super::{WatchBatch, WatchError, WatchUpdate};

/// Where the updates of a stream come from.
#[async_trait]
pub trait WatchSource: Send {
    /// The next updates, at least one; waits for them. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the watch ended; the same again when asked again.
    async fn next_batch(&mut self) -> Result<WatchBatch, WatchError>;
}

/// The updates of one watch. Dropping it ends the watch.
pub struct WatchStream {
    source: Box<dyn WatchSource>,
    /// What came with the update before, and is to be taken.
    rest: WatchBatch,
}

impl WatchStream {
    /// A stream from a source.
    pub fn new(source: impl WatchSource + 'static) -> Self {
        Self { source: Box::new(source), rest: WatchBatch::default() }
    }

    /// The next update; waits for one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the watch ended.
    pub async fn next(&mut self) -> Result<WatchUpdate, WatchError> {
        loop {
            match self.rest.pop_first() {
                Some(update) => return Ok(update),
                None => self.rest = self.source.next_batch().await?,
            }
        }
    }

    /// The next updates that came together, at least one; waits for them. Cheaper than
    /// [`WatchStream::next`] where much changes: watches of the same keys share what they are
    /// given. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the watch ended.
    pub async fn next_batch(&mut self) -> Result<WatchBatch, WatchError> {
        match std::mem::take(&mut self.rest) {
            rest if rest.is_empty() => self.source.next_batch().await,
            rest => Ok(rest),
        }
    }
}

impl std::fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Revision;

    /// Tells revisions in batches, and then ends.
    struct Batches(Vec<Vec<u64>>);

    #[async_trait]
    impl WatchSource for Batches {
        async fn next_batch(&mut self) -> Result<WatchBatch, WatchError> {
            if self.0.is_empty() {
                return Err(WatchError::Closed("over".to_owned()));
            }
            Ok(self.0.remove(0).into_iter().map(progress).collect())
        }
    }

    fn progress(revision: u64) -> WatchUpdate {
        WatchUpdate::Progress { revision: Revision::new(revision) }
    }

    #[tokio::test]
    async fn updates_and_batches_can_be_taken_in_turns() {
        let mut stream = WatchStream::new(Batches(vec![vec![1, 2, 3], vec![4, 5]]));
        assert_eq!(stream.next().await.unwrap(), progress(1));
        assert_eq!(*stream.next_batch().await.unwrap(), [progress(2), progress(3)]);
        assert_eq!(stream.next().await.unwrap(), progress(4));
        assert_eq!(stream.next().await.unwrap(), progress(5));
        assert!(stream.next_batch().await.is_err());
        assert!(stream.next().await.is_err());
    }
}
