#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::runtime;

use super::*;

fn lease(id: u64, grant: u64, ttl_ms: u64) -> (LeaseId, LeaseTerms) {
    (LeaseId::new(id), LeaseTerms { grant, ttl_ms })
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn due(deadlines: &mut LeaseDeadlines, now: Instant) -> Vec<u64> {
    deadlines.take_due(now, 10).iter().map(|expiring| expiring.lease.get()).collect()
}

#[test]
fn leases_end_in_the_order_of_their_deadlines() {
    let (start, mut deadlines) = (runtime::now(), LeaseDeadlines::default());
    deadlines.load(vec![lease(1, 0, 3_000), lease(2, 1, 1_000), lease(3, 2, 2_000)], start);
    assert_eq!(deadlines.next(start), Some(start + ms(1_000)));
    assert_eq!(due(&mut deadlines, start + ms(999)), [0; 0]);
    assert_eq!(due(&mut deadlines, start + ms(2_000)), [2, 3]);
    deadlines.learn(vec![(LeaseId::new(2), None), (LeaseId::new(3), None)], start);
    assert_eq!(deadlines.next(start), Some(start + ms(3_000)));
}

#[test]
fn keeping_alive_counts_from_the_given_time_and_never_takes_any() {
    let (start, mut deadlines) = (runtime::now(), LeaseDeadlines::default());
    deadlines.load(vec![lease(1, 0, 1_000)], start + ms(500));
    let id = LeaseId::new(1);
    assert_eq!(deadlines.keep_alive(id, start), Kept::Alive(1_000));
    assert_eq!(deadlines.next(start), Some(start + ms(1_500)));
    assert_eq!(deadlines.keep_alive(id, start + ms(900)), Kept::Alive(1_000));
    assert_eq!(deadlines.remaining(id, start + ms(1_000)), Some((1_000, ms(900))));
    assert_eq!(deadlines.keep_alive(LeaseId::new(2), start), Kept::Gone);
}

#[test]
fn nothing_keeps_a_lease_alive_whose_end_may_have_been_proposed() {
    let (start, mut deadlines) = (runtime::now(), LeaseDeadlines::default());
    deadlines.load(vec![lease(1, 0, 1_000), lease(2, 1, 9_000)], start);
    let (id, later) = (LeaseId::new(1), start + ms(1_000));
    let taken = deadlines.take_due(later, 10);
    assert_eq!(deadlines.keep_alive(id, later), Kept::Ending);
    assert_eq!(deadlines.remaining(id, later), Some((1_000, ms(0))));
    assert_eq!(deadlines.take_due(later, 10), taken, "it is proposed until it has ended");
    deadlines.learn(vec![(id, None)], later);
    assert_eq!(deadlines.keep_alive(id, later), Kept::Gone);
}

#[test]
fn a_lease_granted_again_has_its_own_deadline() {
    let (start, mut deadlines) = (runtime::now(), LeaseDeadlines::default());
    deadlines.load(vec![lease(1, 0, 1_000)], start);
    deadlines.take_due(start + ms(1_000), 10);
    let (id, again) = lease(1, 5, 1_000);
    deadlines.learn(vec![(id, Some(again))], start + ms(1_000));
    assert_eq!(due(&mut deadlines, start + ms(1_999)), [0; 0]);
    deadlines.learn(vec![(id, Some(again))], start + ms(1_999));
    let named = deadlines.take_due(start + ms(2_000), 10);
    assert_eq!(named, [ExpiringLease { lease: id, grant: 5 }], "old news change nothing");
}

#[test]
fn loading_again_forgets_what_is_gone_and_keeps_what_is_known() {
    let (start, mut deadlines) = (runtime::now(), LeaseDeadlines::default());
    deadlines.load(vec![lease(1, 0, 1_000), lease(2, 1, 1_000)], start);
    deadlines.load(vec![lease(2, 1, 1_000), lease(3, 2, 1_000)], start + ms(500));
    assert_eq!(due(&mut deadlines, start + ms(1_000)), [2]);
    assert_eq!(due(&mut deadlines, start + ms(1_500)), [2, 3]);
    assert_eq!(deadlines.keep_alive(LeaseId::new(1), start), Kept::Gone);
}

#[test]
fn lists_page_by_id_and_leave_private_leases_out() {
    let (start, mut deadlines) = (runtime::now(), LeaseDeadlines::default());
    let private = LeaseId::PRIVATE_FIRST.get() + 7;
    deadlines.load([1, 2, 3, private].map(|id| lease(id, id, 1_000)).into(), start);
    let (first, more) = deadlines.list(LeaseId::UNCHOSEN, 2);
    assert_eq!((first, more), (vec![LeaseId::new(1), LeaseId::new(2)], true));
    assert_eq!(deadlines.list(LeaseId::new(2), 2), (vec![LeaseId::new(3)], false));
    assert_eq!(deadlines.list(LeaseId::new(u64::MAX), 2), (vec![], false));
    assert_eq!(deadlines.list(LeaseId::new(private - 7 - 1), 2), (vec![], false));
}
