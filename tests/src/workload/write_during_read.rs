//! Invariant: one client's keys are always what its writes made of them. The client alone owns a
//! prefix, sends random batches there and gives each also to [`aspen_core::MemoryStore`], the
//! reference model; every answer, read, scan, reverse scan and look into the past must equal the
//! model's, with all results and counters, also while a write is under way. After FoundationDB's
//! `WriteDuringRead` and `FuzzApiCorrectness` workloads.
//!
//! After a write of unknown outcome the prefix must read as before it or as after it, and what once
//! was after must stay so. It may yet change then, so the client goes on below another prefix.

mod commands;
mod mirror;
mod reads;

use aspen_core::{ScanRequest, WriteCommand};
use async_trait::async_trait;
use futures_util::future::join;
use parking_lot::Mutex;

use super::fate::Written;
use super::runs::Runs;
use super::snapshot::Snapshot;
use super::{Context, Workload};
use crate::check::Violation;
use mirror::Mirror;

/// After so many writes the client moves to another prefix, since the model costs as much as it has
/// changes.
const GENERATION_WRITES: u64 = 60;

/// How many prefixes that were left in good order are read once more at the end.
const MIRRORS_KEPT_MAX: usize = 100;

/// How often a prefix is read back after a write of unknown outcome.
const READ_BACKS: usize = 3;

/// Random batches of clients that each own a prefix.
pub(super) struct WriteDuringRead {
    partition: String,
    runs: Runs,
    left: Mutex<Vec<Mirror>>,
}

impl WriteDuringRead {
    pub(super) fn new(before: &str) -> Self {
        let partition = format!("{before}write_during_read");
        Self { partition, runs: Runs::default(), left: Mutex::default() }
    }

    fn fresh(&self) -> Mirror {
        Mirror::new(format!("{}\0{:06}/", self.partition, self.runs.next()))
    }

    /// Keeps a prefix that was left in good order for the last check.
    fn leave(&self, mirror: Mirror) {
        let mut left = self.left.lock();
        if left.len() < MIRRORS_KEPT_MAX {
            left.push(mirror);
        }
    }
}

/// Sends a random write, sometimes with a scan beside it. Answers whether its outcome is known.
async fn write(context: &Context, mirror: &mut Mirror) -> Result<bool, Violation> {
    let command = mirror.random_command(&context.random);
    let sent = mirror.translated(&command);
    let floor = mirror.newest();
    let (written, seen) = match context.random.one_in(3) {
        true => join(context.write(sent), context.scan(whole(context, mirror))).await,
        false => (context.write(sent).await, Ok(None)),
    };
    let (written, seen) = (written?, seen?);
    if matches!(written, Written::Unknown) {
        read_back(context, mirror, &command, seen).await?;
        return Ok(false);
    }
    mirror.absorb(command, written)?;
    if let Some(seen) = seen {
        mirror.check_fresh(floor, seen.revision)?;
        mirror.check_snapshot(&seen)?;
    }
    Ok(true)
}

/// A scan of the whole prefix in pages of some size.
fn whole(context: &Context, mirror: &Mirror) -> ScanRequest {
    let limit = u32::try_from(1 + context.random.below(8)).unwrap_or(1);
    ScanRequest { limit, ..ScanRequest::new(mirror.range()) }
}

/// Judges what is seen after a write of unknown outcome: the state before it or the one after it,
/// and from some point on only the latter.
async fn read_back(
    context: &Context,
    mirror: &Mirror,
    command: &WriteCommand,
    mut seen: Option<Snapshot>,
) -> Result<(), Violation> {
    let mut happened = false;
    for _ in 0..READ_BACKS {
        if let Some(snapshot) = &seen {
            let (before, after) = (mirror.is_now(snapshot), mirror.is_after(command, snapshot));
            if !after && (happened || !before) {
                let detail =
                    format!("{command:?}, seen before: {happened}; {snapshot:?}; {mirror}");
                return Err(Violation::new("a write happens whole or not at all", detail));
            }
            happened |= !before;
        }
        context.think().await;
        seen = context.scan(whole(context, mirror)).await?;
    }
    Ok(())
}

#[async_trait]
impl Workload for WriteDuringRead {
    fn name(&self) -> &'static str {
        "write_during_read"
    }

    async fn prepare(&self, _: &Context) -> Result<(), Violation> {
        Ok(())
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let (mut mirror, mut writes) = (self.fresh(), 0);
        while !context.stop.is_set() {
            context.think().await;
            if context.random.one_in(2) {
                reads::read(&context, &mirror).await?;
                continue;
            }
            let known = write(&context, &mut mirror).await?;
            writes += 1;
            if !known || writes == GENERATION_WRITES {
                let left = std::mem::replace(&mut mirror, self.fresh());
                writes = 0;
                if known {
                    self.leave(left);
                }
            }
        }
        self.leave(mirror);
        Ok(())
    }

    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let left = std::mem::take(&mut *self.left.lock());
        for mirror in left {
            let snapshot = context.surely_scan(mirror.range()).await?;
            mirror.check_fresh(mirror.newest(), snapshot.revision)?;
            mirror.check_snapshot(&snapshot)?;
        }
        Ok(())
    }
}
