//! Bulk writes from a file: pipelined, in bounded memory, each record applied in file order per
//! key.

mod batches;
mod checkpoint;
mod pipeline;
mod record_reader;

use std::io::BufRead;
use std::sync::Arc;

use aspen_core::{KeyValueStore, runtime};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::exit::CliError;
use crate::format::Format;

use self::batches::Batch;
use self::pipeline::Pipeline;

pub(crate) use self::checkpoint::{Checkpoint, skip_done};
pub(crate) use self::pipeline::set_all;

/// How many batches are read ahead of the writers.
const BATCHES_AHEAD_MAX: usize = 4;

/// How much of an input is done: everything before this point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Bytes of input.
    pub(crate) bytes: u64,
    /// Lines of input.
    pub(crate) lines: u64,
    /// Records written.
    pub(crate) records: u64,
    /// Bad lines left out.
    pub(crate) skipped: u64,
}

/// How to read and write.
#[derive(Clone, Debug)]
pub(crate) struct ImportOptions {
    pub(crate) format: Format,
    /// The first line names the columns.
    pub(crate) header: bool,
    /// Put before every key.
    pub(crate) prefix: Vec<u8>,
    /// Records in one transaction, at least 1.
    pub(crate) batch_records_max: usize,
    /// Transactions in flight, at least 1.
    pub(crate) in_flight_max: usize,
    /// How many bad lines may be left out.
    pub(crate) skip_bad_max: u64,
    /// What an earlier run has done; the source begins there.
    pub(crate) done: Position,
}

/// What an import tells while it runs.
pub(crate) enum Event<'a> {
    /// Everything before the position is in the store. The bytes are the input's last before it.
    Done(Position, &'a [u8]),
    /// A bad line was left out; the text says which and why.
    Skipped(&'a str),
}

/// Imports everything from `source`; answers how far it came.
///
/// Records before a bad line are written before its error is returned.
pub(crate) async fn import(
    store: Arc<dyn KeyValueStore>,
    source: Box<dyn BufRead + Send>,
    options: ImportOptions,
    observe: &mut dyn FnMut(Event<'_>) -> Result<(), CliError>,
) -> Result<Position, CliError> {
    let mut pipeline = Pipeline::new(store, options.in_flight_max);
    let mut done = options.done;
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD_MAX);
    let reader = runtime::spawn(async move {
        // Reading blocks, on a pipe without an end in sight.
        runtime::spawn_blocking(move || batches::read(source, &options, &sender)).await
    });
    while let Some(batch) = batches.recv().await {
        report_skipped(&batch, observe)?;
        while pipeline.must_wait_for_room(&batch) {
            finish_oldest(&mut pipeline, &mut done, observe).await?;
        }
        pipeline.start(batch);
    }
    while !pipeline.is_empty() {
        finish_oldest(&mut pipeline, &mut done, observe).await?;
    }
    let read = reader.await.map_err(|error| CliError::Failed(format!("reader: {error}")))?;
    read.map_err(CliError::io("reader"))??;
    Ok(done)
}

async fn finish_oldest(
    pipeline: &mut Pipeline,
    done: &mut Position,
    observe: &mut dyn FnMut(Event<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    if let Some((position, tail)) = pipeline.finish_oldest().await? {
        *done = position;
        observe(Event::Done(position, &tail))?;
    }
    Ok(())
}

fn report_skipped(
    batch: &Batch,
    observe: &mut dyn FnMut(Event<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    batch.skipped.iter().try_for_each(|line| observe(Event::Skipped(line)))
}

#[cfg(test)]
mod tests;
