//! Reads: how fresh each must be, and what confirms it.
//!
//! A linearizable read waits until this replica has applied what the leader had committed when a
//! quorum confirmed the leader, after the read arrived (Raft dissertation, section 6.4). Reads that
//! arrive during a round wait together for the next one. A follower asks its leader for the index
//! and then answers from its own state, so that reads scale with replicas.

use std::sync::Arc;

use aspen_core::{
    Consistency, ReadError, ReadReply, ReadRequest, Revision, ScanPage, ScanRequest, SqlError,
    SqlReply, SqlRequest, runtime,
};

use crate::read_rounds::{ReadResults, ReadRounds};
use crate::replica::Replica;

type Keys = Vec<aspen_core::Key>;

/// The entrance for reads of one group.
pub(crate) struct Reader {
    replica: Arc<Replica>,
    linearizable: ReadRounds,
    lease: ReadRounds,
}

impl Reader {
    pub(crate) fn start(replica: Arc<Replica>) -> Self {
        let linearizable = ReadRounds::start(replica.clone(), false);
        let lease = ReadRounds::start(replica.clone(), true);
        Self { replica, linearizable, lease }
    }

    /// Reads; the same order, one result per request.
    pub(crate) async fn read(&self, requests: Vec<ReadRequest>) -> ReadResults {
        let plain = |request: &ReadRequest| {
            request.consistency == Consistency::Linearizable && request.validate().is_ok()
        };
        if !requests.is_empty() && requests.iter().all(plain) {
            let keys = requests.into_iter().map(|request| request.keys).collect();
            return self.linearizable.read(keys).await;
        }
        self.read_mixed(requests).await
    }

    /// Waits until a quorum has confirmed the leader, later than this was called, and this replica
    /// has applied what was committed then.
    pub(crate) async fn confirm(&self) -> Result<(), ReadError> {
        self.linearizable.pass().await
    }

    /// Reads of different freshness: each waits for the fence that it needs.
    async fn read_mixed(&self, requests: Vec<ReadRequest>) -> ReadResults {
        let mut results = vec![None; requests.len()];
        let mut ready = Vec::with_capacity(requests.len());
        let mut fences = Fences::default();
        for (position, request) in requests.into_iter().enumerate() {
            if let Err(error) = request.validate() {
                results[position] = Some(Err(error.into()));
                continue;
            }
            fences.need(request.consistency, self.replica.state.revision());
            ready.push((position, request));
        }
        let passed = self.pass(fences).await;
        self.answer(ready, passed, &mut results).await;
        let missing = || Err(ReadError::Bug("a read has no result".into()));
        results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }

    /// Reads a page.
    pub(crate) async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        request.validate()?;
        let consistency = request.effective_consistency();
        let mut fences = Fences::default();
        fences.need(consistency, self.replica.state.revision());
        self.pass(fences).await.of(consistency)?;
        Ok(self.replica.state.scan(request, past(consistency)).await?)
    }

    /// Answers SQL.
    pub(crate) async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        request.validate()?;
        let mut fences = Fences::default();
        fences.need(request.consistency, self.replica.state.revision());
        self.pass(fences).await.of(request.consistency)?;
        self.replica.state.sql(request).await
    }

    /// The revision after a linearizable fence.
    pub(crate) async fn read_revision(&self) -> Result<Revision, ReadError> {
        self.linearizable.pass().await?;
        Ok(self.replica.state.revision())
    }

    /// Waits at the fences that the requests need.
    async fn pass(&self, fences: Fences) -> Passed {
        let linearizable = match fences.linearizable {
            true => self.linearizable.pass().await,
            false => Ok(()),
        };
        let lease = match fences.lease {
            true => self.lease.pass().await,
            false => Ok(()),
        };
        // A revision that this replica has not seen may exist: catch up once before saying no. If
        // nobody can say what is committed, the local state answers.
        if fences.future && !fences.linearizable {
            let _ = self.linearizable.pass().await;
        }
        Passed { linearizable, lease }
    }

    /// One call of the state machine for all requests whose fence was passed.
    async fn answer(
        &self,
        requests: Vec<(usize, ReadRequest)>,
        passed: Passed,
        results: &mut [Option<Result<ReadReply, ReadError>>],
    ) {
        let mut positions = Vec::with_capacity(requests.len());
        let mut batch: Vec<(Keys, Option<Revision>)> = Vec::with_capacity(requests.len());
        for (position, request) in requests {
            match passed.of(request.consistency) {
                Err(error) => results[position] = Some(Err(error)),
                Ok(()) => {
                    positions.push(position);
                    batch.push((request.keys, past(request.consistency)));
                }
            }
        }
        if batch.is_empty() {
            return;
        }
        let replies = self.replica.state.read(batch).await;
        for (position, reply) in positions.into_iter().zip(replies) {
            results[position] = Some(reply.map_err(ReadError::from));
        }
    }
}

fn past(consistency: Consistency) -> Option<Revision> {
    match consistency {
        Consistency::AtRevision(revision) => Some(revision),
        Consistency::Linearizable | Consistency::Lease | Consistency::Stale => None,
    }
}

/// What must be confirmed before a set of requests may be read.
#[derive(Default)]
struct Fences {
    linearizable: bool,
    lease: bool,
    future: bool,
}

impl Fences {
    fn need(&mut self, consistency: Consistency, current: Revision) {
        match consistency {
            Consistency::Linearizable => self.linearizable = true,
            Consistency::Lease => self.lease = true,
            Consistency::Stale => {}
            Consistency::AtRevision(revision) => self.future |= revision > current,
        }
    }
}

/// What was confirmed.
struct Passed {
    linearizable: Result<(), ReadError>,
    lease: Result<(), ReadError>,
}

impl Passed {
    fn of(&self, consistency: Consistency) -> Result<(), ReadError> {
        match consistency {
            Consistency::Linearizable => self.linearizable.clone(),
            Consistency::Lease => self.lease.clone(),
            Consistency::Stale | Consistency::AtRevision(_) => Ok(()),
        }
    }
}

/// The timeout of a whole read, in words.
pub(crate) fn timed_out(replica: &Replica) -> ReadError {
    let limit = replica.options.read_timeout_ms;
    ReadError::Timeout(format!("no read index within {limit} ms (read_timeout_ms)"))
}

/// Runs a step of a read within its time.
pub(crate) async fn in_time<T>(
    replica: &Replica,
    step: impl Future<Output = Result<T, ReadError>>,
) -> Result<T, ReadError> {
    match runtime::timeout(replica.options.read_timeout(), step).await {
        Ok(result) => result,
        Err(_) => Err(timed_out(replica)),
    }
}
