//! Gathers records into batches, on a thread of its own.

use std::io::BufRead;

use aspen_core::{Key, Value};
use tokio::sync::mpsc;

use super::record_reader::{RawRecord, RecordReader};
use super::{ImportOptions, Position};
use crate::exit::CliError;

/// How many bytes of keys and values a batch holds before it is sent; it may exceed this by one
/// record, which keeps it far below what a transaction may carry.
const IMPORT_BATCH_BYTES_MAX: usize = 512 * 1024;

const _: () = assert!(
    IMPORT_BATCH_BYTES_MAX + aspen_core::KEY_BYTES_MAX + aspen_core::VALUE_BYTES_MAX
        < aspen_core::TRANSACTION_BYTES_MAX
);

/// Records that follow each other in the input.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the input's order; may be empty when only bad lines were left out.
    pub(super) pairs: Vec<(Key, Value)>,
    /// The line of the first record.
    pub(super) first_line: u64,
    /// How much of the input is done once the batch is.
    pub(super) end: Position,
    /// The input's last bytes before `end`.
    pub(super) tail: Vec<u8>,
    /// Bad lines left out.
    pub(super) skipped: Vec<String>,
    bytes: usize,
}

/// Reads `source` to its end or to a line that ends the import; everything before that line is
/// sent.
pub(super) fn read(
    source: Box<dyn BufRead + Send>,
    options: &ImportOptions,
    batches: &mpsc::Sender<Batch>,
) -> Result<(), CliError> {
    let Position { bytes, lines, .. } = options.done;
    let mut reader = RecordReader::new(source, options.format, bytes, lines);
    if options.header && bytes == 0 {
        reader.next().map_err(unreadable())?;
    }
    let mut gathering = Gathering { options, done: options.done, batch: Batch::default() };
    loop {
        let result = match reader.next() {
            Ok(Some(record)) => gathering.add(record),
            Ok(None) => Ok(false),
            Err(error) => Err(unreadable()(error)),
        };
        let goes_on = matches!(result, Ok(true));
        if goes_on {
            gathering.note_position(&reader);
        }
        if (!goes_on || gathering.is_full()) && batches.blocking_send(gathering.take()).is_err() {
            // The writer has failed and gone; its error is the one to report.
            return Ok(());
        }
        if !goes_on {
            return result.map(|_| ());
        }
    }
}

fn unreadable() -> impl FnOnce(std::io::Error) -> CliError {
    CliError::io("cannot read the input")
}

struct Gathering<'a> {
    options: &'a ImportOptions,
    done: Position,
    batch: Batch,
}

impl Gathering<'_> {
    /// Adds a record or leaves out a bad one; true when there is more to do.
    fn add(&mut self, record: RawRecord) -> Result<bool, CliError> {
        let line = record.line;
        match self.parse(record) {
            Ok((key, value)) => {
                self.batch.bytes += key.as_bytes().len() + value.len();
                if self.batch.pairs.is_empty() {
                    self.batch.first_line = line;
                }
                self.batch.pairs.push((key, value));
                self.done.records += 1;
                Ok(true)
            }
            Err(problem) if self.done.skipped < self.options.skip_bad_max => {
                self.batch.skipped.push(format!("line {line}: {problem}"));
                self.done.skipped += 1;
                Ok(true)
            }
            Err(problem) => Err(CliError::Invalid(format!("line {line}: {problem}"))),
        }
    }

    fn parse(&self, record: RawRecord) -> Result<(Key, Value), String> {
        let text = record.text.ok_or("longer than any record may be")?;
        let record = self.options.format.parse(&text).map_err(|error| error.to_string())?;
        if record.key.is_empty() {
            return Err("the key is empty".to_owned());
        }
        let key = [&self.options.prefix[..], &record.key].concat();
        let key = Key::new(key).map_err(|error| error.to_string())?;
        let value = Value::new(record.value).map_err(|error| error.to_string())?;
        Ok((key, value))
    }

    fn note_position<R: BufRead>(&mut self, reader: &RecordReader<R>) {
        self.done.bytes = reader.bytes();
        self.done.lines = reader.lines();
        self.batch.tail.clear();
        self.batch.tail.extend_from_slice(reader.tail());
    }

    fn is_full(&self) -> bool {
        self.batch.bytes >= IMPORT_BATCH_BYTES_MAX
            || self.batch.pairs.len() + self.batch.skipped.len() >= self.options.batch_records_max
    }

    fn take(&mut self) -> Batch {
        let mut batch = std::mem::take(&mut self.batch);
        batch.end = self.done;
        batch
    }
}
