//! The text formats of records, one file each.

mod csv;
mod jsonl;
mod tsv;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(crate) use csv::QuoteState;

/// How records are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Key, tab, value: verbatim.
    Tsv,
    /// The first column is the key, the rest of the record as CSV the value.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// A record that is not of its format, or that the format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("missing column: no {separator} after the key")]
    MissingColumn { separator: &'static str },
    #[error("a quote is not closed")]
    UnclosedQuote,
    #[error("the key's closing quote is followed by {found:?} instead of a comma")]
    AfterQuote { found: char },
    #[error("not UTF-8, which JSON must be")]
    NotUtf8,
    #[error("bad JSON: {0}")]
    Json(String),
    #[error("field {field:?}: {problem}")]
    Field { field: String, problem: String },
    #[error("{format} cannot hold {what}; use --format jsonl")]
    CannotHold { format: &'static str, what: &'static str },
}

/// A key and its value, not yet checked against the store's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Format {
    /// Parses a record, given without its line end.
    pub(crate) fn parse(self, text: &[u8]) -> Result<Record, RecordError> {
        match self {
            Self::Tsv => tsv::parse(text),
            Self::Csv => csv::parse(text),
            Self::Jsonl => jsonl::parse(text),
        }
    }

    /// Appends a record with its line end. On an error nothing is appended.
    pub(crate) fn write(
        self,
        key: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        match self {
            Self::Tsv => tsv::write(key, value, out),
            Self::Csv => csv::write(key, value, out),
            Self::Jsonl => jsonl::write(key, value, out),
        }
    }

    /// The line that names the columns, for the formats that have one.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::Tsv => Some("key\tvalue\n"),
            Self::Csv => Some("key,value\n"),
            Self::Jsonl => None,
        }
    }
}

#[cfg(test)]
mod tests;
