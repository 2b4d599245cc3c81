use aspen_core::Versionstamp;

use super::*;

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

fn add(number: u8) -> AtomicOperation {
    AtomicOperation::Add(Value::new(vec![number]).unwrap())
}

fn delete(text: &str) -> Operation {
    Operation::Delete { key: key(text) }
}

fn known(bytes: &[u8]) -> Seen {
    Seen::Known(Some(Value::new(bytes.to_vec()).unwrap()))
}

#[test]
fn many_changes_of_a_key_are_one_operation() {
    let mut writes = WriteSet::default();
    for number in 0..20_000u32 {
        writes.put(key("a"), Value::new(number.to_be_bytes().to_vec()).unwrap(), Life::Unbounded);
    }
    assert_eq!(writes.check_limits(), Ok(()));
    assert_eq!(writes.operations().len(), 1);
}

#[test]
fn an_atomic_operation_on_a_known_value_is_a_put() {
    let mut writes = WriteSet::default();
    let lease = LeaseId::new(3);
    writes.put(key("a"), value("\u{1}"), Life::Lease(lease));
    writes.atomic(key("a"), add(4));
    assert_eq!(writes.seen(&key("a"), None), known(&[5]));
    let put = |text, bytes: &[u8], lease| Operation::Put {
        key: key(text),
        value: Value::new(bytes.to_vec()).unwrap(),
        lease,
    };
    // Deleted before, it is created anew; so it is in a cleared range.
    writes.delete(key("b"));
    writes.atomic(key("b"), add(6));
    writes.delete_range(KeyRange::prefix("c")).unwrap();
    writes.atomic(key("c"), add(7));
    writes.atomic(key("cc"), AtomicOperation::CompareAndClear(value("x")));
    assert_eq!(writes.seen(&key("cc"), None), Seen::Known(None));
    assert_eq!(
        writes.operations(),
        [
            Operation::DeleteRange { range: KeyRange::prefix("c") },
            put("a", &[5], Some(lease)),
            delete("b"),
            put("b", &[6], None),
            put("c", &[7], None),
        ]
    );
    writes.atomic(key("a"), AtomicOperation::CompareAndClear(Value::new(vec![5]).unwrap()));
    assert_eq!(writes.seen(&key("a"), None), Seen::Known(None));
}

#[test]
fn a_cleared_range_forgets_what_was_written_there() {
    let mut writes = WriteSet::default();
    writes.put(key("a"), value("v"), Life::Unbounded);
    writes.atomic(key("ab"), add(1));
    writes.delete(key("ac"));
    writes.put(key("b"), value("v"), Life::Unbounded);
    writes.delete_range(KeyRange::prefix("a")).unwrap();
    writes.delete_range(KeyRange::half_open("z", "y")).unwrap();
    writes.delete(key("ad"));
    assert_eq!(writes.seen(&key("ab"), None), Seen::Known(None));
    let range = KeyRange::prefix("a");
    let expected = [Operation::DeleteRange { range }, Operation::put(key("b"), value("v"))];
    assert_eq!(writes.operations(), expected);
    let bytes: usize = expected.iter().map(Operation::len_bytes).sum();
    assert_eq!((writes.operations, writes.bytes + writes.cleared.len_bytes()), (1, bytes));
}

fn stamped(prefix: &str) -> (Key, Value) {
    let template = [prefix.as_bytes(), &Versionstamp::PLACEHOLDER].concat();
    (Key::new(template.clone()).unwrap(), Value::new(template).unwrap())
}

#[test]
fn what_may_hold_the_stamp_is_unreadable() {
    let mut writes = WriteSet::default();
    let (template, _) = stamped("q/");
    writes.put_versionstamped(template, value("v"), StampPosition::Key(2), None).unwrap();
    let at = |raw| Key::new([&b"q/"[..], Versionstamp::of(Revision::new(raw)).as_bytes()].concat());
    let read_revision = Some(Revision::new(7));
    assert_eq!(writes.seen(&at(7).unwrap(), read_revision), Seen::Stored);
    assert_eq!(writes.seen(&at(8).unwrap(), read_revision), Seen::Unreadable);
    assert_eq!(writes.seen(&key("q/"), read_revision), Seen::Stored);
    let longer = Key::new([at(8).unwrap().as_bytes(), b"x"].concat()).unwrap();
    assert_eq!(writes.seen(&longer, read_revision), Seen::Stored);
    let part =
        writes.first_unreadable(&KeyRange::all(), ScanOrder::Forward, Revision::new(7)).unwrap();
    assert_eq!(part.start, at(8).unwrap().into_bytes());
    let before = KeyRange::half_open("a", at(8).unwrap().into_bytes());
    assert_eq!(writes.first_unreadable(&before, ScanOrder::Forward, Revision::new(7)), None);
}

#[test]
fn a_stamped_value_is_unreadable_until_it_is_set() {
    let mut writes = WriteSet::default();
    let (_, template) = stamped("at ");
    let position = StampPosition::Value(3);
    writes.delete(key("a"));
    writes.put_versionstamped(key("a"), template.clone(), position, None).unwrap();
    writes.atomic(key("a"), AtomicOperation::AppendIfFits(value("!")));
    assert_eq!(writes.seen(&key("a"), None), Seen::Unreadable);
    let part = writes.first_unreadable(&KeyRange::all(), ScanOrder::Reverse, Revision::ZERO);
    assert_eq!(part, Some(KeyRange::single(&key("a"))));
    let (value_of, lease) = (template.clone(), None);
    let put = Operation::PutVersionstamped { key: key("a"), value: value_of, position, lease };
    let append = AtomicOperation::AppendIfFits(value("!"));
    let append = Operation::Atomic { key: key("a"), operation: append };
    assert_eq!(writes.operations(), [delete("a"), put, append]);
    writes.put(key("a"), value("v"), Life::Unbounded);
    assert_eq!(writes.operations(), [delete("a"), Operation::put(key("a"), value("v"))]);
    let error = writes.put_versionstamped(key("a"), template, StampPosition::Value(2), None);
    assert!(error.unwrap_err().to_string().contains("placeholder"));
}

#[test]
fn a_range_delete_takes_stamped_keys_along_or_refuses() {
    let mut writes = WriteSet::default();
    let (template, _) = stamped("q/");
    let push = |writes: &mut WriteSet| {
        let (key, value) = (template.clone(), value("v"));
        writes.put_versionstamped(key, value, StampPosition::Key(2), None).unwrap();
    };
    push(&mut writes);
    assert!(writes.delete_range(KeyRange::half_open("q/\0", "q/\u{1}")).is_err());
    writes.delete_range(KeyRange::prefix("r")).unwrap();
    writes.delete_range(KeyRange::prefix("q")).unwrap();
    assert!(!writes.has_stamped_keys());
    assert_eq!((writes.operations, writes.bytes), (0, 0));
    push(&mut writes);
    assert!(matches!(writes.operations()[..], [_, Operation::PutVersionstamped { .. }]));
}

#[test]
fn limits_are_named() {
    let mut writes = WriteSet::default();
    for number in 0..=TRANSACTION_OPERATIONS_MAX {
        assert_eq!(writes.check_limits(), Ok(()));
        writes.put(key(&number.to_string()), Value::default(), Life::Unbounded);
    }
    let error = writes.check_limits().unwrap_err().to_string();
    assert!(error.contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    writes.delete_range(KeyRange::all()).unwrap();
    assert_eq!(writes.check_limits(), Ok(()));
    for number in 0..9 {
        let large = Value::new(vec![0; aspen_core::VALUE_BYTES_MAX]).unwrap();
        writes.put(key(&number.to_string()), large, Life::Unbounded);
    }
    let error = writes.check_limits().unwrap_err().to_string();
    assert!(error.contains("TRANSACTION_BYTES_MAX"), "{error}");
}
