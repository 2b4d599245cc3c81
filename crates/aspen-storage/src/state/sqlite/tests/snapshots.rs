//! Snapshots built, sent and installed.

use std::path::Path;
use std::sync::Arc;

use aspen_core::{KeyRange, Revision, ScanRequest};

use super::super::{SqliteStateMachine, body, install};
use super::support::{GROUP, Work, apply_model, compare, entry, open, put, transaction};
use crate::state::{AppliedState, MemoryTables, SnapshotReader, StateError, StateMachine, Tables};

/// A machine with history, sessions, deletions and large values, and its model.
async fn worked(dir: &Path, seed: u64) -> (Arc<SqliteStateMachine>, MemoryTables, Work) {
    let machine = open(dir);
    let mut model = MemoryTables::new();
    let mut work = Work::new(seed, 200);
    for _ in 0..300 {
        let entry = work.entry(model.group().revision);
        let expected = apply_model(&mut model, &entry);
        assert_eq!(machine.apply(vec![entry]).await.unwrap(), vec![expected]);
    }
    (machine, model, work)
}

async fn everything(machine: &SqliteStateMachine) -> Vec<aspen_core::KeyValue> {
    machine.scan(ScanRequest::new(KeyRange::all()), None).await.unwrap().entries
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_snapshot_is_the_same_state_with_its_history() {
    for seed in 0..4 {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (source, mut model, mut work) = worked(from.path(), seed).await;
        let file = source.build_snapshot().await.unwrap();
        assert_eq!(source.latest_snapshot().await.unwrap(), Some(file.clone()));
        let (target, _, _) = worked(to.path(), seed + 100).await;
        let incoming = target.incoming_path();
        std::fs::copy(&file.path, &incoming).unwrap();
        let applied = target.install_snapshot(incoming.clone()).await.unwrap();
        assert_eq!((&applied, &target.flushed()), (&source.applied(), &source.applied()));
        assert!(!incoming.exists());
        assert_eq!(target.latest_snapshot().await.unwrap().unwrap().applied, applied);
        for at in model.group().horizon.get()..=model.group().revision.get() {
            compare(&target, &model, &mut work, Some(Revision::new(at))).await;
        }
        // Sessions and history came along: both go on with the same replies.
        for _ in 0..100 {
            let entry = work.entry(model.group().revision);
            let expected = vec![apply_model(&mut model, &entry)];
            assert_eq!(target.apply(vec![entry.clone()]).await.unwrap(), expected);
            assert_eq!(source.apply(vec![entry]).await.unwrap(), expected);
        }
        assert_eq!(everything(&target).await, everything(&source).await);
        assert_eq!(target.check_integrity().await.unwrap(), Vec::<String>::new());
        drop(target);
        let again = open(to.path());
        let index = |state: AppliedState| state.position.unwrap().index;
        assert!(index(again.applied()) >= index(applied));
        assert!(!to.path().join("state-1.db").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_changes_nothing() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, _, _) = worked(from.path(), 1).await;
    let (target, model, mut work) = worked(to.path(), 2).await;
    let file = source.build_snapshot().await.unwrap();
    let good = std::fs::read(&file.path).unwrap();
    let before = (target.applied(), everything(&target).await);
    for at in [0, 9, 40, good.len() / 2, good.len() - 50, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        refused(&target, &bytes).await;
        refused(&target, &good[..at]).await;
    }
    assert_eq!((target.applied(), everything(&target).await), before);
    for at in model.group().horizon.get()..=model.group().revision.get() {
        compare(&target, &model, &mut work, Some(Revision::new(at))).await;
    }
    let names: Vec<_> =
        std::fs::read_dir(to.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("state-2")), "{names:?}");
}

async fn refused(target: &SqliteStateMachine, bytes: &[u8]) {
    let path = target.incoming_path();
    std::fs::write(&path, bytes).unwrap();
    let error = target.install_snapshot(path).await.unwrap_err();
    assert!(matches!(error, StateError::Corrupt(_) | StateError::Incompatible(_)), "{error}");
}

#[tokio::test]
async fn a_snapshot_of_another_group_is_refused() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, _, _) = worked(from.path(), 1).await;
    let file = source.build_snapshot().await.unwrap();
    let meta = aspen_core::GroupId::META;
    let target = SqliteStateMachine::open(to.path(), meta, super::support::options()).unwrap();
    let error = target.install_snapshot(file.path).await.unwrap_err();
    assert!(matches!(error, StateError::Incompatible(_)), "{error}");
}

/// A crash after each step of an install: before the rename the old state opens, after it the new.
#[tokio::test]
async fn an_interrupted_install_leaves_the_old_or_the_new_state() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, _, _) = worked(from.path(), 1).await;
    let file = source.build_snapshot().await.unwrap();
    let (target, _, _) = worked(to.path(), 2).await;
    target.close().await.unwrap();
    let old = (target.applied(), target.revision());
    drop(target);
    let building = to.path().join("state-2.db.tmp");
    // While loading: a database without its end.
    body::create(&building, GROUP).unwrap().execute_batch("COMMIT").unwrap();
    let target = open(to.path());
    assert_eq!((target.applied(), target.revision()), old);
    target.close().await.unwrap();
    drop(target);
    // Loaded, not renamed.
    install::load(&building, &file.path, GROUP).unwrap();
    let target = open(to.path());
    assert_eq!((target.applied(), target.revision()), old);
    assert!(!building.exists());
    target.close().await.unwrap();
    drop(target);
    // Renamed; the old files and the incoming one are still there.
    install::load(&building, &file.path, GROUP).unwrap();
    std::fs::rename(&building, to.path().join("state-2.db")).unwrap();
    let target = open(to.path());
    assert_eq!((target.applied(), target.revision()), (source.applied(), source.revision()));
    assert_eq!(everything(&target).await, everything(&source).await);
    assert!(!to.path().join("state-1.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_while_a_snapshot_is_installed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, target) = (open(from.path()), open(to.path()));
    for index in 1..=200u64 {
        let puts = (0..20).map(|it| put(it, &index.to_string())).collect();
        let entry = entry(index, vec![transaction(puts)]);
        source.apply(vec![entry.clone()]).await.unwrap();
        if index <= 100 {
            target.apply(vec![entry]).await.unwrap();
        }
    }
    target.flush().await.unwrap();
    let path = source.build_snapshot().await.unwrap().path;
    let reader = target.clone();
    let reads = aspen_core::runtime::spawn(async move {
        let mut newest = Revision::ZERO;
        while newest < Revision::new(200) {
            let page = reader.scan(ScanRequest::new(KeyRange::all()), None).await.unwrap();
            assert!(page.revision >= newest);
            newest = page.revision;
            assert_eq!(page.entries.len(), 20);
            assert!(page.entries.iter().all(|entry| entry.mod_revision == newest));
        }
    });
    target.install_snapshot(path).await.unwrap();
    reads.await.unwrap();
    assert_eq!(target.revision(), Revision::new(200));
}

#[tokio::test]
async fn only_the_newest_snapshot_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    assert_eq!(machine.latest_snapshot().await.unwrap(), None);
    for index in 1..=3 {
        let proposal = transaction(vec![put(1, "a")]);
        machine.apply(vec![entry(index, vec![proposal])]).await.unwrap();
        machine.build_snapshot().await.unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path().join("snapshots")).unwrap().count(), 1);
    machine.close().await.unwrap();
    drop(machine);
    let latest = open(dir.path()).latest_snapshot().await.unwrap().unwrap();
    assert_eq!(latest.applied.position, Some(super::support::position(3)));
    SnapshotReader::verify(&latest.path).unwrap();
}
