//! Measures durable commits a second of the log store: entries of 300 bytes, 1 to 256 of them a
//! commit, spread over 1 to 64 groups, with purging that keeps the log short.
//!
//! `cargo run --release -p aspen-storage --example log_bench [DIR] [SECONDS]`; the figures are
//! those of the disk that holds DIR (default: the current directory).
#![allow(clippy::disallowed_methods, reason = "a benchmark measures the real clock")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aspen_core::{GroupId, LogIndex};
use aspen_storage::{GroupLog, LogError, LogOptions, LogRecord, RedbLogStore};
use bytes::Bytes;
use futures_util::future::try_join_all;

const ENTRY_BYTES: usize = 300;
/// Entries that each group keeps, over all groups.
const KEPT: u64 = 20_000;

struct Figures {
    commits_per_s: f64,
    entries_per_s: f64,
    commit_us_mean: u64,
    file_bytes: u64,
}

async fn append(log: &Arc<dyn GroupLog>, count: u64, kept: u64) -> Result<(), LogError> {
    let state = log.state();
    let next = state.last.map_or(0, |last| last.get() + 1);
    let payload = Bytes::from(vec![7; ENTRY_BYTES]);
    let record = |index| LogRecord { index: LogIndex::new(index), payload: payload.clone() };
    log.append((next..next + count).map(record).collect()).await?;
    let purged = state.purged.map_or(0, |(upto, _)| upto.get());
    if next - purged > 2 * kept {
        log.purge(LogIndex::new(next - kept), Bytes::from_static(b"marker")).await?;
    }
    Ok(())
}

async fn measure(
    dir: &Path,
    groups: u64,
    entries: u64,
    duration: Duration,
) -> Result<Figures, LogError> {
    let path = dir.join(format!("log_bench-{groups}-{entries}.redb"));
    let store = RedbLogStore::open(&path, LogOptions::default())?;
    let logs: Vec<_> = (0..groups).map(|raw| store.group(GroupId::from_raw(raw as u32))).collect();
    // One group of entries a commit: each of the groups appends its share, and all wait together.
    let writers = groups.min(entries);
    let (share, kept) = (entries / writers, KEPT / groups);
    let (before, started, mut round) = (store.metrics(), Instant::now(), 0);
    while started.elapsed() < duration {
        let chosen = (0..writers).map(|writer| &logs[((round + writer) % groups) as usize]);
        try_join_all(chosen.map(|log| append(log, share, kept))).await?;
        round += writers;
    }
    let (after, seconds) = (store.metrics(), started.elapsed().as_secs_f64());
    let file_bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
    store.close().await?;
    let _ = std::fs::remove_file(&path);
    let commits = after.commits - before.commits;
    let commit_us = after.commit_us_total - before.commit_us_total;
    Ok(Figures {
        commits_per_s: commits as f64 / seconds,
        entries_per_s: (after.entries - before.entries) as f64 / seconds,
        commit_us_mean: commit_us / commits.max(1),
        file_bytes,
    })
}

#[tokio::main]
async fn main() -> Result<(), LogError> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| ".".to_owned());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(2.0);
    println!("groups  entries/commit  commits/s  entries/s  mean commit us  file MB");
    for groups in [1, 16, 64] {
        for entries in [1, 16, 64, 256] {
            let duration = Duration::from_secs_f64(seconds);
            let figures = measure(Path::new(&dir), groups, entries, duration).await?;
            println!(
                "{groups:6}  {entries:14}  {:9.0}  {:9.0}  {:14}  {:7.1}",
                figures.commits_per_s,
                figures.entries_per_s,
                figures.commit_us_mean,
                figures.file_bytes as f64 / 1e6,
            );
        }
    }
    Ok(())
}
