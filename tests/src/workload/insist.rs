//! Reads and writes that must succeed: before faults begin and after they have stopped.

use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{KeyRange, ReadReply, ReadRequest, Revision, ScanRequest, WriteCommand};

use super::Context;
use super::fate::Written;
use super::snapshot::Snapshot;
use crate::check::Violation;

/// How long a store that has nothing to suffer may take to serve: many failovers and restarts.
const SERVE_PATIENCE: Duration = Duration::from_secs(180);

/// The time that a store has left to serve.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Self(runtime::now() + SERVE_PATIENCE)
    }

    fn check(&self, what: &str) -> Result<(), Violation> {
        match runtime::now() < self.0 {
            true => Ok(()),
            false => {
                let detail = format!("no {what} succeeded within {} s", SERVE_PATIENCE.as_secs());
                Err(Violation::new("a cluster without faults serves", detail))
            }
        }
    }
}

impl Context {
    /// Sends a write until it is known to have run; answers the revision after it. A copy that an
    /// earlier attempt left behind may run at any time, so the write must do nothing the second
    /// time: let it be conditional on what it creates.
    pub(super) async fn surely_write(&self, command: WriteCommand) -> Result<Revision, Violation> {
        let patience = Patience::new();
        loop {
            if let Written::Done(outcome) = self.write(command.clone()).await? {
                return Ok(outcome.revision);
            }
            patience.check("write")?;
        }
    }

    /// Reads keys until it succeeds.
    pub(super) async fn surely_read(&self, request: ReadRequest) -> Result<ReadReply, Violation> {
        let patience = Patience::new();
        loop {
            if let Some(reply) = self.read(request.clone()).await? {
                return Ok(reply);
            }
            patience.check("read")?;
        }
    }

    /// Reads a whole range, linearizably, until it succeeds.
    pub(super) async fn surely_scan(&self, range: KeyRange) -> Result<Snapshot, Violation> {
        let patience = Patience::new();
        loop {
            if let Some(snapshot) = self.scan(ScanRequest::new(range.clone())).await? {
                return Ok(snapshot);
            }
            patience.check("scan")?;
            self.think().await;
        }
    }
}
