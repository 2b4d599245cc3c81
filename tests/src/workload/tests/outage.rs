//! Workloads at a store that serves nothing: they end, and say so.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    KeyValueStore, LeaseGrant, LeaseId, LeaseRevocation, LeaseStatus, Leases, Pins, ReadError,
    ReadReply, ReadRequest, Revision, ScanPage, ScanRequest, TransactionOutcome, Watch, WatchError,
    WatchRequest, WatchStream, WriteCommand, WriteError, WriteFailure, runtime,
};
use async_trait::async_trait;
use futures_util::future::join;

use super::super::{Context, SeededRandom, Stop, all, named};
use super::world::on_paused_clock;
use crate::history::{ClientId, Recorder};

/// How long clients run before they are asked to end.
const RUN: Duration = Duration::from_secs(30);

/// More than any client takes to end after it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(300);

/// A store that answers nothing, or nothing but errors.
struct DeadStore {
    hangs: bool,
}

impl DeadStore {
    async fn fail<T>(&self, error: T) -> T {
        match self.hangs {
            true => pending().await,
            false => error,
        }
    }
}

fn unavailable() -> WriteFailure {
    WriteFailure::Unavailable("no quorum".to_owned())
}

#[async_trait]
impl KeyValueStore for DeadStore {
    async fn read(&self, _: ReadRequest) -> Result<ReadReply, ReadError> {
        Err(self.fail(ReadError::Unavailable("no quorum".to_owned())).await)
    }

    async fn scan(&self, _: ScanRequest) -> Result<ScanPage, ReadError> {
        Err(self.fail(ReadError::Timeout("no answer".to_owned())).await)
    }

    async fn write(&self, _: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        Err(self.fail(WriteError::maybe_applied(unavailable())).await)
    }
}

#[async_trait]
impl Watch for DeadStore {
    async fn watch(&self, _: WatchRequest) -> Result<WatchStream, WatchError> {
        Err(self.fail(WatchError::Unavailable("no node answers".to_owned())).await)
    }
}

#[async_trait]
impl Leases for DeadStore {
    async fn grant(&self, _: Option<LeaseId>, _: u64) -> Result<LeaseGrant, WriteError> {
        Err(self.fail(WriteError::not_applied(unavailable())).await)
    }

    async fn keep_alive(&self, _: Vec<LeaseId>) -> Result<Vec<Option<u64>>, ReadError> {
        Err(self.fail(ReadError::Unavailable("no node answers".to_owned())).await)
    }

    async fn revoke(&self, _: LeaseId) -> Result<LeaseRevocation, WriteError> {
        Err(self.fail(WriteError::maybe_applied(unavailable())).await)
    }

    async fn time_to_live(&self, _: LeaseId, _: bool) -> Result<Option<LeaseStatus>, ReadError> {
        Err(self.fail(ReadError::Unavailable("no node answers".to_owned())).await)
    }

    async fn list(&self) -> Result<Vec<LeaseId>, ReadError> {
        Err(self.fail(ReadError::Unavailable("no node answers".to_owned())).await)
    }
}

#[async_trait]
impl Pins for DeadStore {
    async fn pin(&self, _: LeaseId, _: Option<Revision>) -> Result<Revision, WriteError> {
        Err(self.fail(WriteError::not_applied(unavailable())).await)
    }
}

fn context(hangs: bool) -> Context {
    Context {
        client: ClientId(0),
        clients: 1,
        store: Arc::new(DeadStore { hangs }),
        watch: Arc::new(DeadStore { hangs }),
        leases: Arc::new(DeadStore { hangs }),
        recorder: Recorder::new(),
        random: SeededRandom::new(1),
        stop: Stop::new(),
    }
}

#[test]
fn clients_end_when_they_are_asked_to_though_nothing_is_served() {
    for (workload, hangs) in all().into_iter().flat_map(|it| [(it.clone(), false), (it, true)]) {
        on_paused_clock(async {
            let context = context(hangs);
            let stop = context.stop.clone();
            let ask = async {
                runtime::sleep(RUN).await;
                stop.set();
            };
            let run = runtime::timeout(RUN + END_PATIENCE, workload.run(context));
            let (result, ()) = join(run, ask).await;
            assert_eq!(result, Ok(Ok(())), "{}, hangs: {hangs}", workload.name());
        });
    }
}

#[test]
fn a_store_that_does_not_serve_without_faults_is_a_violation() {
    for (name, hangs) in ["ring", "bank"].into_iter().flat_map(|it| [(it, false), (it, true)]) {
        on_paused_clock(async {
            let (workload, context) = (named(name).unwrap(), context(hangs));
            for violation in [workload.prepare(&context).await, workload.check(&context).await] {
                let invariant = violation.unwrap_err().invariant;
                assert_eq!(invariant, "a cluster without faults serves", "{name}");
            }
        });
    }
}
