//! Operations that depend on what is there, or on the revision.

use aspen_core::{
    ATOMIC_BYTES_MAX, AtomicOperation, LeaseId, StampPosition, VALUE_BYTES_MAX, Versionstamp,
};

use super::*;

fn atomic(text: &str, operation: AtomicOperation) -> Operation {
    Operation::Atomic { key: key(text), operation }
}

fn add(text: &str, number: u8) -> Operation {
    atomic(text, AtomicOperation::Add(Value::new(vec![number, 0]).unwrap()))
}

fn stored(tables: &MemoryTables, text: &str) -> (Vec<u8>, u64, Option<LeaseId>) {
    let live = tables.latest(&key(text)).unwrap().unwrap().live.unwrap();
    (live.value.as_bytes().to_vec(), live.version, live.lease)
}

fn granted() -> MemoryTables {
    let mut tables = MemoryTables::new();
    propose(&mut tables, 0, None, Command::GrantLease { lease: LeaseId::new(7), ttl_ms: 5_000 });
    tables
}

#[test]
fn an_atomic_operation_is_a_put_that_keeps_the_lease() {
    let mut tables = granted();
    let lease = Some(LeaseId::new(7));
    let leased = Operation::Put { key: key("a"), value: value("\0"), lease };
    operations(&mut tables, vec![leased]);
    let outcome = operations(&mut tables, vec![add("a", 5), add("a", 6), add("b", 1)]);
    assert_eq!(outcome.results, [put_result(2, 1), put_result(2, 1), put_result(1, 2)]);
    assert_eq!(stored(&tables, "a"), (vec![11, 0], 2, lease));
    assert_eq!(stored(&tables, "b"), (vec![1, 0], 1, None));
    // A key deleted before in the same transaction is missing, and has lost its lease.
    operations(&mut tables, vec![delete("a"), add("a", 1)]);
    assert_eq!(stored(&tables, "a"), (vec![1, 0], 1, None));
}

#[test]
fn compare_and_clear_is_a_delete_or_nothing() {
    let mut tables = MemoryTables::new();
    operations(&mut tables, vec![put("a")]);
    let clear = |text| atomic("a", AtomicOperation::CompareAndClear(value(text)));
    let outcome = operations(&mut tables, vec![clear("w")]);
    assert_eq!(outcome.results, [OperationResult::Deleted { count: 0 }]);
    assert_eq!(outcome.revision, revision(1), "nothing changed");
    let outcome = operations(&mut tables, vec![clear("v"), clear("v")]);
    let counts = [1, 0].map(|count| OperationResult::Deleted { count });
    assert_eq!((outcome.results, outcome.revision), (counts.to_vec(), revision(2)));
    assert_eq!(tables.scan_latest(&KeyRange::all(), 1).unwrap(), []);
}

#[test]
fn a_stamp_is_the_revision_of_its_transaction() {
    let mut tables = granted();
    operations(&mut tables, vec![put("a")]);
    let template = [&b"q/"[..], &Versionstamp::PLACEHOLDER].concat();
    let key = Key::new(template.clone()).unwrap();
    let value = Value::new(template).unwrap();
    let put = |position| {
        let (key, value) = (key.clone(), value.clone());
        Operation::PutVersionstamped { key, value, position, lease: Some(LeaseId::new(7)) }
    };
    let outcome = operations(
        &mut tables,
        vec![put(StampPosition::Key(2)), put(StampPosition::Value(2)), put(StampPosition::Key(2))],
    );
    assert_eq!(outcome.results, vec![put_result(1, 2); 3]);
    let stamped = [&b"q/"[..], Versionstamp::of(outcome.revision).as_bytes()].concat();
    let found = tables.scan_latest(&KeyRange::prefix("q/"), 9).unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.key.as_bytes(), it.value.as_bytes())).collect();
    let (template, stamped) = (key.as_bytes(), stamped.as_slice());
    assert_eq!(found, [(template, stamped), (stamped, template)]);
    let detail = rejection_of(&mut tables, vec![put(StampPosition::Key(3))]);
    assert!(detail.contains("placeholder"), "{detail}");
}

/// Ten thousand appends of one byte each could leave ten gigabytes behind.
#[test]
fn what_atomic_operations_find_is_bounded() {
    let mut tables = MemoryTables::new();
    let count = ATOMIC_BYTES_MAX / VALUE_BYTES_MAX;
    fill(&mut tables, 1, VALUE_BYTES_MAX);
    let append = atomic("00000000", AtomicOperation::AppendIfFits(value("x")));
    let detail = rejection_of(&mut tables, vec![append.clone(); count + 1]);
    assert!(detail.contains("ATOMIC_BYTES_MAX"), "{detail}");
    let outcome = operations(&mut tables, vec![append; count]);
    assert_eq!(outcome.results, vec![put_result(2, 1); count]);
    assert_eq!(stored(&tables, "00000000").0.len(), VALUE_BYTES_MAX);
}
