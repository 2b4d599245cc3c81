//! Waiting for keys to change, through outages.

use std::time::Duration;

use aspen_core::runtime::{self, Backoff};
use aspen_core::{
    ErrorKind, KeyRange, KeyValue, ReadError, Revision, ScanPage, ScanRequest, WatchError,
    WatchFilter, WatchRequest, WatchUpdate,
};

use super::CoordinationError;
use super::space::Space;

/// Pauses between attempts to read while the cluster does not serve, in milliseconds.
const READ_BACKOFF_MS: std::ops::Range<u64> = 10..1_000;

/// How long a wait goes on while reads fail. What waits with a lease loses that sooner; what waits
/// without one is told in the end.
const READ_PATIENCE: Duration = Duration::from_secs(60);

/// Whether an error may pass by itself.
fn is_transient(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Retry | ErrorKind::Refresh | ErrorKind::Unavailable)
}

impl Space {
    /// Scans a page, through outages.
    pub(super) async fn scan(&self, request: ScanRequest) -> Result<ScanPage, CoordinationError> {
        self.persist(|| self.store().scan(request.clone())).await
    }

    /// The first key of a range, and the revision at which it was looked for.
    pub(super) async fn first(
        &self,
        range: KeyRange,
    ) -> Result<(Option<KeyValue>, Revision), CoordinationError> {
        let mut page = self.scan(ScanRequest { limit: 1, ..ScanRequest::new(range) }).await?;
        Ok((page.entries.pop(), page.revision))
    }

    /// Tries a read until it succeeds, fails for good, or has failed for too long.
    async fn persist<T, Fut>(&self, read: impl Fn() -> Fut) -> Result<T, CoordinationError>
    where
        Fut: Future<Output = Result<T, ReadError>>,
    {
        let mut backoff = Backoff::new(READ_BACKOFF_MS.start, READ_BACKOFF_MS.end);
        let until = runtime::now() + READ_PATIENCE;
        loop {
            match read().await {
                Ok(found) => return Ok(found),
                Err(error) if is_transient(error.kind()) && runtime::now() < until => {
                    runtime::sleep(backoff.pause()).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until something of a range changes, in a way that the filter admits, after a revision.
    /// It may also return because nobody can tell any more: look again in any case.
    pub(super) async fn wait_for_change(
        &self,
        range: KeyRange,
        filter: WatchFilter,
        after: Revision,
    ) -> Result<(), CoordinationError> {
        let request = WatchRequest { filter, ..WatchRequest::new(range).from(after.next()) };
        let mut stream = match self.coordinator.watch.watch(request).await {
            Ok(stream) => stream,
            Err(error) => return look_again(error).await,
        };
        loop {
            match stream.next().await {
                Ok(WatchUpdate::Events { .. }) => return Ok(()),
                Ok(WatchUpdate::Progress { .. } | WatchUpdate::Lagging { .. }) => {}
                Err(error) => return look_again(error).await,
            }
        }
    }

    /// Waits until a key that was there at a revision is deleted, or nobody can tell any more.
    pub(super) async fn wait_for_delete(
        &self,
        entry: &KeyValue,
        after: Revision,
    ) -> Result<(), CoordinationError> {
        self.wait_for_change(KeyRange::single(&entry.key), WatchFilter::Deletes, after).await
    }
}

/// Judges why a watch ended: whether to look at the state and watch anew, after a pause.
pub(super) async fn look_again(error: WatchError) -> Result<(), CoordinationError> {
    match error {
        WatchError::Compacted { .. } => Ok(()),
        WatchError::Unavailable(_) | WatchError::TooMany { .. } => {
            runtime::sleep(Backoff::new(READ_BACKOFF_MS.end, READ_BACKOFF_MS.end).pause()).await;
            Ok(())
        }
        error => Err(error.into()),
    }
}

/// Does something for at most so long.
pub(super) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, CoordinationError>>,
) -> Result<T, CoordinationError> {
    let answer = runtime::timeout(patience, work).await;
    answer.unwrap_or(Err(CoordinationError::DeadlinePassed))
}
