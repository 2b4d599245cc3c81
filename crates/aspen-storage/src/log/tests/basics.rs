use super::*;
use crate::log::{LogError, MemoryLogStore, RECORD_BYTES_MAX};
use aspen_core::{ClusterId, NodeId};

fn marker(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn exercise(log: Arc<dyn GroupLog>) {
    assert_eq!(log.state(), Default::default());
    log.append(records(0..10)).await.unwrap();
    assert_eq!(log.state().last, Some(LogIndex::new(9)));
    assert_eq!(log.state().len_bytes, 70);
    assert_eq!(log.read(3..5, 1 << 20).await.unwrap(), records(3..5));
    assert_eq!(log.read(3..9, 15).await.unwrap(), records(3..5));
    assert_eq!(log.read(3..9, 0).await.unwrap(), records(3..4));
    assert_eq!(log.read(8..99, 1 << 20).await.unwrap(), records(8..10));
    assert_eq!(log.read(10..99, 1 << 20).await.unwrap(), []);
    assert!(matches!(log.append(records(11..12)).await, Err(LogError::Misuse(_))));
    assert!(matches!(log.append(records(9..10)).await, Err(LogError::Misuse(_))));
    log.truncate(LogIndex::new(8)).await.unwrap();
    log.append(vec![record(8, "other")]).await.unwrap();
    assert_eq!(log.read(8..99, 1 << 20).await.unwrap(), [record(8, "other")]);
    log.purge(LogIndex::new(4), marker("p4")).await.unwrap();
    log.purge(LogIndex::new(2), marker("p2")).await.unwrap();
    assert_eq!(log.state().purged, Some((LogIndex::new(4), marker("p4"))));
    assert!(matches!(log.read(4..6, 1 << 20).await, Err(LogError::Misuse(_))));
    assert!(matches!(log.truncate(LogIndex::new(4)).await, Err(LogError::Misuse(_))));
    log.truncate(LogIndex::new(5)).await.unwrap();
    assert_eq!(log.state().last, None);
    assert!(matches!(log.append(records(6..7)).await, Err(LogError::Misuse(_))));
    log.append(records(5..7)).await.unwrap();
    log.purge(LogIndex::new(20), marker("p20")).await.unwrap();
    assert_eq!((log.state().last, log.state().len_bytes), (None, 0));
    log.append(records(21..23)).await.unwrap();
    assert_eq!(read_all(&log).await, records(21..23));
    log.save_vote(marker("vote")).await.unwrap();
    log.save_committed(Some(marker("committed"))).await.unwrap();
    assert_eq!((log.vote(), log.committed()), (Some(marker("vote")), Some(marker("committed"))));
    log.append(Vec::new()).await.unwrap();
}

#[tokio::test]
async fn both_stores_keep_the_contract() {
    exercise(MemoryLogStore::new().group(group(1))).await;
    let store = open(&FaultDisk::empty());
    exercise(store.group(group(1))).await;
    exercise(store.group(group(2))).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_file_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.redb");
    let store = RedbLogStore::open(&path, options()).unwrap();
    for raw in 0..3 {
        exercise(store.group(group(raw))).await;
    }
    let big = vec![7; 9 << 20];
    store.group(group(9)).append(vec![record(0, big.clone())]).await.unwrap();
    store.close().await.unwrap();
    let store = RedbLogStore::open(&path, options()).unwrap();
    for raw in 0..3 {
        let log = store.group(group(raw));
        assert_eq!(log.state().purged, Some((LogIndex::new(20), marker("p20"))));
        assert_eq!(read_all(&log).await, records(21..23));
        assert_eq!(log.vote(), Some(marker("vote")));
        assert_eq!(log.committed(), Some(marker("committed")));
    }
    assert_eq!(read_all(&store.group(group(9))).await, [record(0, big)]);
    store.flush().await.unwrap();
    assert_eq!(store.verify().await.unwrap().groups, 4);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_file_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.redb");
    let store = RedbLogStore::open(&path, options()).unwrap();
    let Err(LogError::Incompatible(text)) = RedbLogStore::open(&path, options()) else {
        panic!("the file was opened twice")
    };
    assert!(text.contains("in use by another process") && text.contains("log.redb"), "{text}");
    store.close().await.unwrap();
    RedbLogStore::open(&path, options()).unwrap();
}

#[tokio::test]
async fn foreign_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.redb");
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    assert!(matches!(RedbLogStore::open(&path, options()), Err(LogError::Corrupt(_))));
    let missing = dir.path().join("missing").join("log.redb");
    assert!(matches!(RedbLogStore::open(&missing, options()), Err(LogError::Io(_))));
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let disk = FaultDisk::empty();
    open(&disk).close().await.unwrap();
    let database = redb::Database::builder()
        .create_with_backend(crate::log::disk::Backend(Arc::clone(&disk)))
        .unwrap();
    crate::log::header::write_format(&database, 2).unwrap();
    drop(database);
    let Err(LogError::Incompatible(text)) = RedbLogStore::open_on(disk, options()) else {
        panic!("a newer format was opened")
    };
    assert!(text.contains("format 2") && text.contains("run the version"), "{text}");
}

#[tokio::test]
async fn a_file_belongs_to_one_node_of_one_cluster() {
    let (ours, theirs) = (ClusterId::new([1; 16]), ClusterId::new([2; 16]));
    let (one, two) = (NodeId::new(1), NodeId::new(2));
    let disk = FaultDisk::empty();
    let store = open(&disk);
    assert_eq!((store.cluster(), store.node()), (None, None));
    store.stamp(ours, one).await.unwrap();
    store.stamp(ours, one).await.unwrap();
    assert!(matches!(store.stamp(theirs, one).await, Err(LogError::Incompatible(_))));
    store.close().await.unwrap();
    let store = open(&FaultDisk::new(disk.current(), fault_disk::Fault::None));
    assert_eq!((store.cluster(), store.node()), (Some(ours), Some(one)));
    let Err(LogError::Incompatible(text)) = store.stamp(ours, two).await else {
        panic!("another node took the file")
    };
    assert!(text.contains("belongs to node 1"), "{text}");
    store.stamp(ours, one).await.unwrap();
}

#[tokio::test]
async fn a_closed_store_answers_stopped() {
    let store = open(&FaultDisk::empty());
    let log = store.group(group(1));
    log.append(records(0..2)).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(log.append(records(2..3)).await, Err(LogError::Stopped(_))));
    assert!(matches!(log.save_vote(Bytes::new()).await, Err(LogError::Stopped(_))));
    assert!(matches!(log.purge(LogIndex::new(0), Bytes::new()).await, Err(LogError::Stopped(_))));
    assert!(matches!(log.read(0..2, 100).await, Err(LogError::Stopped(_))));
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_appends_only() {
    let disk = FaultDisk::empty();
    let store = open(&disk);
    let log = store.group(group(1));
    log.append(records(0..2)).await.unwrap();
    disk.set_free_bytes(Some(options().disk_reserve_bytes));
    assert!(matches!(log.append(records(2..3)).await, Err(LogError::DiskFull(_))));
    assert_eq!(log.state().last, Some(LogIndex::new(1)));
    log.save_vote(marker("vote")).await.unwrap();
    log.truncate(LogIndex::new(1)).await.unwrap();
    log.purge(LogIndex::new(0), marker("p")).await.unwrap();
    store.flush().await.unwrap();
    disk.set_free_bytes(Some(u64::MAX));
    log.append(records(1..3)).await.unwrap();
    assert_eq!(read_all(&log).await, records(1..3));
}

#[tokio::test]
async fn a_failed_sync_stops_the_writer() {
    let disk = FaultDisk::new(Vec::new(), fault_disk::Fault::SyncFails(8));
    let store = open(&disk);
    let log = store.group(group(1));
    let mut next = 0;
    let error = loop {
        match log.append(records(next..next + 1)).await {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Io(_)), "{error:?}");
    assert_eq!(log.state().last, next.checked_sub(1).map(LogIndex::new), "memory is not ahead");
    let Err(LogError::Stopped(text)) = log.append(records(next..next + 1)).await else {
        panic!("a write after a failed sync was taken")
    };
    assert!(text.contains("the sync failed"), "{text}");
    assert!(matches!(log.save_vote(Bytes::new()).await, Err(LogError::Stopped(_))));
    assert!(store.close().await.is_err());
}

#[tokio::test]
async fn oversized_records_are_refused() {
    let log = open(&FaultDisk::empty()).group(group(1));
    let big = record(0, vec![0; RECORD_BYTES_MAX + 1]);
    assert!(matches!(log.append(vec![big]).await, Err(LogError::Misuse(_))));
}

#[tokio::test]
async fn a_creation_cut_short_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.redb");
    std::fs::write(path.with_extension("new"), vec![0; 100_000]).unwrap();
    let store = RedbLogStore::open(&path, options()).unwrap();
    store.close().await.unwrap();
    assert!(!path.with_extension("new").exists());
    let unborn = FaultDisk::new(vec![0; 100_000], fault_disk::Fault::None);
    open(&unborn).close().await.unwrap();
    let headless = {
        let disk = FaultDisk::empty();
        let store = open(&disk);
        store.group(group(1)).append(records(0..3)).await.unwrap();
        store.close().await.unwrap();
        let mut image = disk.current();
        image[..4096].fill(0);
        image
    };
    let headless = FaultDisk::new(headless, fault_disk::Fault::None);
    assert!(matches!(RedbLogStore::open_on(headless, options()), Err(LogError::Corrupt(_))));
}

#[tokio::test]
async fn a_disk_that_fills_up_during_a_commit_stops_the_writer() {
    let disk = FaultDisk::new(Vec::new(), fault_disk::Fault::NoSpace(60));
    let store = open(&disk);
    let log = store.group(group(1));
    let mut next = 0;
    let error = loop {
        match log.append(records(next..next + 1)).await {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::DiskFull(_)), "{error:?}");
    assert!(matches!(log.save_vote(Bytes::new()).await, Err(LogError::Stopped(_))));
    let _ = store.close().await;
    let store = open(&FaultDisk::new(disk.current(), fault_disk::Fault::None));
    let log = store.group(group(1));
    assert_eq!(log.read(0..next, usize::MAX).await.unwrap(), records(0..next));
}
