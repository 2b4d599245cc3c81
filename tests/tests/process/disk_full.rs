//! Disks that fill up and are emptied again.
//!
//! Invariants: puts are refused with the error that says why, and have not happened; reads and
//! deletes go on; with room again, puts go on without a restart; nothing acknowledged is lost.

use std::time::Duration;

use aspen_client::Client;
use aspen_core::{Applied, Key, KeyValueStore, Value, WriteError, WriteFailure};
use aspen_tests::ProcessCluster;

use crate::isolation::{SmallDisk, isolated};
use crate::load::Load;
use crate::operator::transfer;

/// Long enough for a node to look at its disk many times.
const PATIENCE: Duration = Duration::from_secs(30);

fn arguments(_: u64) -> Vec<String> {
    ["--disk-check-ms", "100", "--disk-refuse-percent", "60", "--disk-warn-percent", "50"]
        .map(str::to_owned)
        .into()
}

fn key(name: &str) -> Key {
    Key::try_from(name).unwrap()
}

/// Puts a key again and again until the answer is as wished.
async fn put_until(client: &Client, wished: impl Fn(&Result<(), WriteError>) -> bool) {
    let mut last = None;
    let put = tokio::time::timeout(PATIENCE, async {
        loop {
            let put = client.set(key("put"), Value::default()).await.map(drop);
            if wished(last.insert(put)) {
                return;
            }
        }
    });
    assert!(put.await.is_ok(), "the last answer: {last:?}");
}

fn is_refused(put: &Result<(), WriteError>) -> bool {
    matches!(put, Err(WriteError { failure: WriteFailure::DiskFull(_), applied: Applied::No }))
}

#[test]
fn process_a_full_disk_refuses_puts_until_there_is_room() {
    isolated("disk_full::process_a_full_disk_refuses_puts_until_there_is_room", async {
        let mut cluster = ProcessCluster::new(arguments);
        let disk = SmallDisk::mount(cluster.directory(), 512);
        cluster.launch(3).await;
        let client = cluster.client().await;
        for name in ["kept", "deleted"] {
            client.set(key(name), Value::default()).await.unwrap();
        }

        disk.fill(150);
        put_until(&client, is_refused).await;
        let version = client.get(key("put")).await.unwrap().map_or(0, |entry| entry.version);
        assert!(client.get(key("kept")).await.unwrap().is_some());
        client.delete(key("deleted")).await.unwrap();
        assert!(client.get(key("deleted")).await.unwrap().is_none());
        let refused = client.set(key("put"), Value::default()).await.map(drop);
        assert!(is_refused(&refused), "{refused:?}");
        let after = client.get(key("put")).await.unwrap().map_or(0, |entry| entry.version);
        assert_eq!(version, after, "a refused put has happened");

        disk.empty();
        put_until(&client, Result::is_ok).await;
        cluster.wait_settled().await;
        client.close().await;
    });
}

/// A node whose log finds no room waits, and the others go on. It returns by itself; or with a
/// restart, for which it must still be able to stop.
#[test]
fn process_a_follower_whose_disk_was_full_returns() {
    isolated("disk_full::process_a_follower_whose_disk_was_full_returns", async {
        let mut cluster = ProcessCluster::new(arguments);
        // How full the machine's own disk is must not matter.
        let _others = SmallDisk::mount(cluster.directory(), 512);
        let disk = SmallDisk::mount(&cluster.node_directory(3), 256);
        cluster.launch(3).await;
        transfer(&cluster, 1).await;
        cluster.wait_leader(|id| id != 3).await;
        let load = Load::start(&cluster, &["append_once", "counter"], 9).await;
        load.more_writes(100, &cluster).await;

        disk.fill(8);
        load.more_writes(300, &cluster).await;
        disk.empty();
        cluster.wait_settled().await;

        disk.fill(8);
        load.more_writes(300, &cluster).await;
        cluster.terminate(3).await;
        disk.empty();
        cluster.restart(3);
        cluster.wait_settled().await;
        load.finish(&cluster).await;
    });
}

/// A leader that looks at its disk too late has entries that it cannot keep, and its replica stops.
/// The node starts again by itself, as often as it takes until there is room.
#[test]
fn process_a_leader_whose_disk_was_full_returns() {
    isolated("disk_full::process_a_leader_whose_disk_was_full_returns", async {
        let mut cluster = ProcessCluster::new(|_| {
            ["--disk-refuse-percent", "100", "--disk-warn-percent", "99"].map(str::to_owned).into()
        });
        let disk = SmallDisk::mount(&cluster.node_directory(3), 256);
        cluster.launch(3).await;
        transfer(&cluster, 3).await;
        cluster.wait_leader(|id| id == 3).await;
        let load = Load::start(&cluster, &["append_once", "counter"], 11).await;
        load.more_writes(100, &cluster).await;

        disk.fill(4);
        cluster.wait_leader(|id| id != 3).await;
        load.more_writes(300, &cluster).await;
        disk.empty();
        cluster.wait_settled().await;
        load.finish(&cluster).await;
    });
}
