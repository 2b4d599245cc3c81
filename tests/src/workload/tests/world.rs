//! Several clients of one workload at a store, interleaved as a seed says.

use std::sync::Arc;

use futures_util::future::join_all;

use super::super::{Context, SeededRandom, Stop, Workload};
use super::Lie;
use super::faulty_leases::FaultyLeases;
use super::faulty_store::FaultyStore;
use super::faulty_watch::FaultyWatch;
use crate::check::Violation;
use crate::history::{ClientId, Recorder};

/// How many clients run the workload.
const CLIENTS: u64 = 4;

/// After how many operations, of all clients together, the run ends.
const OPERATIONS: u64 = 600;

/// How a run went.
pub(super) struct Run {
    pub(super) result: Result<(), Violation>,
    pub(super) changes: usize,
    pub(super) trace: u64,
}

/// Runs all phases of a workload in one thread.
pub(super) fn simulate(workload: &Arc<dyn Workload>, seed: u64, lie: Option<Lie>) -> Run {
    on_paused_clock(async {
        let stop = Stop::new();
        let store = Arc::new(FaultyStore::new(seed, lie, stop.clone(), OPERATIONS));
        let (recorder, random) = (Recorder::new(), SeededRandom::new(!seed));
        let context = |client| Context {
            client: ClientId(client),
            clients: CLIENTS,
            store: store.clone(),
            watch: Arc::new(FaultyWatch(store.clone())),
            leases: Arc::new(FaultyLeases(store.clone())),
            recorder: recorder.clone(),
            random: random.fork(),
            stop: stop.clone(),
        };
        let contexts = (0..=CLIENTS).map(context).collect();
        let result = phases(workload, contexts).await;
        Run { result, changes: store.changes(), trace: store.trace() }
    })
}

/// Runs a future on a clock that jumps to the next timer whenever everything waits.
pub(super) fn on_paused_clock<T>(future: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

async fn phases(workload: &Arc<dyn Workload>, mut contexts: Vec<Context>) -> Result<(), Violation> {
    let judge = contexts.pop().expect("the judge comes after the clients");
    workload.prepare(&judge).await?;
    let runs = contexts.into_iter().map(|context| workload.run(context));
    join_all(runs).await.into_iter().collect::<Result<Vec<()>, Violation>>()?;
    workload.check(&judge).await
}
