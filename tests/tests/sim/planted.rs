//! Every planted bug is found within a stated number of seeds.

use aspen_tests::sim::Batch;

/// A bug, the workload that shows it, and the seeds within which some run must fail.
fn is_found(bug: &str, workload: &str, seeds: u64) {
    let batch = Batch {
        first: 0,
        count: Some(seeds),
        time: None,
        workload: workload.to_owned(),
        jobs: 1,
        plant: Some(bug.to_owned()),
        twice: false,
        keep_going: false,
    };
    let summary = batch.run(|_| {});
    let failure = summary.failure.unwrap_or_else(|| panic!("{bug} was not found in {seeds} seeds"));
    println!("{bug}: seed {}, {}", failure.plan.seed(), failure.report.verdict.unwrap_err());
}

#[test]
fn slow_an_acknowledgement_before_the_sync_is_found() {
    is_found("ack-before-sync", "all", 20);
}

#[test]
fn slow_a_vote_that_is_not_kept_is_found() {
    is_found("vote-not-persisted", "all", 20);
}

#[test]
fn slow_a_write_that_is_applied_twice_is_found() {
    is_found("apply-twice", "all", 20);
}

#[test]
fn slow_a_lost_session_is_found() {
    is_found("lost-session", "all", 20);
}

#[test]
fn slow_a_read_without_confirmed_leadership_is_found() {
    is_found("read-without-read-index", "register", 20);
}

#[test]
fn slow_a_snapshot_that_drops_a_key_is_found() {
    is_found("snapshot-drops-key", "all", 40);
}

#[test]
fn slow_a_watch_that_skips_a_revision_is_found() {
    is_found("watch-skips-revision", "watch", 10);
}

#[test]
fn slow_a_check_of_versions_instead_of_revisions_is_found() {
    is_found("check-on-version", "bank", 20);
}

#[test]
fn slow_a_range_that_is_not_checked_is_found() {
    is_found("no-range-check", "phantom", 20);
}

#[test]
fn slow_a_lease_that_ends_with_its_leader_is_found() {
    is_found("lease-expires-early", "leases", 10);
}
