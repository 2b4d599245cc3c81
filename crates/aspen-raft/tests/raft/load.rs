//! Many callers at once while the network loses and delays messages.
//!
//! Callers try once: what fails stays failed. At least 85 in 100 must succeed all the same, and
//! what was acknowledged must be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aspen_core::{Consistency, NodeId, runtime};

use crate::cluster::*;
use crate::wire::APPEND;

const CALLERS: usize = 8;
const CALLS: usize = 100;

/// The least share of calls that must succeed, in percent.
const SUCCESS_PERCENT_MIN: usize = 85;

/// What one caller does with its calls.
#[derive(Clone, Copy)]
enum Doing {
    Writing,
    Reading,
    /// One write to three reads.
    Both,
}

impl Doing {
    fn writes(self, call: usize) -> bool {
        match self {
            Self::Writing => true,
            Self::Reading => false,
            Self::Both => call.is_multiple_of(4),
        }
    }
}

/// What became of one caller's calls: how many succeeded, and its last acknowledged value.
struct Told {
    succeeded: usize,
    last: Option<usize>,
}

async fn call(cluster: Arc<Cluster>, caller: usize, doing: Doing, done: Arc<AtomicUsize>) -> Told {
    let mut told = Told { succeeded: 0, last: None };
    for n in 0..CALLS {
        let key = format!("caller{caller}");
        if doing.writes(n) {
            let leader = cluster.leader().await;
            if write(&cluster.group(leader), put(&key, &n.to_string())).await.is_ok() {
                told = Told { succeeded: told.succeeded + 1, last: Some(n) };
            }
        } else {
            let group = cluster.group(1 + (caller + n) as u64 % 3);
            let found = read(&group, &key, Consistency::Linearizable).await;
            told.succeeded += usize::from(found.is_ok());
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    told
}

/// Runs the callers over a bad network, and checks what they were told.
async fn load(doing: Doing) {
    let cluster = Arc::new(Cluster::new(3, options()).await);
    cluster.network.set_drop_percent(3);
    cluster.network.set_drop_percent_of(APPEND, 5);
    cluster.network.set_delay(Duration::from_millis(1));
    cluster.network.set_delay_of(APPEND, Duration::from_millis(2));
    let done = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| runtime::spawn(call(cluster.clone(), caller, doing, done.clone())))
        .collect();
    while done.load(Ordering::Relaxed) < CALLERS * CALLS / 3 {
        runtime::sleep(Duration::from_millis(1)).await;
    }
    // In the middle of it the leader is cut off until there is another.
    let leader = cluster.leader().await;
    cluster.network.isolate(NodeId::new(leader));
    cluster.leader_but(Some(leader)).await;
    cluster.network.heal();
    let mut succeeded = 0;
    for (caller, calls) in callers.into_iter().enumerate() {
        let told = calls.await.unwrap();
        succeeded += told.succeeded;
        check(&cluster, caller, told.last).await;
    }
    let total = CALLERS * CALLS;
    assert!(succeeded * 100 >= total * SUCCESS_PERCENT_MIN, "{succeeded} of {total} succeeded");
    cluster.network.set_drop_percent(0);
    cluster.network.set_drop_percent_of(APPEND, 0);
    cluster.put("after", "v").await;
    cluster.level().await;
}

/// An acknowledged value is there, or one that was written after it.
async fn check(cluster: &Cluster, caller: usize, last: Option<usize>) {
    let Some(last) = last else { return };
    let group = cluster.group(1);
    let found = get(&group, &format!("caller{caller}"), Consistency::Linearizable).await;
    let found: usize = found.unwrap().parse().unwrap();
    assert!(found >= last, "caller {caller} was told {last}, and finds {found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_sustained_writes_succeed_on_a_bad_network() {
    load(Doing::Writing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_concurrent_reads_succeed_on_a_bad_network() {
    load(Doing::Reading).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_mixed_load_succeeds_on_a_bad_network() {
    load(Doing::Both).await;
}
