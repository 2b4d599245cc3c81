//! Read-only SQL over the body.
//!
//! A query sees the body in one read transaction, and only through temporary views of a connection
//! of its own (`views`), so that nothing of it is in the file or in a snapshot. What the head has
//! not handed over is flushed first; a stale query takes the body as it is, and so costs no sync
//! and works while the disk is full.
//!
//! An authorizer refuses everything but `SELECT` over the views (`allowed`), and a progress handler
//! ends what takes too long or whose caller is gone (`stop`).

mod allowed;
mod errors;
mod run;
mod stop;
mod views;

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{Consistency, ReadError, Revision, SqlError, SqlReply, SqlRequest, runtime};
use tokio::sync::Semaphore;

use self::stop::Stop;
use super::{FlushJob, SqliteStateMachine, stopped};
use crate::state::StateError;

/// How many queries of a group run at once, each on a thread of its own. More serve more people;
/// fewer leave the cores and the disk to everyone else.
const SQL_RUNNING_MAX: usize = 2;

/// How many queries of a group may wait for others to end. Those beyond are refused.
const SQL_WAITING_MAX: usize = 32;

/// How long after its time a query that is deep within one function is still waited for. Then it is
/// answered without it; its thread stays taken until the function returns.
const SQL_GRACE: Duration = Duration::from_millis(500);

/// The places of queries.
pub(super) struct Queries {
    running: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for Queries {
    fn default() -> Self {
        let running = Arc::new(Semaphore::new(SQL_RUNNING_MAX));
        Self { running, waiting: Semaphore::new(SQL_RUNNING_MAX + SQL_WAITING_MAX) }
    }
}

impl SqliteStateMachine {
    /// Runs a query within its time.
    pub(super) async fn query(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        request.validate()?;
        let _waiting = self.queries.waiting.try_acquire().map_err(|_| {
            let limit = SQL_RUNNING_MAX + SQL_WAITING_MAX;
            ReadError::Overloaded(format!("{limit} SQL queries of the group wait or run"))
        })?;
        let limit = Duration::from_millis(request.timeout_ms);
        let stop = Stop::after(limit);
        // However this future ends, the query does not outlive it for long.
        let _gone = stop.when_dropped();
        let timed_out = SqlError::TimedOut { limit_ms: request.timeout_ms };
        let answer = self.query_until(request, stop.clone());
        runtime::timeout(limit + SQL_GRACE, answer).await.unwrap_or(Err(timed_out))
    }

    async fn query_until(&self, request: SqlRequest, stop: Stop) -> Result<SqlReply, SqlError> {
        let permit = self.queries.running.clone().acquire_owned().await.map_err(|_| closed())?;
        let wanted = self.flushed_for(request.consistency).await.map_err(ReadError::from)?;
        let core = self.core.clone();
        let work = move || {
            let _permit = permit;
            run::run(&core, &request, wanted, &stop)
        };
        runtime::spawn_blocking(work).await.map_err(|_| closed())?
    }

    /// Makes the body hold what a query must see; answers how much that is.
    async fn flushed_for(&self, consistency: Consistency) -> Result<Revision, StateError> {
        if self.core.progress.borrow().closed {
            return Err(stopped());
        }
        let (in_body, newest) = {
            let head = self.core.head.read();
            // Compaction moves no revision, but it is in force once it is applied.
            let all_in_body = head.flushed == head.registers.applied;
            (all_in_body.then_some(head.body_revision), head.registers.revision)
        };
        match (consistency, in_body) {
            (Consistency::Stale, _) => Ok(Revision::ZERO),
            (_, Some(revision)) => Ok(revision),
            (_, None) => self.ask_flush(FlushJob::Barrier).await.map(|_| newest),
        }
    }
}

fn closed() -> SqlError {
    ReadError::from(stopped()).into()
}
