//! Looks at the disk again and again.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;

use crate::disk_guard::DiskGuard;

/// Looks every so often; on a blocking thread, since a file system may hang.
pub(super) async fn watch_disk(guard: Arc<DiskGuard>, every: Duration) {
    loop {
        let guard = guard.clone();
        if let Err(error) = runtime::spawn_blocking(move || guard.check()).await {
            tracing::warn!(%error, "cannot look at the disk");
        }
        runtime::sleep(every).await;
    }
}
