//! Plans with a point of their own, and plans that once failed, each with its story.

use aspen_core::{KeyRange, LeaseId, Operation, Projection, ScanOrder, Value};

use crate::check;
use crate::plan::{
    Pick, PlannedCommand, PlannedConflict, PlannedExpiry, PlannedProposal, PlannedScan,
    PlannedSequence, PlannedStamp, PlannedTransaction, Step, key, open_sessions,
};
use crate::subject::{Memory, Sqlite};

fn run(steps: &[Step]) {
    let page = |order, at| PlannedScan {
        range: KeyRange::all(),
        order,
        limit: 2,
        bytes_max: 4 * 1024 * 1024,
        projection: Projection::Full,
        at,
    };
    let scans = [page(ScanOrder::Forward, None), page(ScanOrder::Reverse, Some(Pick::Back(1)))];
    check::run::<Memory>(steps, &scans);
    check::run::<Sqlite>(steps, &scans);
}

fn batch(proposals: Vec<PlannedProposal>) -> Step {
    Step::Batch { clock_step_ms: 1, proposals }
}

fn transaction(conflicts: Vec<PlannedConflict>, success: Vec<Operation>) -> PlannedCommand {
    let (compares, failure) = (Vec::new(), Vec::new());
    PlannedCommand::Transaction(PlannedTransaction { compares, conflicts, success, failure })
}

fn plain(command: PlannedCommand) -> PlannedProposal {
    PlannedProposal { stamp: None, command }
}

fn write(success: Vec<Operation>) -> Step {
    batch(vec![plain(transaction(Vec::new(), success))])
}

fn stamped(sequence: PlannedSequence, success: Vec<Operation>) -> Step {
    let stamp = Some(PlannedStamp { client: 0, sequence, unsettled: 8 });
    batch(vec![PlannedProposal { stamp, command: transaction(Vec::new(), success) }])
}

fn put(number: usize) -> Operation {
    Operation::put(key(number), Value::try_from("v").unwrap())
}

fn large(number: usize) -> Operation {
    Operation::put(key(number), Value::new(vec![b'x'; 30_000]).unwrap())
}

fn delete(number: usize) -> Operation {
    Operation::Delete { key: key(number) }
}

/// The client does not know that the replica that answered is gone, and retries: neither a restart
/// from the log, nor one from disk, nor a snapshot may forget the first result.
#[test]
fn a_retry_after_a_restart_or_a_move_has_no_second_effect() {
    for interruption in [Step::Restart, Step::Snapshot] {
        for flush in [None, Some(Step::Flush)] {
            let write = stamped(PlannedSequence::Next, vec![put(1)]);
            let retry = stamped(PlannedSequence::Again(0), vec![delete(1)]);
            let steps = [open_sessions(), write];
            let steps = steps.into_iter().chain(flush).chain([interruption.clone(), retry]);
            run(&steps.collect::<Vec<_>>());
        }
    }
}

/// The deletion is all that shows the phantom's absence, so it must survive on disk until the
/// horizon passes it: the scan's reader would otherwise commit on a key that is gone.
#[test]
fn a_deletion_still_falsifies_range_reads_after_a_restart() {
    let range = KeyRange::prefix("a");
    let read = |back| PlannedConflict::Range(range.clone(), Pick::Back(back));
    let check = |back| batch(vec![plain(transaction(vec![read(back)], vec![put(4)]))]);
    for interruption in [Step::Restart, Step::Snapshot, Step::Flush] {
        let steps = [write(vec![put(3)]), Step::Flush, write(vec![delete(3)]), Step::Flush];
        let rest = [interruption, check(1), check(0)];
        run(&steps.into_iter().chain(rest).collect::<Vec<_>>());
    }
}

/// Compaction may be lazy on disk; what may be read afterwards is the same at once.
#[test]
fn compaction_shows_at_once_and_survives_a_restart() {
    let compact = |back| batch(vec![plain(PlannedCommand::Compact(Pick::Back(back)))]);
    let steps = [
        write(vec![put(0), put(1), put(2)]),
        write(vec![delete(1), put(2)]),
        Step::Flush,
        write(vec![put(1), delete(2)]),
        compact(1),
        Step::Restart,
        compact(0),
        Step::Flush,
        Step::Restart,
        write(vec![put(2)]),
        Step::Snapshot,
    ];
    run(&steps);
}

/// The keys of a lease are found wherever they lie: on disk, in memory over what disk says, in a
/// snapshot.
#[test]
fn a_lease_ends_with_its_keys_on_both_sides_of_a_flush() {
    let lease = LeaseId::new(1);
    let attach = |number| {
        let value = Value::try_from("v").unwrap();
        Operation::Put { key: key(number), value, lease: Some(lease) }
    };
    let with_ttl = |number| {
        let value = Value::try_from("v").unwrap();
        Operation::PutTtl { key: key(number), value, ttl_ms: 1_000 }
    };
    for interruption in [Step::Flush, Step::Restart, Step::Snapshot] {
        let steps = [
            batch(vec![plain(PlannedCommand::Grant(lease, 1_000))]),
            write(vec![attach(0), attach(1), attach(2), with_ttl(5)]),
            write(vec![attach(6)]),
            Step::Flush,
            write(vec![put(1), attach(3), delete(2), with_ttl(6), attach(5)]),
            interruption,
            write(vec![attach(4), put(4)]),
            batch(vec![plain(PlannedCommand::Expire(vec![PlannedExpiry::Private(0)]))]),
            batch(vec![plain(PlannedCommand::Revoke(lease))]),
            Step::Restart,
            batch(vec![plain(PlannedCommand::Grant(lease, 1_000))]),
            write(vec![attach(0)]),
        ];
        run(&steps);
    }
}

/// A key whose versions lie half in memory and half on disk, with large values that make the
/// replica flush by itself between them.
#[test]
fn versions_on_both_sides_of_a_flush_are_one_history() {
    let mut steps = Vec::new();
    for round in 0..6 {
        steps.push(write(vec![large(round % 3), put(5)]));
        steps.push(write(vec![delete((round + 1) % 3), delete(6), put(6)]));
        steps.push(write(vec![Operation::DeleteRange { range: KeyRange::prefix("b") }]));
        if round == 3 {
            steps.push(Step::Restart);
        }
    }
    run(&steps);
}

/// A session lives by the group's clock, which is part of the state: a replica that starts again
/// must expire it at the same entry as all others.
#[test]
fn sessions_expire_alike_after_a_restart() {
    let quiet = |clock_step_ms| Step::Batch { clock_step_ms, proposals: Vec::new() };
    let ttl_ms = aspen_core::SESSION_TTL_MS as i64;
    let steps = [
        open_sessions(),
        stamped(PlannedSequence::Next, vec![put(0)]),
        quiet(ttl_ms / 2),
        stamped(PlannedSequence::Next, vec![put(1)]),
        Step::Flush,
        Step::Restart,
        quiet(ttl_ms / 2 + 61_000),
        stamped(PlannedSequence::Again(0), vec![put(2)]),
        Step::Snapshot,
        quiet(ttl_ms + 61_000),
        stamped(PlannedSequence::Again(0), vec![put(2)]),
    ];
    run(&steps);
}
