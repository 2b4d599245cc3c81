//! Watches that are open beside a measurement.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aspen_core::{KeyRange, WatchRequest, WatchStream, WatchUpdate, runtime};

use super::Target;
use crate::args::bench::BenchArgs;
use crate::exit::CliError;

/// Whoever listens while clients write.
pub(super) struct Audience {
    events: Arc<AtomicU64>,
}

impl Audience {
    /// Opens the watches asked for. They end with the store's client.
    pub(super) async fn open(store: &Arc<dyn Target>, args: &BenchArgs) -> Result<Self, CliError> {
        let events = Arc::new(AtomicU64::new(0));
        let hot = (0..args.watches).map(|_| KeyRange::prefix("k"));
        let idle = (0..args.idle_watches).map(|it| KeyRange::prefix(format!("idle/{it:09}/")));
        for range in hot.chain(idle) {
            let stream = store.watch(WatchRequest::new(range)).await?;
            runtime::spawn(listen(stream, events.clone()));
        }
        Ok(Self { events })
    }

    /// How many changes were told so far, counted for each watch.
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

async fn listen(mut stream: WatchStream, told: Arc<AtomicU64>) {
    while let Ok(batch) = stream.next_batch().await {
        let events = batch.iter().map(|update| match update {
            WatchUpdate::Events { events, .. } => events.len() as u64,
            WatchUpdate::Progress { .. } | WatchUpdate::Lagging { .. } => 0,
        });
        told.fetch_add(events.sum(), Ordering::Relaxed);
    }
}
