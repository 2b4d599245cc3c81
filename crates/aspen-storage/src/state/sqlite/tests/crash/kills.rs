//! Processes killed at every step: what they promised is there, and nothing by halves.

use super::child::{End, Exit, Orders, Place, Progress, parse_progress};
use super::history::History;
use super::verdict::judge;
use crate::state::StateMachine;
use crate::state::fault_point::FaultPoint;
use crate::state::sqlite::tests::support::open;

fn killed(point: FaultPoint, nth: u64) -> End {
    End::Killed { point: format!("{point:?}"), nth, after_us: 0 }
}

fn killed_during(point: FaultPoint, nth: u64, after_us: u64) -> End {
    End::Killed { point: format!("{point:?}"), nth, after_us }
}

async fn check(place: &Place, orders: &Orders) {
    let history = History::new(orders.seed, orders.entries);
    let judged = judge(&place.state(), &history, place.progress()).await;
    judged.unwrap_or_else(|wrong| panic!("{orders:?}: {wrong}"));
}

/// One process, killed where its orders say.
async fn kill(orders: &Orders) {
    let place = Place::new();
    assert_eq!(place.run(orders), Exit::Killed, "{orders:?}");
    check(&place, orders).await;
}

async fn kill_at(points: &[FaultPoint], times: &[u64], orders: impl Fn(End) -> Orders) {
    for point in points {
        for nth in times {
            kill(&orders(killed(*point, *nth))).await;
        }
    }
}

fn write(end: End) -> Orders {
    Orders::write(1, end)
}

fn snapshots(end: End) -> Orders {
    Orders { calls_per_snapshot: 9, ..Orders::write(2, end) }
}

/// A directory with a snapshot to install, and orders to do so half way through its history.
async fn source(seed: u64) -> (Place, Orders) {
    let place = Place::new();
    let orders = Orders::write(seed, End::Itself);
    let history = History::new(seed, orders.entries);
    let covers = history.end() - 30;
    let machine = open(&place.state());
    machine.apply(history.between(0, covers).to_vec()).await.unwrap();
    let file = machine.build_snapshot().await.unwrap();
    machine.close().await.unwrap();
    (place, Orders { install: Some((file.path, covers)), ..orders })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_not_killed_comes_to_its_end() {
    let place = Place::new();
    let orders = snapshots(End::Itself);
    assert_eq!(place.run(&orders), Exit::Finished);
    let end = orders.entries as u64;
    assert_eq!(place.progress(), Progress { promised: end, told: end });
    check(&place, &orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_flushes() {
    use FaultPoint::{FlushCommitted, FlushShown, FlushWritten};
    kill_at(&[FlushWritten, FlushCommitted, FlushShown], &[1, 2, 6], write).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_compacts() {
    use FaultPoint::{CompactCommitted, CompactWritten};
    let long = |end| Orders { entries: 240, ..write(end) };
    kill_at(&[CompactWritten, CompactCommitted], &[1, 2, 4], long).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_checkpoint() {
    use FaultPoint::{CheckpointBegun, CheckpointDone};
    kill_at(&[CheckpointBegun, CheckpointDone], &[1], write).await;
    for after_us in [30, 90, 200, 450, 900, 2_000] {
        kill(&write(killed_during(CheckpointBegun, 1, after_us))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_builds_a_snapshot() {
    use FaultPoint::{SnapshotNamed, SnapshotRow, SnapshotShown, SnapshotSynced, SnapshotWritten};
    kill_at(&[SnapshotRow], &[1, 40, 200], snapshots).await;
    kill_at(&[SnapshotWritten, SnapshotSynced], &[1, 3], snapshots).await;
    kill_at(&[SnapshotNamed, SnapshotShown], &[1, 3], snapshots).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_loads_a_snapshot() {
    use FaultPoint::{InstallLoaded, InstallRow, InstallSynced};
    let (_kept, orders) = source(3).await;
    let orders = |end| Orders { end, ..orders.clone() };
    kill_at(&[InstallRow], &[1, 50], orders).await;
    kill_at(&[InstallLoaded, InstallSynced], &[1], orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_goes_over_to_a_snapshot() {
    use FaultPoint::{InstallKept, InstallNamed, InstallSwitched, ReplacedRemoved};
    let (_kept, orders) = source(4).await;
    let orders = |end| Orders { end, ..orders.clone() };
    kill_at(&[InstallNamed, InstallSwitched, InstallKept], &[1], orders).await;
    // The first three make room for the first database.
    kill_at(&[ReplacedRemoved], &[4, 5, 6], orders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_creates_its_database() {
    use FaultPoint::{CreateNamed, CreateSynced, ReplacedRemoved};
    kill_at(&[ReplacedRemoved], &[1, 3], write).await;
    kill_at(&[CreateSynced, CreateNamed], &[1], write).await;
}

/// What one crash left over, the next one meets.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_tidies_up_after_a_kill() {
    use FaultPoint::{InstallNamed, InstallSynced, LeftoverRemoved};
    let (_kept, orders) = source(5).await;
    for point in [InstallSynced, InstallNamed] {
        let place = Place::new();
        for end in [killed(point, 1), killed(LeftoverRemoved, 1)] {
            let orders = Orders { end, ..orders.clone() };
            assert_eq!(place.run(&orders), Exit::Killed, "{orders:?}");
        }
        check(&place, &orders).await;
    }
}

/// The kernel ends the process in the middle of a write, at any byte of any file.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_write() {
    let mut killed = 0;
    for bytes in (0..12).map(|step| 20_001 + 17_113 * step) {
        let place = Place::new();
        let orders = snapshots(End::FileBytes(bytes));
        killed += u32::from(place.run(&orders) == Exit::Killed);
        check(&place, &orders).await;
    }
    assert!(killed > 6, "only {killed} were killed: no file grows that long");
}

/// Kills at any microsecond, one after the other in one directory.
async fn kill_again_and_again(seed: u64, orders: &Orders, kills: u64, span_us: u64) -> u64 {
    let place = Place::new();
    let mut killed = 0;
    for number in 0..kills {
        let after_us = (seed * 7_919 + number * 104_729) % span_us;
        let orders = Orders { end: End::KilledAfter { after_us }, ..orders.clone() };
        killed += u64::from(place.run(&orders) == Exit::Killed);
    }
    check(&place, orders).await;
    killed
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again() {
    let (_kept, install) = source(6).await;
    let mut killed = 0;
    for seed in 0..3 {
        killed += kill_again_and_again(seed, &snapshots(End::Itself), 4, 120_000).await;
        killed += kill_again_and_again(seed, &install, 4, 120_000).await;
    }
    assert!(killed > 6, "only {killed} of 24 were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_killed_at_any_microsecond() {
    let (_kept, install) = source(7).await;
    let mut killed = 0;
    for seed in 0..24 {
        let span_us = [40_000, 120_000, 300_000][seed as usize % 3];
        killed += kill_again_and_again(seed, &snapshots(End::Itself), 3, span_us).await;
        killed += kill_again_and_again(seed, &install, 3, span_us).await;
    }
    assert!(killed > 40, "only {killed} of 144 were killed");
}

/// A judge that finds nothing wrong with a state that lost something judges nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_promise_is_noticed() {
    let place = Place::new();
    let orders = write(killed(FaultPoint::FlushWritten, 4));
    assert_eq!(place.run(&orders), Exit::Killed);
    let history = History::new(orders.seed, orders.entries);
    let Progress { promised, told } = place.progress();
    assert!(promised > 0);
    let more = Progress { promised: promised + 1, told };
    let wrong = judge(&place.state(), &history, more).await.unwrap_err();
    assert!(wrong.contains("it stands at"), "{wrong}");
    let other = History::new(orders.seed + 1, orders.entries);
    assert!(judge(&place.state(), &other, Progress { promised, told }).await.is_err());
}

#[test]
fn a_line_cut_short_says_nothing() {
    let said = parse_progress("told 3\ntold 6\npromised 6\ntold 9");
    assert_eq!(said, Progress { promised: 6, told: 6 });
}
