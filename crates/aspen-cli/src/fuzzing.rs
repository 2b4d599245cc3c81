//! The decoders of what people give this program, for fuzzers and for the tests beside.

use std::io::Cursor;
use std::sync::Arc;

use aspen_core::{MemoryStore, Transaction};

use crate::format::Format;
use crate::import::{self, Event, ImportOptions, Position};
use crate::txn;

/// The formats of records, by name.
pub const FORMATS: [&str; 3] = ["tsv", "csv", "jsonl"];

fn format(name: &str) -> Format {
    match name {
        "tsv" => Format::Tsv,
        "csv" => Format::Csv,
        _ => Format::Jsonl,
    }
}

/// Parses one record: key and value.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_record(name: &str, text: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let record = format(name).parse(text).map_err(|error| error.to_string())?;
    Ok((record.key, record.value))
}

/// Imports a file into memory, without its bad lines; answers how many records it held.
///
/// # Errors
/// Says what ended the import.
pub async fn import(name: &str, file: &[u8]) -> Result<u64, String> {
    let options = ImportOptions {
        format: format(name),
        header: false,
        prefix: Vec::new(),
        batch_records_max: 100,
        in_flight_max: 2,
        skip_bad_max: u64::MAX,
        done: Position::default(),
    };
    let source = Box::new(Cursor::new(file.to_vec()));
    let mut lines = 0;
    let mut observe = |event: Event<'_>| {
        lines += u64::from(matches!(event, Event::Skipped(_)));
        Ok(())
    };
    let imported = import::import(Arc::new(MemoryStore::new()), source, options, &mut observe);
    match imported.await {
        Ok(done) if done.skipped == lines => Ok(done.records),
        Ok(done) => Err(format!("{lines} lines were reported of {} left out", done.skipped)),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses a transaction's description.
///
/// # Errors
/// Names the field.
pub fn parse_transaction(text: &[u8]) -> Result<Transaction, String> {
    txn::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
