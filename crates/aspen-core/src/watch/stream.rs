//! A watch as its user holds it.

use async_trait::async_trait;

use super::{WatchError, WatchUpdate};

/// Where the updates of a stream come from.
#[async_trait]
pub trait WatchSource: Send {
    /// The next update; waits for one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the watch ended; the same again when asked again.
    async fn next(&mut self) -> Result<WatchUpdate, WatchError>;
}

/// The updates of one watch. Dropping it ends the watch.
pub struct WatchStream {
    source: Box<dyn WatchSource>,
}

impl WatchStream {
    /// A stream from a source.
    pub fn new(source: impl WatchSource + 'static) -> Self {
        Self { source: Box::new(source) }
    }

    /// The next update; waits for one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the watch ended.
    pub async fn next(&mut self) -> Result<WatchUpdate, WatchError> {
        self.source.next().await
    }
}

impl std::fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchStream").finish_non_exhaustive()
    }
}
