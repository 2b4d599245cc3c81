#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{AtomicOperation, CompareOperator};

use super::*;

fn one(line: &str) -> Operation {
    let mut transaction = parse(format!("\n{line}").as_bytes()).unwrap();
    assert_eq!((transaction.compares.len(), transaction.success.len()), (0, 1), "{line}");
    transaction.success.remove(0)
}

fn key(text: &str) -> Key {
    Key::try_from(text).unwrap()
}

fn value(text: &str) -> Value {
    Value::try_from(text).unwrap()
}

#[test]
fn every_compare() {
    let script = "value(\"a b\") = \"=\"\nversion(k)==2\ncreate(k) != \"0\"\nmod(k) < 9\n\
                  lease(k) = 0\nlease(k) > 7";
    let compares = parse(script.as_bytes()).unwrap().compares;
    let compare = |name: &str, target, operator| Compare { key: key(name), target, operator };
    let revision = Revision::new;
    assert_eq!(
        compares,
        [
            compare("a b", CompareTarget::Value(value("=")), CompareOperator::Equal),
            compare("k", CompareTarget::Version(2), CompareOperator::Equal),
            compare("k", CompareTarget::CreateRevision(revision(0)), CompareOperator::NotEqual),
            compare("k", CompareTarget::ModRevision(revision(9)), CompareOperator::Less),
            compare("k", CompareTarget::Lease(None), CompareOperator::Equal),
            compare("k", CompareTarget::Lease(Some(LeaseId::new(7))), CompareOperator::Greater),
        ]
    );
}

#[test]
fn puts_with_leases_and_times() {
    let (k, v) = (key("k"), value("v"));
    assert_eq!(one("put k v"), Operation::put(k.clone(), v.clone()));
    let lease = Some(LeaseId::new(7));
    let leased = Operation::Put { key: k.clone(), value: v.clone(), lease };
    assert_eq!(one("put --lease 7 k v"), leased);
    assert_eq!(one("put k v --lease=7"), leased);
    assert_eq!(one("put k v --ttl 1.5s"), Operation::PutTtl { key: k, value: v, ttl_ms: 1_500 });
    assert_eq!(one(r#"put "k" "--ttl=1s""#), Operation::put(key("k"), value("--ttl=1s")));
}

#[test]
fn quotes_hold_any_bytes() {
    let Operation::Put { key, value, .. } = one(r#"put "a \"b\"" "\x00\xfF\n\\"tail"#) else {
        panic!("a put is a put");
    };
    assert_eq!(key.as_bytes(), b"a \"b\"");
    assert_eq!(value.as_bytes(), b"\x00\xff\n\\tail");
    assert_eq!(one("put k \"\""), Operation::put(self::key("k"), Value::default()));
}

#[test]
fn ranges_are_deleted_and_read() {
    let range = KeyRange::half_open("a", "b");
    assert_eq!(one("del a"), Operation::Delete { key: key("a") });
    assert_eq!(one("del a b"), Operation::DeleteRange { range: range.clone() });
    let prefix = KeyRange::prefix("a b");
    assert_eq!(one("del --prefix=\"a b\""), Operation::DeleteRange { range: prefix.clone() });
    assert_eq!(one("del --from a"), Operation::DeleteRange { range: KeyRange::from_key("a") });
    assert_eq!(one("get a"), Operation::Get { key: key("a") });
    assert_eq!(one("get a b --limit 3"), Operation::Scan { range, limit: 3 });
    let limit = SCAN_RESULTS_DEFAULT;
    assert_eq!(one("get --prefix \"a b\""), Operation::Scan { range: prefix, limit });
}

#[test]
fn every_atomic_operation() {
    for atomic in &ATOMIC {
        let (typed, operand) = match atomic.takes_number {
            true => ("258", Value::new(vec![2, 1, 0, 0, 0, 0, 0, 0]).unwrap()),
            false => ("\"\\x02\"", Value::new(vec![2]).unwrap()),
        };
        let operation = atomic.with(operand);
        let expected = Operation::Atomic { key: key("k"), operation };
        assert_eq!(one(&format!("{} k {typed}", atomic.name)), expected);
    }
    let minus = Value::new(vec![0xff; 8]).unwrap();
    let operation = AtomicOperation::Add(minus);
    assert_eq!(one("add k -1"), Operation::Atomic { key: key("k"), operation });
}

#[test]
fn empty_lines_end_sections_and_comments_do_not() {
    let script = "# if\nversion(a) = 0\n\n# then\nput a 1\n  # more\nput b 2\r\n\nget a\n\n\n";
    let transaction = parse(script.as_bytes()).unwrap();
    assert_eq!(transaction.compares.len(), 1);
    assert_eq!((transaction.success.len(), transaction.failure.len()), (2, 1));
    assert_eq!(parse(b"").unwrap(), Transaction::default());
    let only_failure = parse(b"version(a) = 0\n\n\nget a").unwrap();
    assert_eq!((only_failure.success.len(), only_failure.failure.len()), (0, 1));
}

#[test]
fn errors_name_the_line() {
    for (script, expected) in [
        ("put a 1", "line 1: expected a compare like value(\"k\") = \"v\"; compares come first"),
        ("\n\n\n\nput a 1", "line 5: there are three sections"),
        ("value(a) ~ 1", "line 1: unknown operator"),
        ("size(a) = 1", "line 1: cannot compare \"size\""),
        ("version(a) = x", "line 1: \"x\" is no number"),
        ("version(\"\") = 1", "line 1: key is empty"),
        ("version(\"a) = 1", "line 1: a quote (\") is not closed"),
        ("\nput a 1\nfrob a", "line 3: unknown operation; expected put, del, get, add"),
        ("\nput a", "line 2: put needs KEY and VALUE"),
        ("\nput a \"\\q\"", "line 2: unknown escape"),
        ("\nput a \"\\xg0\"", "line 2: \\x needs two hexadecimal digits"),
        ("\nput a 1 --ttl soon", "line 2: --ttl: "),
        ("\nput a 1 --lease 0", "line 2: --lease: "),
        ("\nput a 1 --lease 7 --ttl 1s", "line 2: expected --lease or --ttl"),
        ("\nput a 1 --limit 7", "line 2: put knows no option --limit"),
        ("\nput a 1 --lease 7 --lease 8", "line 2: --lease is given twice"),
        ("\nput a 1 --lease", "line 2: --lease needs a value"),
        ("\nget a --limit 1", "line 2: --limit goes with a range"),
        ("\ndel a b c", "line 2: del needs KEY, FROM TO"),
        ("\nadd n x", "line 2: \"x\" is no number"),
        ("\nmax n -1", "line 2: -1 is out of range for max"),
        ("\nappend n", "line 2: append needs KEY and VALUE"),
    ] {
        let found = parse(script.as_bytes()).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{script}: {found}");
    }
}
