//! Group commit, and the space that purging gives back.

use super::*;
use crate::log::LogDisk;

#[tokio::test]
async fn writes_that_wait_together_share_a_commit() {
    let disk = FaultDisk::empty();
    let store = open(&disk);
    let before = store.metrics();
    disk.hold_syncs(true);
    let append = |raw| {
        let log = store.group(group(raw));
        aspen_core::runtime::spawn(async move { log.append(records(0..2)).await })
    };
    let appends: Vec<_> = (0..64).map(append).collect();
    // The first of them may be in the commit that waits for the disk; all others come to wait.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
        if store.metrics().queue_len >= 63 {
            break;
        }
    }
    disk.hold_syncs(false);
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let after = store.metrics();
    assert_eq!(after.writes - before.writes, 64);
    assert_eq!(after.entries - before.entries, 128);
    let commits = after.commits - before.commits;
    assert!((1..=3).contains(&commits), "{commits} commits");
    assert!(after.entries_per_commit() > 20.0);
    assert_eq!(after.bytes, 64 * 14);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_full_queue_delays_callers_and_loses_nothing() {
    let small = LogOptions { queue_max: 2, batch_max: 2, batch_bytes_max: 10, ..options() };
    let store = RedbLogStore::open_on(FaultDisk::empty(), small).unwrap();
    let append = |raw| {
        let log = store.group(group(raw));
        aspen_core::runtime::spawn(async move { log.append(records(0..3)).await })
    };
    let appends: Vec<_> = (0..20).map(append).collect();
    for append in appends {
        append.await.unwrap().unwrap();
    }
    for raw in 0..20 {
        assert_eq!(read_all(&store.group(group(raw))).await, records(0..3));
    }
}

/// Appends and purges as a node under steady load does, and returns the file's length after each
/// cycle.
async fn churn(groups: u32, cycles: u64, chunk_rows: usize) -> (Arc<FaultDisk>, Vec<u64>) {
    let disk = FaultDisk::empty();
    let churned = LogOptions { purge_chunk_rows: chunk_rows, ..options() };
    let store = RedbLogStore::open_on(Arc::clone(&disk), churned).unwrap();
    let mut lengths = Vec::new();
    for cycle in 0..cycles {
        for raw in 0..groups {
            let range = cycle * 64..(cycle + 1) * 64;
            let batch = range.clone().map(|index| record(index, vec![cycle as u8; 300])).collect();
            let log = store.group(group(raw));
            log.append(batch).await.unwrap();
            // The last 64 entries stay, as a leader keeps them for slow followers.
            if let Some(upto) = range.start.checked_sub(1) {
                log.purge(LogIndex::new(upto), Bytes::from_static(b"marker")).await.unwrap();
            }
        }
        lengths.push(disk.len_bytes().unwrap());
    }
    // Idle now, the writer removes what is left.
    for _ in 0..1_000 {
        if store.metrics().rows_purgeable == 0 {
            break;
        }
        store.flush().await.unwrap();
    }
    assert_eq!(store.metrics().rows_purgeable, 0);
    store.close().await.unwrap();
    let store = open(&disk);
    assert_eq!(store.verify().await.unwrap().entries, u64::from(groups) * 64);
    store.close().await.unwrap();
    (disk, lengths)
}

#[tokio::test]
async fn the_file_stays_bounded_under_append_and_purge() {
    for (groups, chunk_rows) in [(1, 4_096), (4, 200)] {
        let (_, lengths) = churn(groups, 200, chunk_rows).await;
        // By then a full chunk of purged rows has come and gone, which is the most that waits.
        let (early, late) = lengths.split_at(100);
        let (early, late) = (early.iter().max().unwrap(), late.iter().max().unwrap());
        assert!(*late <= 2 * early, "{groups} groups: {early} bytes grew to {late}");
    }
}
