//! Running a transaction until it commits.

use std::time::Duration;

use aspen_core::runtime::{self, Backoff, Instant};
use aspen_core::{Revision, Versionstamp};

use crate::backoff::backoff;
use crate::{Database, RunOptions, Transaction, TransactionError};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the closure answered.
    pub value: T,
    /// The transaction's revision; `None` when it wrote nothing.
    pub revision: Option<Revision>,
    /// How often the closure ran.
    pub attempts: u32,
}

impl<T> Committed<T> {
    /// What [`Transaction::set_versionstamped`] has written; `None` when the transaction wrote
    /// nothing.
    pub fn versionstamp(&self) -> Option<Versionstamp> {
        self.revision.map(Versionstamp::of)
    }
}

/// Why an attempt failed.
enum Failure<E> {
    /// It may be tried again.
    Again(TransactionError),
    /// It may not.
    Final(E),
    /// The time was up before the closure was done.
    CutOff,
}

impl Database {
    /// Runs a closure with a transaction and commits it; runs it again, after a pause, when
    /// something that it read has changed meanwhile, or something transient failed.
    ///
    /// The closure may run many times, so it must have no effect but through its transaction. When
    /// it answers an error nothing is written, and the error is the run's, unless a read failed
    /// that may succeed when tried again.
    ///
    /// # Errors
    /// The closure's own; those of a commit that will not happen;
    /// [`TransactionError::CommitUnknown`] when it may have happened, which ends the run unless
    /// `idempotent` is set; [`TransactionError::GaveUp`] when attempts or time are used up.
    pub async fn run<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnMut(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<TransactionError>,
    {
        Ok(self.run_committed(body).await?.value)
    }

    /// [`Database::run`] that also tells the transaction's revision.
    ///
    /// # Errors
    /// As [`Database::run`].
    pub async fn run_committed<T, E, F, Fut>(&self, mut body: F) -> Result<Committed<T>, E>
    where
        F: FnMut(Transaction) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<TransactionError>,
    {
        let mut attempts = Attempts::new(self.options());
        loop {
            attempts.made += 1;
            let transaction = self.begin();
            let result = attempts.attempt(&transaction, body(transaction.clone())).await;
            transaction.end();
            match result {
                Ok((value, revision)) => {
                    return Ok(Committed { value, revision, attempts: attempts.made });
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::CutOff) => return Err(attempts.gave_up("timeout_ms").into()),
                Err(Failure::Again(cause)) => attempts.pause(cause).await?,
            }
        }
    }
}

/// The attempts of one run.
struct Attempts<'a> {
    options: &'a RunOptions,
    deadline: Instant,
    backoff: Backoff,
    made: u32,
    /// Why the last attempt failed.
    cause: Option<TransactionError>,
}

impl<'a> Attempts<'a> {
    fn new(options: &'a RunOptions) -> Self {
        let deadline = runtime::now() + Duration::from_millis(options.timeout_ms);
        Self { options, deadline, backoff: backoff(options), made: 0, cause: None }
    }

    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(runtime::now())
    }

    async fn attempt<T, E: From<TransactionError>>(
        &self,
        transaction: &Transaction,
        body: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, Option<Revision>), Failure<E>> {
        let answer = runtime::timeout(self.remaining(), body).await;
        let value = match answer.map_err(|_| Failure::CutOff)? {
            Ok(value) => value,
            Err(error) => {
                let failed_read = transaction.failed_read();
                let transient = failed_read.filter(TransactionError::is_retryable);
                return Err(transient.map_or(Failure::Final(error), Failure::Again));
            }
        };
        match transaction.commit().await {
            Ok(revision) => Ok((value, revision)),
            Err(error) if self.may_run_again(&error) => Err(Failure::Again(error)),
            Err(error) => Err(Failure::Final(error.into())),
        }
    }

    fn may_run_again(&self, error: &TransactionError) -> bool {
        let unknown = matches!(error, TransactionError::CommitUnknown(_));
        error.is_retryable() || (unknown && self.options.idempotent)
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// When there is none.
    async fn pause(&mut self, cause: TransactionError) -> Result<(), TransactionError> {
        tracing::debug!(attempt = self.made, %cause, "transaction runs again");
        // Whatever follows, an earlier commit of unknown outcome must not be forgotten.
        if !self.cause.as_ref().is_some_and(TransactionError::may_have_committed) {
            self.cause = Some(cause);
        }
        if self.made >= self.options.attempts_max {
            return Err(self.gave_up("attempts_max"));
        }
        let pause = self.backoff.pause();
        if pause >= self.remaining() {
            return Err(self.gave_up("timeout_ms"));
        }
        runtime::sleep(pause).await;
        Ok(())
    }

    fn gave_up(&self, limit: &'static str) -> TransactionError {
        let cause = self.cause.clone().map(Box::new);
        TransactionError::GaveUp { attempts: self.made, limit, cause }
    }
}
