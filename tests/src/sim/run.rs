//! One run: a cluster, its clients, its faults, and the verdict.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::sim as seam;
use madsim::runtime::{Handle, Runtime};
use madsim::task::JoinHandle;
use madsim::time::TimeHandle;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::cluster::SimCluster;
use super::heal::{has_converged, heal};
use super::nemesis::Schedule;
use super::replicas::compare;
use super::setup::Setup;
use super::store::ThinkingStore;
use super::trace;
use super::world::{DiskTimes, World};
use crate::check::{Violation, check_linearizable};
use crate::history::{ClientId, History, Recorder};
use crate::workload::{self, Context, SeededRandom, Stop, Workload};

/// How long a healthy cluster may take to come together.
const SETTLE_PATIENCE: Duration = Duration::from_secs(120);

/// How long a client may take to end after it was asked to; more than any request takes.
const CLIENT_PATIENCE: Duration = Duration::from_secs(120);

/// A run takes less simulated time than this, or it hangs.
const SIMULATED_MAX: Duration = Duration::from_secs(1_800);

/// Everything that determines a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) setup: Setup,
    pub(crate) schedule: Schedule,
}

impl Plan {
    /// The plan of a seed.
    pub fn draw(seed: u64, workload: &str, plant: Option<String>) -> Self {
        let setup = Setup { plant, ..Setup::draw(seed, workload) };
        Self { schedule: Schedule::draw(&setup), setup }
    }

    /// The seed of every choice during the run.
    pub fn seed(&self) -> u64 {
        self.setup.seed
    }

    /// The workload's name.
    pub fn workload(&self) -> &str {
        &self.setup.workload
    }

    /// The planted bug.
    pub fn plant(&self) -> Option<&str> {
        self.setup.plant.as_deref()
    }

    /// The names of the faults that strike, in order.
    pub fn faults(&self) -> Vec<String> {
        self.schedule.events.iter().map(|event| event.fault.name()).collect()
    }

    /// What is run, in words.
    pub fn describe(&self) -> String {
        let faults = self.schedule.events.iter().map(|event| {
            format!("  {} ms, for {} ms: {:?}", event.at_ms, event.lasts_ms, event.fault)
        });
        let faults: Vec<String> = faults.collect();
        format!("{:?}\n{}", self.setup, faults.join("\n"))
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// A digest of everything that happened, and of how many events.
    pub digest: (u64, u64),
    /// The last events, in words.
    pub tail: Vec<String>,
    /// What clients did to single keys.
    pub history: History,
    /// The first broken promise.
    pub verdict: Result<(), Violation>,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
}

/// Runs a plan to its end on a thread of its own: thread-wide tables then start empty, and hash
/// maps from the seed.
pub fn run(plan: Plan, keep_trace: bool) -> Report {
    // Made out here: its name is drawn until it is new, and within the simulation what other runs
    // have left behind would change the draws that follow.
    let directory = temporary_directory();
    let thread = std::thread::Builder::new().name(format!("seed {}", plan.setup.seed));
    let running = std::thread::scope(|scope| {
        let running = thread.spawn_scoped(scope, || run_here(plan, keep_trace, directory.path()));
        running.expect("a thread can be started").join()
    });
    running.expect("panics are caught in the thread")
}

/// Memory-backed where the machine has that: syncs cost nothing there.
fn temporary_directory() -> TempDir {
    let shared_memory = Path::new("/dev/shm");
    let directory = match shared_memory.is_dir() {
        true => tempfile::tempdir_in(shared_memory),
        false => tempfile::tempdir(),
    };
    directory.expect("a temporary directory can be made")
}

fn run_here(plan: Plan, keep_trace: bool, directory: &Path) -> Report {
    if keep_trace {
        trace::keep_all();
    }
    let mut runtime = Runtime::with_seed_and_config(plan.setup.seed, madsim::Config::default());
    runtime.set_time_limit(SIMULATED_MAX);
    let recorder = Recorder::new();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(supervise(plan, recorder.clone(), directory))
    }));
    let (verdict, simulated_ms) = caught.unwrap_or_else(|panic| (Err(panicked(&*panic)), 0));
    let (digest, tail, history) = (trace::digest(), trace::tail(), recorder.history());
    Report { digest, tail, history, verdict, simulated_ms }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Violation {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Violation::new("nothing panics", text.unwrap_or_else(|| "a panic without a text".to_owned()))
}

/// Plays the plan until it is through or a promise is broken.
async fn supervise(
    plan: Plan,
    recorder: Recorder,
    directory: &Path,
) -> (Result<(), Violation>, u64) {
    let setup = Arc::new(plan.setup);
    let (taken_up, happens) = setup.buggify_per_mille;
    seam::buggify_everywhere(f64::from(taken_up) / 1_000.0, f64::from(happens) / 1_000.0);
    if let Some(bug) = &setup.plant {
        seam::plant(bug);
    }
    let disks = DiskTimes::install(setup.disk_us_max);
    let cluster = SimCluster::start(setup, directory);
    let world = World::new(cluster, disks);
    let violation = world.cluster.oracle.first_violation();
    let verdict = tokio::select! {
        biased;
        violation = violation => Err(violation),
        verdict = play(&world, plan.schedule, &recorder) => verdict,
    };
    let simulated_ms = TimeHandle::current().elapsed().as_millis() as u64;
    // Nodes and machines hold each other: a run that left them would keep their memory for ever.
    world.cluster.end();
    (verdict, simulated_ms)
}

async fn play(
    world: &Arc<World>,
    schedule: Schedule,
    recorder: &Recorder,
) -> Result<(), Violation> {
    let (cluster, setup) = (&world.cluster, &world.cluster.setup);
    if !cluster.wait_for(SETTLE_PATIENCE, has_converged).await {
        return Err(Violation::new("a healthy cluster comes together", cluster.describe()));
    }
    let workload = workload::named(&setup.workload).expect("the workload exists");
    let stop = Stop::new();
    workload.prepare(&context(cluster, recorder, &stop, 0)).await?;
    trace::note("phase", "prepared");
    let clients = start_clients(cluster, &workload, recorder, &stop);
    let nemesis = Handle::current().create_node().name("schedule").build();
    let faults = nemesis.spawn(schedule.play(world.clone()));
    seam::sleep(Duration::from_millis(setup.run_ms)).await;
    trace::note("phase", "stop");
    world.heal();
    faults.await.expect("the nemesis is not killed");
    stop.set();
    heal(world).await?;
    end_clients(clients).await?;
    workload.check(&context(cluster, recorder, &stop, 0)).await?;
    if !cluster.wait_for(SETTLE_PATIENCE, has_converged).await {
        return Err(Violation::new("a quiet cluster comes to rest", cluster.describe()));
    }
    compare(cluster).await?;
    check_linearizable(&recorder.history())
}

type Clients = Vec<JoinHandle<Result<(), Violation>>>;

fn start_clients(
    cluster: &SimCluster,
    workload: &Arc<dyn Workload>,
    recorder: &Recorder,
    stop: &Stop,
) -> Clients {
    let machine = Handle::current().create_node().name("clients").build();
    let start = |client| {
        let (workload, context) = (workload.clone(), context(cluster, recorder, stop, client));
        let oracle = cluster.oracle.clone();
        machine.spawn(async move {
            let result = workload.run(context).await;
            if let Err(violation) = &result {
                oracle.report(violation.clone());
            }
            result
        })
    };
    (0..cluster.setup.clients).map(start).collect()
}

async fn end_clients(clients: Clients) -> Result<(), Violation> {
    for client in clients {
        let ended = aspen_core::runtime::timeout(CLIENT_PATIENCE, client).await;
        let late = |_| Violation::new("every request ends", "a client does not stop");
        ended.map_err(late)?.expect("clients are not killed")?;
    }
    Ok(())
}

fn context(cluster: &SimCluster, recorder: &Recorder, stop: &Stop, client: u64) -> Context {
    let setup = &cluster.setup;
    let random = SeededRandom::new(setup.seed ^ (client + 1).wrapping_mul(0x9e37_79b9));
    let reached = cluster.client(client);
    let store = ThinkingStore {
        client: reached.clone(),
        number: client,
        think_ms_max: setup.think_ms_max,
        random: random.fork(),
    };
    Context {
        client: ClientId(client),
        clients: setup.clients,
        store: Arc::new(store),
        watch: Arc::new(reached.clone()),
        leases: Arc::new(reached),
        recorder: recorder.clone(),
        random,
        stop: stop.clone(),
    }
}
