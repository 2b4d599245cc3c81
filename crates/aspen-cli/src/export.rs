//! Writing a range to a file, page by page at one revision.

use std::io::Write;

use aspen_core::{Consistency, KeyRange, KeyValue, KeyValueStore, Revision, ScanRequest};

use crate::exit::CliError;
use crate::format::Format;
use crate::text;

/// How many records a page holds at most; the page's limit in bytes bounds memory.
const PAGE_RECORDS_MAX: u32 = 5_000;

/// What to write.
#[derive(Clone, Debug)]
pub(crate) struct ExportOptions {
    pub(crate) format: Format,
    pub(crate) range: KeyRange,
    /// So many bytes are left out at the start of every key.
    pub(crate) strip_bytes: usize,
    /// Write a line that names the columns.
    pub(crate) header: bool,
    /// A past revision to export.
    pub(crate) at: Option<Revision>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) records: u64,
    pub(crate) revision: Revision,
}

/// Exports the range. `observe` is told how many records are written, page by page.
pub(crate) async fn export(
    store: &dyn KeyValueStore,
    sink: &mut dyn Write,
    options: &ExportOptions,
    observe: &mut dyn FnMut(u64),
) -> Result<Exported, CliError> {
    let mut chunk = Vec::new();
    if options.header {
        chunk.extend_from_slice(options.format.header().unwrap_or_default().as_bytes());
    }
    let mut request =
        ScanRequest { limit: PAGE_RECORDS_MAX, ..ScanRequest::new(options.range.clone()) };
    request.consistency = options.at.map_or(Consistency::Linearizable, Consistency::AtRevision);
    let mut records = 0;
    loop {
        let page = store.scan(request.clone()).await?;
        for entry in &page.entries {
            write_entry(entry, options, &mut chunk)?;
        }
        records += page.entries.len() as u64;
        sink.write_all(&chunk).map_err(failed())?;
        chunk.clear();
        observe(records);
        let Some(cursor) = page.cursor else {
            sink.flush().map_err(failed())?;
            return Ok(Exported { records, revision: page.revision });
        };
        request.cursor = Some(cursor);
    }
}

fn write_entry(
    entry: &KeyValue,
    options: &ExportOptions,
    chunk: &mut Vec<u8>,
) -> Result<(), CliError> {
    let key = entry.key.as_bytes();
    let written = key.get(options.strip_bytes..).unwrap_or_default();
    if written.is_empty() {
        let detail = "nothing is left of it after its prefix; leave out --strip-prefix";
        return Err(CliError::Invalid(format!("key {}: {detail}", text::excerpt(key, 80))));
    }
    options
        .format
        .write(written, entry.value.as_bytes(), chunk)
        .map_err(|error| CliError::Invalid(format!("key {}: {error}", text::excerpt(key, 80))))
}

fn failed() -> impl FnOnce(std::io::Error) -> CliError {
    CliError::io("cannot write the output")
}
