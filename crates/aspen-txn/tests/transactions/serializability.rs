//! Whatever another transaction does between the reads and the commit: a commit that succeeds has
//! read what it would read now. And the reverse: what nobody observed makes no conflict.

use aspen_core::KeyValueStore;
use aspen_core::{KeyRange, Operation, Transaction, WriteCommand};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Step, cases, name, read, run, write};
use crate::support::{conflict, key, store_of, value};

const PAIRS: [(&str, &str); 5] =
    [("a", "\u{1}"), ("b", ""), ("ca", "\u{2}\u{3}"), ("d", "x"), ("f", "\u{1}\u{1}")];

/// What another client commits meanwhile.
fn disturbance() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => name().prop_map(|key| Operation::put(key, value("theirs"))),
        2 => name().prop_map(|key| Operation::Delete { key }),
        1 => crate::model::key_range().prop_map(|range| Operation::DeleteRange { range }),
    ]
}

fn commit_is_serializable(steps: Vec<Step>, theirs: Vec<Operation>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, database) = store_of(&PAIRS).await;
        let tx = database.begin();
        let mut found = Vec::new();
        for step in &steps {
            found.push(run(&tx, step).await);
        }
        tx.set(key("out"), value("v")).unwrap();
        let theirs = Transaction { success: theirs, ..Transaction::default() };
        store.write(WriteCommand::Transaction(theirs)).await.unwrap();
        // The same reads and writes in the state before the commit.
        let again = database.begin();
        let mut now = Vec::new();
        for step in &steps {
            now.push(run(&again, step).await);
        }
        if conflict(&tx).await.is_none() {
            assert_eq!(found, now);
        }
    });
}

/// Nobody reads beyond `c`: changes there conflict with nothing.
fn unobserved_changes_do_not_conflict(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, database) = store_of(&PAIRS).await;
        let tx = database.begin();
        for step in &steps {
            run(&tx, step).await;
        }
        tx.set(key("out"), value("v")).unwrap();
        for name in ["c", "d", "e"] {
            store.set(key(name), value("theirs")).await.unwrap();
        }
        assert_eq!(conflict(&tx).await, None);
    });
}

/// The step with its reads kept below `c`.
fn below(step: Step) -> Step {
    let limit = key("c").into_bytes();
    match step {
        Step::Get(keys) => {
            Step::Get(keys.into_iter().filter(|key| *key < self::key("c")).collect())
        }
        Step::Range { range, reverse, limit: most, page } => {
            let end = range.end.map_or(limit.clone(), |end| end.min(limit));
            let range = KeyRange { end: Some(end), ..range };
            Step::Range { range, reverse, limit: most, page }
        }
        write => write,
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(prop_oneof![1 => write(), 2 => read()], 1..10)
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn what_commits_has_read_what_is_so(
        steps in steps(),
        theirs in vec(disturbance(), 1..3),
    ) {
        commit_is_serializable(steps, theirs);
    }

    #[test]
    fn what_nobody_observed_makes_no_conflict(steps in steps()) {
        unobserved_changes_do_not_conflict(steps.into_iter().map(below).collect());
    }
}
