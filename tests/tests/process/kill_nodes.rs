//! Every node is killed with -9 in turn while writers write.
//!
//! Invariants: every acknowledged write is there at the end; a key's version, which counts the puts
//! that were applied, lies between the puts that were acknowledged and those plus the ones whose
//! outcome stayed unknown, so no retried put was applied twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aspen_client::Client;
use aspen_core::{Applied, Key, KeyValueStore, Value};
use aspen_tests::ProcessCluster;

const WRITERS: usize = 8;

/// What one writer knows at the end.
struct Written {
    /// Distinct keys whose write was acknowledged.
    acknowledged: Vec<u64>,
    /// Puts to the writer's counter key that were acknowledged.
    counted: u64,
    /// Puts to it whose outcome is unknown.
    unknown: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_kill_each_node_under_load() {
    let mut cluster = ProcessCluster::start(3).await;
    let client = Arc::new(cluster.client().await);
    let progress = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            tokio::spawn(write(
                Arc::clone(&client),
                writer,
                Arc::clone(&progress),
                Arc::clone(&stop),
            ))
        })
        .collect();
    for id in 1..=3 {
        more_writes(&progress, &cluster).await;
        cluster.kill(id);
        more_writes(&progress, &cluster).await;
        cluster.restart(id);
        cluster.wait_settled().await;
    }
    stop.store(true, Ordering::SeqCst);
    for (writer, task) in writers.into_iter().enumerate() {
        check(&client, writer, task.await.unwrap()).await;
    }
    client.close().await;
}

async fn write(
    client: Arc<Client>,
    writer: usize,
    progress: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Written {
    let mut written = Written { acknowledged: Vec::new(), counted: 0, unknown: 0 };
    let mut next = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        let value = Value::new(next.to_be_bytes().to_vec()).unwrap();
        if client.set(key(writer, next), value.clone()).await.is_ok() {
            written.acknowledged.push(next);
            progress.fetch_add(1, Ordering::SeqCst);
        }
        match client.set(counter(writer), value).await {
            Ok(_) => written.counted += 1,
            Err(error) if error.applied == Applied::Maybe => written.unknown += 1,
            Err(_) => {}
        }
        next += 1;
    }
    written
}

/// Waits until the writers have got further: the cluster serves.
async fn more_writes(progress: &AtomicU64, cluster: &ProcessCluster) {
    let target = progress.load(Ordering::SeqCst) + 200;
    for _ in 0..600 {
        if progress.load(Ordering::SeqCst) >= target {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("writes made no progress for a minute\n{}", cluster.logs());
}

async fn check(client: &Client, writer: usize, written: Written) {
    assert!(written.counted > 0, "writer {writer} never succeeded");
    for number in &written.acknowledged {
        let found = client.get(key(writer, *number)).await.unwrap();
        let value = found.map(|kv| kv.value.as_bytes().to_vec());
        assert_eq!(value, Some(number.to_be_bytes().to_vec()), "writer {writer} write {number}");
    }
    let version = client.get(counter(writer)).await.unwrap().map_or(0, |kv| kv.version);
    let possible = written.counted..=written.counted + written.unknown;
    assert!(possible.contains(&version), "writer {writer}: {version} puts applied, {possible:?}");
}

fn key(writer: usize, number: u64) -> Key {
    Key::new(format!("w/{writer}/{number:08}")).unwrap()
}

fn counter(writer: usize) -> Key {
    Key::new(format!("count/{writer}")).unwrap()
}
