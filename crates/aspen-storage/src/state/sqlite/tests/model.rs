//! Head and body together answer as the model does, whatever is where.

use aspen_core::Revision;

use super::support::{Work, apply_model, compare, open, some_revision};
use crate::state::{MemoryTables, StateMachine, Tables};

async fn drive(seed: u64, keys: u32, steps: u32) {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = open(dir.path());
    let mut model = MemoryTables::new();
    let mut work = Work::new(seed, keys);
    let mut log = Vec::new();
    for step in 0..steps {
        let entry = work.entry(model.group().revision);
        let expected = apply_model(&mut model, &entry);
        log.push(entry.clone());
        let replies = machine.apply(vec![entry]).await.unwrap();
        assert_eq!(replies, vec![expected], "seed {seed} step {step}");
        assert_eq!(machine.revision(), model.group().revision);
        if work.number(6) == 0 {
            let at = some_revision(&model, &mut work);
            compare(&machine, &model, &mut work, at).await;
        }
        if work.number(25) == 0 {
            let flushed = machine.flush().await.unwrap();
            assert_eq!(flushed, machine.applied());
        }
        if work.number(120) == 0 {
            machine = reopen(machine, dir.path(), &log).await;
        }
    }
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
    let pinned = model.group().pins.iter().map(|(revision, _)| revision.get());
    for at in pinned.chain(model.group().horizon.get()..=model.group().revision.get()) {
        compare(&machine, &model, &mut work, Some(Revision::new(at))).await;
    }
}

/// Drops a machine without flushing, and replays what its body had not.
async fn reopen(
    machine: std::sync::Arc<super::super::SqliteStateMachine>,
    dir: &std::path::Path,
    log: &[crate::state::Entry],
) -> std::sync::Arc<super::super::SqliteStateMachine> {
    let applied = machine.applied();
    let flushed = machine.flushed();
    drop(machine);
    let machine = open(dir);
    let index =
        |state: &crate::state::AppliedState| state.position.as_ref().map_or(0, |at| at.index.get());
    let durable = machine.applied();
    assert!(index(&durable) >= index(&flushed) && index(&durable) <= index(&applied));
    let after = |entry: &&crate::state::Entry| entry.position.index.get() > index(&durable);
    let rest: Vec<_> = log.iter().filter(after).cloned().collect();
    machine.apply(rest).await.unwrap();
    assert_eq!(machine.applied(), applied);
    machine
}

#[tokio::test(flavor = "multi_thread")]
async fn few_hot_keys() {
    for seed in 0..6 {
        drive(seed, 12, 400).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys() {
    for seed in 100..103 {
        drive(seed, 3_000, 700).await;
    }
}
