//! Flushing what has waited long enough, so that a quiet group restarts without replaying its log.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, watch};
use tokio::sync::mpsc;

use super::core::{Core, Progress};
use super::flusher::FlushJob;

/// How long after a failed flush it is tried again, in milliseconds. Shorter resumes sooner once
/// the disk has room; longer spares a disk that has none.
const RETRY_MS: u64 = 500;

/// Starts the task. It keeps nothing alive and ends with the state machine.
pub(super) fn start(core: &Arc<Core>, flush: mpsc::WeakSender<FlushJob>) {
    let progress = core.progress.subscribe();
    let interval = Duration::from_millis(core.options.flush_interval_ms);
    runtime::spawn(run(progress, flush, interval));
}

async fn run(
    mut progress: watch::Receiver<Progress>,
    flush: mpsc::WeakSender<FlushJob>,
    interval: Duration,
) {
    let retry = Duration::from_millis(RETRY_MS).min(interval);
    loop {
        let Ok(now) = progress.wait_for(|now| now.dirty || now.closed).await.map(|now| *now) else {
            return;
        };
        if now.closed {
            return;
        }
        let wait = if now.failing { retry } else { interval };
        let changed = |it: &Progress| it.closed || (it.failing && !now.failing);
        match runtime::timeout(wait, progress.wait_for(changed)).await {
            Ok(Ok(_)) => continue,
            Ok(Err(_)) => return,
            Err(_) => {}
        }
        let sent = match flush.upgrade() {
            Some(flush) => flush.send(FlushJob::Due).await.is_ok(),
            None => false,
        };
        // One request at a time: the next change says how it went.
        let ended = |it: &Progress| it.closed || it.flushes != now.flushes;
        if !sent || progress.wait_for(ended).await.is_err() {
            return;
        }
    }
}
