//! Databases of format 1, which knew no leases, and of format 2, which knew no pins.

use std::path::Path;

use aspen_core::{
    Command, KeyRange, LeaseId, Operation, Proposal, Rejection, Reply, Revision, ScanRequest, Value,
};
use rusqlite::Connection;

use super::support::{entry, key, open, put, transaction};
use crate::state::sqlite::{STATE_FORMAT, check_dir};
use crate::state::{SNAPSHOT_FORMAT, StateMachine};

/// A state as a program of format 1 left it: two keys, one of which names a lease.
async fn old_state(dir: &Path) {
    let machine = open(dir);
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a"), put(2, "b")])])]).await.unwrap();
    machine.close().await.unwrap();
    drop(machine);
    let database = Connection::open(dir.join("state-1.db")).unwrap();
    database
        .execute_batch(
            "DROP TABLE pin; DROP TABLE pinned;
             ALTER TABLE register DROP COLUMN lease_grants; DROP TABLE lease; DROP TABLE leased;
             UPDATE current SET lease = 7 WHERE key = CAST('key-00002' AS BLOB);
             UPDATE meta SET value = 1 WHERE name = 'format';",
        )
        .unwrap();
}

fn format(dir: &Path) -> u32 {
    let database = Connection::open(dir.join("state-1.db")).unwrap();
    let sql = "SELECT value FROM meta WHERE name = 'format'";
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn plain(command: Command) -> Proposal {
    Proposal { session: None, command }
}

#[tokio::test]
async fn a_check_of_an_old_state_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    old_state(dir.path()).await;
    assert_eq!(check_dir(dir.path()).unwrap(), Vec::<String>::new());
    assert_eq!(format(dir.path()), 1);
}

#[tokio::test]
async fn an_old_state_is_upgraded_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    old_state(dir.path()).await;
    let machine = open(dir.path());
    assert_eq!(format(dir.path()), STATE_FORMAT);
    let lease = LeaseId::new(7);
    let page = machine.scan(ScanRequest::new(KeyRange::all()), None).await.unwrap();
    let leases: Vec<_> = page.entries.iter().map(|entry| entry.lease).collect();
    assert_eq!(leases, [None, None], "what was never granted is no lease");
    let attach = Operation::Put { key: key(1), value: Value::default(), lease: Some(lease) };
    let proposals = vec![
        transaction(vec![attach.clone()]),
        plain(Command::GrantLease { lease, ttl_ms: 1_000 }),
        transaction(vec![attach]),
        plain(Command::RevokeLease { lease }),
    ];
    let replies = machine.apply(vec![entry(2, proposals)]).await.unwrap().remove(0);
    assert_eq!(replies[0], Reply::Rejected(Rejection::NoSuchLease { lease }));
    assert_eq!(replies[3], Reply::LeaseRevoked { revision: Revision::new(3), keys: 1 });
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
    machine.close().await.unwrap();
    drop(machine);
    assert_eq!(check_dir(dir.path()).unwrap(), Vec::<String>::new());
    assert_eq!(open(dir.path()).revision(), Revision::new(3));
}

#[tokio::test]
async fn a_state_of_format_2_has_pins_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let lease = LeaseId::new(7);
    let grant = plain(Command::GrantLease { lease, ttl_ms: 1_000 });
    let put_old = transaction(vec![put(1, "old")]);
    machine.apply(vec![entry(1, vec![grant, put_old])]).await.unwrap();
    machine.close().await.unwrap();
    drop(machine);
    Connection::open(dir.path().join("state-1.db"))
        .unwrap()
        .execute_batch(
            "DROP TABLE pin; DROP TABLE pinned; UPDATE meta SET value = 2 WHERE name = 'format';",
        )
        .unwrap();
    assert_eq!(check_dir(dir.path()).unwrap(), Vec::<String>::new());
    let machine = open(dir.path());
    assert_eq!(format(dir.path()), STATE_FORMAT);
    let (old, new) = (Revision::new(1), Revision::new(2));
    let proposals = vec![
        plain(Command::PinRevision { lease, revision: None }),
        transaction(vec![put(1, "new")]),
        plain(Command::Compact { horizon: new }),
    ];
    let replies = machine.apply(vec![entry(2, proposals)]).await.unwrap().remove(0);
    assert_eq!(replies[0], Reply::RevisionPinned { revision: old });
    machine.flush().await.unwrap();
    let found = machine.read(vec![(vec![key(1)], Some(old))]).await.remove(0).unwrap();
    assert_eq!(found.values[0].as_ref().unwrap().value, Value::try_from("old").unwrap());
}

#[tokio::test]
async fn what_is_wrong_with_leases_on_disk_is_found() {
    let lease = LeaseId::new(7);
    for damage in [
        "DELETE FROM lease",
        "DELETE FROM leased",
        "INSERT INTO leased VALUES (7, CAST('key-00002' AS BLOB))",
        "UPDATE current SET lease = NULL",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let machine = open(dir.path());
        let attach = Operation::Put { key: key(1), value: Value::default(), lease: Some(lease) };
        let proposals = vec![
            plain(Command::GrantLease { lease, ttl_ms: 1_000 }),
            transaction(vec![attach, put(2, "b")]),
        ];
        machine.apply(vec![entry(1, proposals)]).await.unwrap();
        machine.close().await.unwrap();
        assert_eq!(check_dir(dir.path()).unwrap(), Vec::<String>::new());
        Connection::open(dir.path().join("state-1.db")).unwrap().execute_batch(damage).unwrap();
        assert!(!check_dir(dir.path()).unwrap().is_empty(), "{damage}");
    }
}

/// The header of format 1 ends before the number of grants; its rows are the same.
#[tokio::test]
async fn a_snapshot_of_format_1_is_installed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = open(from.path());
    source.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    let file = source.build_snapshot().await.unwrap();
    let mut bytes = std::fs::read(&file.path).unwrap();
    assert_eq!(bytes[8..12], SNAPSHOT_FORMAT.to_le_bytes());
    let header_end = 16 + usize::from(bytes[12]);
    assert_eq!(bytes[header_end - 1], 0, "no grants yet");
    bytes.remove(header_end - 1);
    bytes[8] = 1;
    bytes[12] -= 1;
    let crc = crc32fast::hash(&bytes[..header_end - 1]);
    bytes[header_end - 1..header_end + 3].copy_from_slice(&crc.to_le_bytes());
    let digest_at = bytes.len() - 32;
    let digest = blake3::hash(&bytes[..digest_at]);
    bytes[digest_at..].copy_from_slice(digest.as_bytes());
    let target = open(to.path());
    let incoming = target.incoming_path();
    std::fs::write(&incoming, bytes).unwrap();
    assert_eq!(target.install_snapshot(incoming).await.unwrap(), source.applied());
    let page = target.scan(ScanRequest::new(KeyRange::all()), None).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(target.check_integrity().await.unwrap(), Vec::<String>::new());
}
