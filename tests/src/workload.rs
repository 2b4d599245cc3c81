//! What clients do to a store while faults are going on, and what must hold all the same.
//!
//! A [`Workload`] knows nothing of what serves it: it sees a [`KeyValueStore`], a clock and a
//! seeded source of randomness. It runs in three phases: `prepare` writes what it starts from,
//! `run` is one client's loop (several run at once), `check` reads everything back after the faults
//! have stopped and judges. What clients see on the way is judged at once where it can be, so that
//! a violation is found beside its cause.
//!
//! * A write that failed has surely not happened, or it may have, or it may yet: every judgement
//!   counts with all that an unknown outcome allows, and with nothing more.
//! * Each workload has keys of its own below a prefix and a NUL byte, which keeps them in one
//!   partition of the key space and apart from those of other workloads.
//! * The same seed makes the same choices: randomness comes from [`SeededRandom`] and time from
//!   [`aspen_core::runtime`].

mod append_once;
mod attempt;
mod bank;
mod counter;
mod facts;
mod fate;
mod guard;
mod insist;
mod key_space;
mod leases;
mod ledger;
mod locks;
mod mixed;
mod phantom;
mod pins;
mod random;
mod range;
mod register;
mod ring;
mod runs;
mod serializability;
mod sideband;
mod snapshot;
mod stop;
mod tally;
mod transactions;
mod watching;
mod write_during_read;

use std::sync::Arc;

use aspen_core::{KeyValueStore, Pins, Watch};
use async_trait::async_trait;

use crate::check::Violation;
use crate::history::{ClientId, Recorder};

pub use random::SeededRandom;
pub use stop::Stop;

use append_once::AppendOnce;
use bank::Bank;
use counter::Counter;
use leases::Holding;
use locks::Locks;
use mixed::Mixed;
use phantom::Phantom;
use pins::Pinning;
use range::Range;
use register::Register;
use ring::Ring;
use serializability::Serializability;
use sideband::Sideband;
use transactions::Transactions;
use watching::Watching;
use write_during_read::WriteDuringRead;

/// What one client of a workload has at hand.
pub struct Context {
    /// Which client this is.
    pub client: ClientId,
    /// How many clients run the workload; their ids are below this number.
    pub clients: u64,
    /// The store as this client reaches it.
    pub store: Arc<dyn KeyValueStore>,
    /// Its changes as this client is told of them.
    pub watch: Arc<dyn Watch>,
    /// Its leases, and what is pinned to them, as this client reaches them.
    pub leases: Arc<dyn Pins>,
    /// Where operations on single keys are written down; all clients share one history.
    pub recorder: Recorder,
    /// Where this client's choices come from.
    pub random: SeededRandom,
    /// Set when the clients shall end.
    pub stop: Stop,
}

/// What clients do and what must hold. One value serves one run: it remembers what was
/// acknowledged.
#[async_trait]
pub trait Workload: Send + Sync {
    /// The name by which [`named`] finds it.
    fn name(&self) -> &'static str;

    /// Writes what the workload starts from. Retries until it succeeds; called before any client
    /// runs.
    ///
    /// # Errors
    /// The store did not serve for minutes, or said something impossible.
    async fn prepare(&self, context: &Context) -> Result<(), Violation>;

    /// One client's loop until `context.stop` says so; faults are going on.
    ///
    /// # Errors
    /// What the client saw cannot be.
    async fn run(&self, context: Context) -> Result<(), Violation>;

    /// Reads everything and judges, after faults have stopped and the cluster serves.
    ///
    /// # Errors
    /// What was found cannot be, or the store did not serve for minutes.
    async fn check(&self, context: &Context) -> Result<(), Violation>;
}

/// Every workload, each new.
pub fn all() -> Vec<Arc<dyn Workload>> {
    let mut workloads = parts("");
    workloads.push(Arc::new(Mixed::new(parts("mixed-"))));
    workloads
}

/// The workload of this name, new; `None` when there is none.
pub fn named(name: &str) -> Option<Arc<dyn Workload>> {
    all().into_iter().find(|workload| workload.name() == name)
}

/// Every workload that is not made of others, with this before its prefix.
fn parts(before: &str) -> Vec<Arc<dyn Workload>> {
    vec![
        Arc::new(Register::new(before)),
        Arc::new(Register::with_lease_reads(before)),
        Arc::new(Ring::new(before)),
        Arc::new(Bank::new(before)),
        Arc::new(Counter::new(before)),
        Arc::new(AppendOnce::new(before)),
        Arc::new(Range::new(before)),
        Arc::new(Phantom::new(before)),
        Arc::new(WriteDuringRead::new(before)),
        Arc::new(Sideband::new(before)),
        Arc::new(Watching::new(before)),
        Arc::new(Holding::new(before)),
        Arc::new(Pinning::new(before)),
        Arc::new(Locks::new(before)),
        Arc::new(Transactions::new(before)),
        Arc::new(Serializability::new(before)),
    ]
}

#[cfg(all(test, not(madsim)))]
mod tests;
