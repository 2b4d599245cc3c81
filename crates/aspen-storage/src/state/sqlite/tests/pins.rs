//! What pins keep in the body, and that it goes with them.

use std::path::Path;

use aspen_core::{
    Command, KeyRange, LeaseId, Operation, Proposal, Revision, SCAN_RESULTS_MAX, ScanOrder,
    ScanRequest, Value,
};
use rusqlite::Connection;

use super::support::{GROUP, compact, entry, key, open, options, put, transaction};
use crate::state::sqlite::body::{self, Role};
use crate::state::sqlite::compact::compact_chunk;
use crate::state::sqlite::registers::Registers;
use crate::state::sqlite::view::View;
use crate::state::{StateError, StateMachine};

const LEASE: LeaseId = LeaseId::new(7);

fn plain(command: Command) -> Proposal {
    Proposal { session: None, command }
}

fn grant_and_pin() -> Vec<Proposal> {
    vec![
        plain(Command::GrantLease { lease: LEASE, ttl_ms: 1_000 }),
        plain(Command::PinRevision { lease: LEASE, revision: None }),
    ]
}

fn rows(dir: &Path, table: &str) -> u64 {
    let database = Connection::open(dir.join("state-1.db")).unwrap();
    let sql = format!("SELECT count(*) FROM {table}");
    database.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
}

/// Flushes, and waits for the maintenance that follows: it ends before the next flush begins.
async fn flush_and_maintain(machine: &dyn StateMachine) {
    machine.flush().await.unwrap();
    machine.flush().await.unwrap();
}

fn long(fill: u8) -> Value {
    Value::new(vec![fill; 3_000]).unwrap()
}

#[tokio::test]
async fn what_a_pin_holds_is_freed_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let write = |fill| (0..20).map(|n| Operation::put(key(n), long(fill))).collect();
    let mut first = vec![transaction(write(1))];
    first.extend(grant_and_pin());
    machine.apply(vec![entry(1, first)]).await.unwrap();
    machine.flush().await.unwrap();
    // The horizon passes changes in the body, in one flush with them, and deletions.
    machine.apply(vec![entry(2, vec![transaction(write(2))])]).await.unwrap();
    machine.flush().await.unwrap();
    let delete = (0..5).map(|n| Operation::Delete { key: key(n) }).collect();
    let (pinned, horizon) = (Revision::new(1), Revision::new(4));
    let last = vec![transaction(write(3)), transaction(delete), compact(horizon)];
    machine.apply(vec![entry(3, last)]).await.unwrap();
    flush_and_maintain(&*machine).await;
    let counts = |dir: &Path| ["pinned", "undo", "large_value"].map(|table| rows(dir, table));
    assert_eq!(counts(dir.path()), [20, 0, 35]);
    let page = machine.scan(ScanRequest::new(KeyRange::all()), Some(pinned)).await.unwrap();
    assert!(page.entries.iter().all(|entry| entry.value == long(1)));
    assert_eq!(page.entries.len(), 20);
    let requested = pinned.next();
    let between = machine.scan(ScanRequest::new(KeyRange::all()), Some(requested)).await;
    assert!(matches!(between, Err(StateError::Compacted { .. })), "{between:?}");
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());

    let revoke = plain(Command::RevokeLease { lease: LEASE });
    machine.apply(vec![entry(4, vec![revoke])]).await.unwrap();
    flush_and_maintain(&*machine).await;
    assert_eq!(counts(dir.path()), [0, 0, 15]);
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
}

/// Deleted and created again, and deleted: the row of the last deletion must not go before what
/// leads to it, or a pin between the two would not find its key for a while.
#[tokio::test]
async fn a_pin_reads_the_same_between_the_chunks_of_compaction() {
    const KEYS: u32 = 2_500;
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let puts = |value: &str| transaction((0..KEYS).map(|n| put(n, value)).collect());
    let delete = || transaction(vec![Operation::DeleteRange { range: KeyRange::all() }]);
    let mut proposals = vec![puts("first"), delete(), puts("second")];
    proposals.extend(grant_and_pin());
    proposals.extend([delete(), puts("third"), delete()]);
    machine.apply(vec![entry(1, proposals)]).await.unwrap();
    let horizon = machine.revision();
    machine.close().await.unwrap();
    drop(machine);

    let path = dir.path().join("state-1.db");
    let connection = body::open(&path, Role::Writer, &options()).unwrap();
    body::check_identity(&connection, &path, Some(GROUP)).unwrap();
    connection.execute("UPDATE register SET horizon = ?", [horizon.get().cast_signed()]).unwrap();
    let pins = Registers::load(&connection).unwrap().pins;
    let mut chunks = 0;
    loop {
        for order in [ScanOrder::Forward, ScanOrder::Reverse] {
            assert_eq!(read_at(&connection, Revision::new(3), order), KEYS, "{chunks} chunks");
        }
        if !compact_chunk(&connection, horizon, &pins).unwrap() {
            break;
        }
        chunks += 1;
    }
    assert!(chunks > 2, "{chunks}");
    assert_eq!(read_at(&connection, Revision::new(3), ScanOrder::Forward), KEYS);
    assert_eq!([rows(dir.path(), "current"), rows(dir.path(), "undo")], [0, 0]);
}

/// How many keys a revision has, each found by a scan and by itself with the second value.
fn read_at(connection: &Connection, at: Revision, order: ScanOrder) -> u32 {
    let mut view = View::begin(connection).unwrap();
    let mut keys = Vec::new();
    let mut visit = |key: &[u8], version: crate::state::Version| {
        assert_eq!(version.live.unwrap().value, Value::try_from("second").unwrap());
        keys.push(key.to_vec());
        Ok(true)
    };
    view.range(&KeyRange::all(), order, at, true, &mut visit).unwrap();
    assert!(
        keys.len() <= SCAN_RESULTS_MAX as usize
            && keys.is_sorted_by(|a, b| match order {
                ScanOrder::Forward => a < b,
                ScanOrder::Reverse => a > b,
            })
    );
    for key in keys.iter().step_by(100) {
        assert!(view.at(key, at).unwrap().is_some_and(|version| version.live.is_some()));
    }
    u32::try_from(keys.len()).unwrap()
}
