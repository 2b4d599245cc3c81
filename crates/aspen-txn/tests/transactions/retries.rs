//! The run of a transaction over a store that refuses, fails and forgets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aspen_core::{
    Applied, Conflict, ErrorKind, KeyValueStore, MemoryStore, ReadError, ReadReply, ReadRequest,
    Rejection, Revision, ScanPage, ScanRequest, TransactionOutcome, WriteCommand, WriteError,
    WriteFailure,
};
use aspen_txn::{Committed, Database, RunOptions, Transaction, TransactionError};
use async_trait::async_trait;
use parking_lot::Mutex;

use crate::support::{add, database_over, key, options, stored, value};

/// What happens to a write.
#[derive(Clone)]
enum Fault {
    /// It is refused with this.
    Refused(WriteFailure),
    /// It happens, and its answer is lost: the session cannot settle it.
    Lost,
    /// It happens, and only its result is lost.
    ResultDropped,
    /// It does not happen, and nobody knows.
    Vanished,
}

/// A store whose first writes and reads fail.
struct Faulty {
    store: MemoryStore,
    writes: Mutex<VecDeque<Fault>>,
    reads: Mutex<VecDeque<ReadError>>,
}

impl Faulty {
    fn new(
        writes: impl IntoIterator<Item = Fault>,
        reads: impl IntoIterator<Item = ReadError>,
    ) -> Arc<Self> {
        let (writes, reads) = (writes.into_iter().collect(), reads.into_iter().collect());
        let (writes, reads) = (Mutex::new(writes), Mutex::new(reads));
        Arc::new(Self { store: MemoryStore::new(), writes, reads })
    }
}

#[async_trait]
impl KeyValueStore for Faulty {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        let fault = self.reads.lock().pop_front();
        match fault {
            Some(error) => Err(error),
            None => self.store.read(request).await,
        }
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.store.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        let timeout = || WriteFailure::Timeout("no answer".to_owned());
        let fault = self.writes.lock().pop_front();
        match fault {
            None => self.store.write(command).await,
            Some(Fault::Refused(failure)) => Err(WriteError::not_applied(failure)),
            Some(Fault::Vanished) => Err(WriteError::maybe_applied(timeout())),
            Some(Fault::Lost) => {
                self.store.write(command).await?;
                Err(WriteError::maybe_applied(timeout()))
            }
            Some(Fault::ResultDropped) => {
                let revision = self.store.write(command).await?.revision;
                Err(WriteError::maybe_applied(Rejection::ResultDropped { revision }))
            }
        }
    }
}

fn conflict() -> Fault {
    let (expected, actual) = (Revision::new(1), Revision::new(2));
    let conflict = Conflict { key: key("n"), range: None, expected, actual };
    Fault::Refused(Rejection::Conflict(conflict).into())
}

fn unavailable() -> Fault {
    Fault::Refused(WriteFailure::Unavailable("no quorum".to_owned()))
}

/// Adds one to `n`; counts its calls.
async fn increment(
    database: &Database,
    calls: &AtomicU32,
) -> Result<Committed<()>, TransactionError> {
    database
        .run_committed(async |tx: Transaction| {
            calls.fetch_add(1, Ordering::Relaxed);
            tx.get(&key("n")).await?;
            tx.atomic(key("n"), add(1))
        })
        .await
}

async fn run_over(
    faulty: &Arc<Faulty>,
    options: RunOptions,
) -> (Result<Committed<()>, TransactionError>, u32) {
    let database = database_over(faulty.clone()).with_options(options).unwrap();
    let calls = AtomicU32::new(0);
    let result = increment(&database, &calls).await;
    (result, calls.into_inner())
}

#[tokio::test]
async fn conflicts_and_transient_failures_are_tried_again() {
    let compacted = ReadError::Compacted { requested: Revision::ZERO, horizon: Revision::new(1) };
    let compacted_commit =
        Rejection::Compacted { requested: Revision::ZERO, horizon: Revision::new(1) };
    let writes = [conflict(), conflict(), unavailable(), Fault::Refused(compacted_commit.into())];
    let reads = [compacted, ReadError::Overloaded("many reads".to_owned())];
    let faulty = Faulty::new(writes, reads);
    let (result, calls) = run_over(&faulty, options()).await;
    let expected = Committed { value: (), revision: Some(Revision::new(1)), attempts: 7 };
    assert_eq!((result, calls), (Ok(expected), 7));
    assert_eq!(stored(&faulty.store, "n").await.as_deref(), Some("\u{1}"));
}

#[tokio::test]
async fn a_run_gives_up_after_its_attempts() {
    let faulty = Faulty::new(vec![conflict(); 5], []);
    let options = RunOptions { attempts_max: 3, ..options() };
    let (result, calls) = run_over(&faulty, options).await;
    let error = result.unwrap_err();
    assert_eq!(calls, 3);
    assert_eq!((error.kind(), error.may_have_committed()), (ErrorKind::Conflict, false));
    assert_eq!(
        error.to_string(),
        "gave up after 3 attempts (attempts_max): conflict: key n was read at its revision 1 and \
         is now at 2"
    );
}

#[tokio::test]
async fn a_run_gives_up_when_its_time_is_up() {
    let faulty = Faulty::new(vec![conflict(); 5], []);
    let options = RunOptions { timeout_ms: 0, ..options() };
    let (result, _) = run_over(&faulty, options.clone()).await;
    assert!(matches!(result, Err(TransactionError::GaveUp { limit: "timeout_ms", .. })));
    // A closure that never ends is cut off, and nothing is written.
    let faulty = Faulty::new([], []);
    let database = database_over(faulty.clone());
    let database = database.with_options(RunOptions { timeout_ms: 20, ..options }).unwrap();
    let result: Result<(), TransactionError> = database
        .run(async |tx: Transaction| {
            tx.set(key("n"), value("v"))?;
            std::future::pending().await
        })
        .await;
    let (attempts, limit, cause) = (1, "timeout_ms", None);
    assert_eq!(result, Err(TransactionError::GaveUp { attempts, limit, cause }));
    assert_eq!(faulty.store.revision(), Revision::ZERO);
}

#[tokio::test]
async fn an_unknown_outcome_is_not_run_again() {
    for (fault, expected) in [(Fault::Lost, Some("\u{1}")), (Fault::Vanished, None)] {
        let faulty = Faulty::new([fault], []);
        let (result, calls) = run_over(&faulty, options()).await;
        let error = result.unwrap_err();
        let unknown = matches!(
            &error,
            TransactionError::CommitUnknown(error) if error.applied == Applied::Maybe
        );
        assert!(unknown && error.may_have_committed() && !error.is_retryable(), "{error:?}");
        assert_eq!(calls, 1);
        assert_eq!(stored(&faulty.store, "n").await.as_deref(), expected);
    }
}

/// An increment is not idempotent, so the flag shows that it ran twice.
#[tokio::test]
async fn an_idempotent_closure_is_run_again() {
    let idempotent = RunOptions { idempotent: true, ..options() };
    let faulty = Faulty::new([Fault::Lost], []);
    let (result, calls) = run_over(&faulty, idempotent.clone()).await;
    assert_eq!((result.unwrap().attempts, calls), (2, 2));
    assert_eq!(stored(&faulty.store, "n").await.as_deref(), Some("\u{2}"));
    // Giving up later does not forget that it may have happened.
    let faulty = Faulty::new([Fault::Lost, conflict(), conflict()], []);
    let (result, _) = run_over(&faulty, RunOptions { attempts_max: 3, ..idempotent }).await;
    assert!(result.unwrap_err().may_have_committed());
}

#[tokio::test]
async fn a_result_too_large_to_keep_is_a_success() {
    let faulty = Faulty::new([Fault::ResultDropped], []);
    let (result, calls) = run_over(&faulty, options()).await;
    assert_eq!((result.unwrap().revision, calls), (Some(Revision::new(1)), 1));
}

#[tokio::test]
async fn what_cannot_succeed_ends_the_run() {
    let full = WriteFailure::DiskFull("95 %".to_owned());
    let denied = WriteFailure::Denied("read only".to_owned());
    for (failure, kind) in [(full, ErrorKind::Unavailable), (denied, ErrorKind::Denied)] {
        let faulty = Faulty::new([Fault::Refused(failure)], []);
        let (result, calls) = run_over(&faulty, options()).await;
        assert_eq!((result.unwrap_err().kind(), calls), (kind, 1));
    }
    let denied = ReadError::Denied("nothing for you".to_owned());
    let (result, calls) = run_over(&Faulty::new([], [denied]), options()).await;
    assert_eq!((result.unwrap_err().kind(), calls), (ErrorKind::Denied, 1));
}

#[derive(Debug, PartialEq, thiserror::Error)]
enum TransferError {
    #[error("only {0} left")]
    TooLittle(u8),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

#[tokio::test]
async fn a_closure_that_fails_writes_nothing_and_keeps_its_error() {
    let faulty = Faulty::new([], []);
    let database = database_over(faulty.clone());
    let result = database
        .run(async |tx: Transaction| {
            tx.set(key("n"), value("v"))?;
            Err::<(), _>(TransferError::TooLittle(3))
        })
        .await;
    assert_eq!(result, Err(TransferError::TooLittle(3)));
    assert_eq!(faulty.store.revision(), Revision::ZERO);
    // Unless a read failed that may succeed: the closure did not see what is there.
    let overloaded = ReadError::Overloaded("many reads".to_owned());
    let faulty = Faulty::new([], [overloaded]);
    let result = database_over(faulty.clone())
        .run(async |tx: Transaction| match tx.get(&key("n")).await {
            Ok(None) => tx.set(key("n"), value("first")).map_err(TransferError::from),
            _ => Err(TransferError::TooLittle(0)),
        })
        .await;
    assert_eq!(result, Ok(()));
    assert_eq!(stored(&faulty.store, "n").await.as_deref(), Some("first"));
}

#[tokio::test]
async fn a_closure_sees_fresh_reads_when_it_runs_again() {
    let faulty = Faulty::new([], []);
    let database = database_over(faulty.clone());
    let runs = AtomicU32::new(0);
    let seen = database
        .run(async |tx: Transaction| {
            let found = tx.get(&key("a")).await?;
            if runs.fetch_add(1, Ordering::Relaxed) < 2 {
                let number = runs.load(Ordering::Relaxed).to_string();
                faulty.store.set(key("a"), value(&number)).await.unwrap();
            }
            tx.set(key("b"), value("done"))?;
            Ok::<_, TransactionError>(found)
        })
        .await;
    assert_eq!(seen, Ok(Some(value("2"))));
    assert_eq!(runs.into_inner(), 3);
}

#[tokio::test]
async fn many_writers_of_one_key_all_succeed() {
    let faulty = Faulty::new([], []);
    let database = database_over(faulty.clone());
    let one = async || {
        database
            .run(async |tx: Transaction| {
                let found = tx.get(&key("n")).await?;
                tokio::task::yield_now().await;
                let next = found.map_or(1, |value| value.as_bytes()[0] + 1);
                tx.set(key("n"), aspen_core::Value::new(vec![next]).unwrap())
            })
            .await
    };
    let results = futures_util::future::join_all((0..20).map(|_| one())).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(stored(&faulty.store, "n").await.as_deref(), Some("\u{14}"));
}

/// A run can be spawned: its future is `Send`.
#[tokio::test]
async fn a_run_can_be_a_task() {
    let faulty = Faulty::new([], []);
    let database = database_over(faulty.clone());
    let run = async move {
        database
            .run(|tx| async move {
                tx.get_range(aspen_core::KeyRange::all()).await?;
                tx.set(key("n"), value("v"))
            })
            .await
    };
    aspen_core::runtime::spawn(run).await.unwrap().unwrap();
    assert_eq!(stored(&faulty.store, "n").await.as_deref(), Some("v"));
}
