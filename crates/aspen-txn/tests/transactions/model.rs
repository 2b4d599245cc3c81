//! Random transactions against a plain map: every read, in both directions and in pages, and what
//! is stored after the commit.

use std::collections::BTreeMap;

use aspen_core::{AtomicOperation, Key, KeyRange, KeyValueStore, ScanRequest, Value};
use aspen_txn::{RangeQuery, Transaction};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{key, store_of, value};

const NAMES: [&str; 8] = ["a", "ab", "b", "c", "ca", "d", "e", "f"];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Set(Key, Value),
    Delete(Key),
    DeleteRange(KeyRange),
    Atomic(Key, AtomicOperation),
    Get(Vec<Key>),
    Range { range: KeyRange, reverse: bool, limit: Option<u64>, page: u32 },
}

pub(crate) fn name() -> impl Strategy<Value = Key> {
    (0..NAMES.len()).prop_map(|number| key(NAMES[number]))
}

fn content() -> impl Strategy<Value = Value> {
    vec(0u8..4, 0..3).prop_map(|bytes| Value::new(bytes).unwrap())
}

pub(crate) fn key_range() -> impl Strategy<Value = KeyRange> {
    let start =
        prop_oneof![1 => Just(Vec::new()), 6 => name().prop_map(|it| it.as_bytes().to_vec())];
    (start, proptest::option::weighted(0.8, name()))
        .prop_map(|(start, end)| KeyRange { start: start.into(), end: end.map(Key::into_bytes) })
}

fn atomic() -> impl Strategy<Value = AtomicOperation> {
    let kind = prop_oneof![
        Just(AtomicOperation::Add as fn(Value) -> AtomicOperation),
        Just(AtomicOperation::BitAnd as _),
        Just(AtomicOperation::BitOr as _),
        Just(AtomicOperation::BitXor as _),
        Just(AtomicOperation::Max as _),
        Just(AtomicOperation::Min as _),
        Just(AtomicOperation::ByteMax as _),
        Just(AtomicOperation::ByteMin as _),
        Just(AtomicOperation::AppendIfFits as _),
        Just(AtomicOperation::CompareAndClear as _),
    ];
    (kind, content()).prop_map(|(kind, operand)| kind(operand))
}

pub(crate) fn write() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (name(), content()).prop_map(|(key, value)| Step::Set(key, value)),
        2 => name().prop_map(Step::Delete),
        1 => key_range().prop_map(Step::DeleteRange),
        4 => (name(), atomic()).prop_map(|(key, operation)| Step::Atomic(key, operation)),
    ]
}

pub(crate) fn read() -> impl Strategy<Value = Step> {
    let limit = proptest::option::of(0u64..5);
    prop_oneof![
        2 => vec(name(), 1..4).prop_map(Step::Get),
        3 => (key_range(), any::<bool>(), limit, 1u32..4).prop_map(
            |(range, reverse, limit, page)| Step::Range { range, reverse, limit, page }
        ),
    ]
}

/// What a step reads; nothing for a write.
pub(crate) type Found = Vec<(Key, Option<Value>)>;

/// Runs a step in a transaction, reading ranges page by page.
pub(crate) async fn run(tx: &Transaction, step: &Step) -> Found {
    match step.clone() {
        Step::Set(key, value) => tx.set(key, value).unwrap(),
        Step::Delete(key) => tx.delete(key).unwrap(),
        Step::DeleteRange(range) => tx.delete_range(range).unwrap(),
        Step::Atomic(key, operation) => tx.atomic(key, operation).unwrap(),
        Step::Get(keys) => {
            let values = tx.get_many(&keys).await.unwrap();
            return keys.into_iter().zip(values).collect();
        }
        Step::Range { range, reverse, limit, page } => {
            let query = RangeQuery::new(range).page(page);
            let query = if reverse { query.reverse() } else { query };
            let mut next = Some(limit.map_or(query.clone(), |limit| query.limit(limit)));
            let mut found = Vec::new();
            while let Some(query) = next {
                let page = tx.get_range(query).await.unwrap();
                found.extend(page.entries.into_iter().map(|(key, value)| (key, Some(value))));
                next = page.next;
            }
            return found;
        }
    }
    Vec::new()
}

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

type Map = BTreeMap<Key, Value>;

/// The same on a plain map.
fn run_on_map(map: &mut Map, step: &Step) -> Found {
    match step.clone() {
        Step::Set(key, value) => drop(map.insert(key, value)),
        Step::Delete(key) => drop(map.remove(&key)),
        Step::DeleteRange(range) => map.retain(|key, _| !range.contains(key.as_bytes())),
        Step::Atomic(key, operation) => {
            let before = map.remove(&key);
            if let Some(after) = operation.apply(before) {
                map.insert(key, after);
            }
        }
        Step::Get(keys) => {
            return keys.into_iter().map(|key| (key.clone(), map.get(&key).cloned())).collect();
        }
        Step::Range { range, reverse, limit, .. } => {
            let inside = map.iter().filter(|(key, _)| range.contains(key.as_bytes()));
            let mut found: Found =
                inside.map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
            if reverse {
                found.reverse();
            }
            found.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
            return found;
        }
    }
    Vec::new()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![3 => write(), 2 => read()], 0..25)
}

fn transactions_equal_the_map(transactions: Vec<Vec<Step>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pairs = [("a", "\u{1}"), ("b", ""), ("ca", "\u{2}\u{3}"), ("e", "\u{1}\u{1}")];
        let (store, database) = store_of(&pairs).await;
        let mut map: Map =
            pairs.iter().map(|(name, content)| (key(name), value(content))).collect();
        for steps in &transactions {
            let tx = database.begin();
            for step in steps {
                assert_eq!(run(&tx, step).await, run_on_map(&mut map, step), "{step:?}");
            }
            tx.commit().await.unwrap();
            let page = store.scan(ScanRequest::new(KeyRange::all())).await.unwrap();
            let stored: Map =
                page.entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
            assert_eq!(stored, map);
        }
    });
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_transaction_reads_as_if_it_had_written(transactions in vec(steps(), 1..4)) {
        transactions_equal_the_map(transactions);
    }
}
