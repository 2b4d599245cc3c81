//! `aspen import …` and `aspen export …`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::kv::{KeyArgs, RangeArgs};
use crate::format::Format;

const FORMATS: &str = "\
Formats, one record a line; the first column is the key:
  tsv    the value is the rest of the line after the first tab, byte for byte. Nothing is
         escaped: a key with a tab, or a value with a line feed, needs jsonl.
  csv    the value is the rest of the record after the first column, as CSV text: quotes stay,
         and quoted fields may span lines. Keys lose their quotes.
  jsonl  {\"key\": …, \"value\": …}. A string is the value itself; any other JSON is kept as its
         text. \"key_base64\" and \"value_base64\" hold bytes that are not UTF-8. Without \"value\",
         the other fields together are the value, as one JSON object.
Export writes values that are JSON objects or arrays as such, everything else as strings.
Of records with the same key the last one wins.";

/// `import`
#[derive(Debug, Args)]
#[command(after_help = FORMATS)]
pub(crate) struct ImportArgs {
    /// The file; `-` for standard input.
    pub(crate) file: PathBuf,
    /// The file's format.
    #[arg(long)]
    pub(crate) format: Format,
    /// Put this before every key.
    #[arg(long)]
    pub(crate) prefix: Option<OsString>,
    /// The first line names the columns (tsv, csv).
    #[arg(long)]
    pub(crate) header: bool,
    /// Keep the progress in this file, and go on from it when it exists. The input must be the
    /// same from its beginning.
    #[arg(long, value_name = "STATEFILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Records in one transaction. More is faster; fewer hold a node up for less.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) batch: u32,
    /// Transactions in flight. More hides longer round trips; fewer leave room for others.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) in_flight: u32,
    /// Report and leave out up to this many bad lines instead of stopping at the first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: u64,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}

/// `export`
#[derive(Debug, Args)]
#[command(after_help = FORMATS)]
pub(crate) struct ExportArgs {
    /// The file, replaced when it exists; standard output unless given.
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// The file's format.
    #[arg(long)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Leave --prefix out of the keys written.
    #[arg(long, requires = "prefix")]
    pub(crate) strip_prefix: bool,
    /// Write a first line that names the columns (tsv, csv).
    #[arg(long)]
    pub(crate) header: bool,
    /// Export the state at a past revision.
    #[arg(long, value_name = "REVISION")]
    pub(crate) at: Option<u64>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
}
