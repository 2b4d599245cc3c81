#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{
    ClientId, Compare, Conflict, DELETE_RANGE_KEYS_MAX, Key, KeyRange, Operation, OperationResult,
    ReadConflict, Rejection, SCAN_RESULTS_MAX, SessionStamp, Transaction, TransactionOutcome,
    Value, WriteCommand,
};

use super::*;
use crate::state::MemoryTables;

mod atomic;

pub(super) fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

pub(super) fn put(text: &str) -> Operation {
    Operation::put(key(text), value("v"))
}

fn delete(text: &str) -> Operation {
    Operation::Delete { key: key(text) }
}

fn revision(raw: u64) -> Revision {
    Revision::new(raw)
}

pub(super) fn propose(
    tables: &mut MemoryTables,
    time_ms: u64,
    session: Option<SessionStamp>,
    command: Command,
) -> Reply {
    let proposals = vec![Proposal { session, command }];
    apply_batch(tables, ProposalBatch { time_ms, proposals }).unwrap().remove(0)
}

fn run(tables: &mut MemoryTables, transaction: Transaction) -> Reply {
    propose(tables, 0, None, Command::Transaction(transaction))
}

fn operations(tables: &mut MemoryTables, success: Vec<Operation>) -> TransactionOutcome {
    match run(tables, Transaction { success, ..Transaction::default() }) {
        Reply::Transaction(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn conflicts(tables: &mut MemoryTables, read_conflicts: Vec<ReadConflict>) -> Reply {
    run(tables, Transaction { read_conflicts, success: vec![put("new")], ..Transaction::default() })
}

fn put_result(version: u64, create: u64) -> OperationResult {
    OperationResult::Put { version, create_revision: revision(create) }
}

#[test]
fn a_transaction_changes_each_key_once() {
    let mut tables = MemoryTables::new();
    let outcome = operations(&mut tables, vec![put("a"), put("a")]);
    assert_eq!(outcome.results, [put_result(1, 1), put_result(1, 1)]);
    let outcome = operations(&mut tables, vec![put("a"), put("a")]);
    assert_eq!(outcome.results, [put_result(2, 1), put_result(2, 1)]);
    let outcome = operations(&mut tables, vec![delete("a"), put("a"), put("a")]);
    let deleted = OperationResult::Deleted { count: 1 };
    assert_eq!(outcome.results, [deleted, put_result(1, 3), put_result(1, 3)]);
    assert_eq!(outcome.revision, revision(3));
}

#[test]
fn what_a_transaction_creates_and_deletes_leaves_no_trace() {
    let mut tables = MemoryTables::new();
    let outcome = operations(&mut tables, vec![put("a"), delete("a"), delete("a")]);
    assert_eq!(outcome.revision, Revision::ZERO);
    assert_eq!(outcome.results[2], OperationResult::Deleted { count: 0 });
    assert_eq!(tables.latest(&key("a")).unwrap(), None);
    // The same after a deletion of what was there before is that deletion.
    operations(&mut tables, vec![put("a")]);
    let outcome = operations(&mut tables, vec![delete("a"), put("a"), delete("a")]);
    assert_eq!(outcome.revision, revision(2));
    assert_eq!(tables.latest(&key("a")).unwrap().unwrap().live, None);
}

#[test]
fn steps_see_the_steps_before_them() {
    let mut tables = MemoryTables::new();
    operations(&mut tables, vec![put("a"), put("b"), put("d")]);
    let all = KeyRange::all();
    let outcome = operations(
        &mut tables,
        vec![
            delete("b"),
            put("c"),
            Operation::Scan { range: all.clone(), limit: 2 },
            Operation::DeleteRange { range: KeyRange::half_open("a", "d") },
            Operation::Scan { range: all, limit: 2 },
            Operation::Get { key: key("c") },
        ],
    );
    let OperationResult::Scan { entries, more: true } = &outcome.results[2] else {
        panic!("{outcome:?}")
    };
    let found: Vec<_> = entries.iter().map(|e| (e.key.to_string(), e.mod_revision.get())).collect();
    assert_eq!(found, [("a".to_owned(), 1), ("c".to_owned(), 2)]);
    assert_eq!(outcome.results[3], OperationResult::Deleted { count: 2 });
    assert!(matches!(&outcome.results[4], OperationResult::Scan { entries, more: false }
        if entries.len() == 1));
    assert_eq!(outcome.results[5], OperationResult::Get(None));
}

#[test]
fn the_revision_counts_changes_only() {
    let mut tables = MemoryTables::new();
    assert_eq!(operations(&mut tables, vec![delete("a")]).revision, Revision::ZERO);
    assert_eq!(operations(&mut tables, vec![put("a")]).revision, revision(1));
    assert_eq!(operations(&mut tables, vec![put("a")]).revision, revision(2));
    let swap = WriteCommand::CompareAndSwap { key: key("a"), expected: None, value: value("w") };
    let reply = run(&mut tables, swap.into_transaction().unwrap());
    let Reply::Transaction(outcome) = reply else { panic!("{reply:?}") };
    assert!(!outcome.succeeded);
    assert_eq!(outcome.revision, revision(2));
    assert!(matches!(&outcome.results[..], [OperationResult::Get(Some(_))]));
}

#[test]
fn read_conflicts_come_before_compares() {
    let mut tables = MemoryTables::new();
    operations(&mut tables, vec![put("a")]);
    let reply = run(
        &mut tables,
        Transaction {
            compares: vec![Compare::absent(key("a"))],
            read_conflicts: vec![ReadConflict::Key { key: key("a"), expected: Revision::ZERO }],
            failure: vec![put("b")],
            ..Transaction::default()
        },
    );
    let conflict =
        Conflict { key: key("a"), range: None, expected: Revision::ZERO, actual: revision(1) };
    assert_eq!(reply, Reply::Rejected(conflict.into()));
    assert_eq!(tables.group().revision, revision(1));
}

/// A check of the version would let this pass: the key is back at version 1.
#[test]
fn a_key_deleted_and_created_again_conflicts() {
    let mut tables = MemoryTables::new();
    for step in [put("a"), delete("a"), put("a")] {
        operations(&mut tables, vec![step]);
    }
    let read = ReadConflict::Key { key: key("a"), expected: revision(1) };
    assert!(matches!(conflicts(&mut tables, vec![read]), Reply::Rejected(Rejection::Conflict(_))));
    let read = ReadConflict::Key { key: key("a"), expected: revision(3) };
    assert!(matches!(conflicts(&mut tables, vec![read]), Reply::Transaction(_)));
}

#[test]
fn a_deletion_falsifies_a_range_read() {
    let mut tables = MemoryTables::new();
    operations(&mut tables, vec![put("a"), put("b")]);
    operations(&mut tables, vec![delete("b")]);
    let range = KeyRange::all();
    let read = |raw| ReadConflict::Range { range: KeyRange::all(), read_revision: revision(raw) };
    let reply = conflicts(&mut tables, vec![read(1)]);
    let conflict =
        Conflict { key: key("b"), range: Some(range), expected: revision(1), actual: revision(2) };
    assert_eq!(reply, Reply::Rejected(conflict.into()));
    assert!(matches!(conflicts(&mut tables, vec![read(2)]), Reply::Transaction(_)));
    assert_eq!(
        conflicts(&mut tables, vec![read(9)]),
        Reply::Rejected(Rejection::FutureRevision { requested: revision(9), current: revision(3) })
    );
}

#[test]
fn compaction_forgets_below_the_horizon_only() {
    let mut tables = MemoryTables::new();
    for step in [put("a"), put("a"), delete("a"), put("b")] {
        operations(&mut tables, vec![step]);
    }
    let compact = |tables: &mut MemoryTables, raw| {
        propose(tables, 0, None, Command::Compact { horizon: revision(raw) })
    };
    assert_eq!(compact(&mut tables, 3), Reply::Compacted { horizon: revision(3) });
    assert_eq!(compact(&mut tables, 1), Reply::Compacted { horizon: revision(3) });
    assert_eq!(
        compact(&mut tables, 5),
        Reply::Rejected(Rejection::FutureRevision { requested: revision(5), current: revision(4) })
    );
    assert_eq!(tables.latest(&key("a")).unwrap(), None);
    let read = ReadConflict::Range { range: KeyRange::all(), read_revision: revision(2) };
    assert_eq!(
        conflicts(&mut tables, vec![read]),
        Reply::Rejected(Rejection::Compacted { requested: revision(2), horizon: revision(3) })
    );
}

#[test]
fn a_hostile_transaction_is_refused_whole() {
    let mut tables = MemoryTables::new();
    let scan = Operation::Scan { range: KeyRange::all(), limit: SCAN_RESULTS_MAX + 1 };
    let reply =
        run(&mut tables, Transaction { success: vec![put("a"), scan], ..Transaction::default() });
    assert!(matches!(reply, Reply::Rejected(Rejection::Invalid(_))), "{reply:?}");
    assert_eq!(tables.group().revision, Revision::ZERO);
}

fn fill(tables: &mut MemoryTables, keys: usize, bytes: usize) {
    let value = Value::new(vec![7; bytes]).unwrap();
    for first in (0..keys).step_by(1_000) {
        let name = |number: usize| key(&format!("{number:08}"));
        let last = keys.min(first + 1_000);
        let puts = (first..last).map(|number| Operation::put(name(number), value.clone()));
        operations(tables, puts.collect());
    }
}

fn rejection_of(tables: &mut MemoryTables, success: Vec<Operation>) -> String {
    let before = tables.clone();
    let reply = run(tables, Transaction { success, ..Transaction::default() });
    assert!(*tables == before, "a rejected transaction has no effect");
    match reply {
        Reply::Rejected(Rejection::Invalid(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_transaction_may_read_no_more_than_a_page() {
    let mut tables = MemoryTables::new();
    fill(&mut tables, 5_001, 1_000);
    let scan = |limit| Operation::Scan { range: KeyRange::all(), limit };
    let detail = rejection_of(&mut tables, vec![put("a"), scan(SCAN_RESULTS_MAX)]);
    assert!(detail.contains("SCAN_BYTES_MAX"), "{detail}");
    operations(&mut tables, vec![Operation::DeleteRange { range: KeyRange::all() }]);
    fill(&mut tables, 5_001, 1);
    let detail = rejection_of(&mut tables, vec![scan(SCAN_RESULTS_MAX), scan(SCAN_RESULTS_MAX)]);
    assert!(detail.contains("SCAN_RESULTS_MAX"), "{detail}");
}

#[test]
fn a_transaction_may_delete_a_bounded_range() {
    let mut tables = MemoryTables::new();
    fill(&mut tables, DELETE_RANGE_KEYS_MAX, 0);
    operations(&mut tables, vec![put("a")]);
    let whole = Operation::DeleteRange { range: KeyRange::all() };
    let detail = rejection_of(&mut tables, vec![put("b"), whole.clone()]);
    assert!(detail.contains("DELETE_RANGE_KEYS_MAX"), "{detail}");
    let outcome = operations(&mut tables, vec![delete("a"), whole]);
    let count = DELETE_RANGE_KEYS_MAX as u64;
    assert_eq!(outcome.results[1], OperationResult::Deleted { count });
    assert_eq!(tables.scan_latest(&KeyRange::all(), 1).unwrap(), []);
}

#[test]
fn unstamped_commands_need_no_session() {
    let mut tables = MemoryTables::new();
    let client = ClientId::new([1; 16]);
    let stamp = SessionStamp { client, sequence: 0, settled_below: 0 };
    let command =
        || Command::Transaction(Transaction { success: vec![put("a")], ..Default::default() });
    let reply = propose(&mut tables, 0, Some(stamp), command());
    assert_eq!(reply, Reply::Rejected(Rejection::SessionExpired));
    assert!(matches!(propose(&mut tables, 0, None, command()), Reply::Transaction(_)));
}
