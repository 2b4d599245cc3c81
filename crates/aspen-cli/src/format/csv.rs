//! Comma-separated (RFC 4180): the first column is the key; the rest of the record, as it stands,
//! the value.
//!
//! The value keeps its quotes: `a,1,"x, y"` has the value `1,"x, y"`. Decoding a lone column would
//! make `a,"1,2"` and `a,1,2` the same value, and an export could not tell which to write.

use super::{Record, RecordError};

/// Follows quoting through a record, so that line feeds inside quotes do not end it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum QuoteState {
    /// At the first byte of a field, where a quote opens it.
    #[default]
    FieldStart,
    /// In a field without quotes: a quote is a character like any other.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote in a quoted field: it closes it, unless another follows.
    QuoteInQuoted,
}

impl QuoteState {
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::QuoteInQuoted,
            (Self::Quoted, _) => Self::Quoted,
            (Self::QuoteInQuoted | Self::FieldStart, b'"') => Self::Quoted,
            (_, b',') => Self::FieldStart,
            _ => Self::Plain,
        }
    }

    /// The state after more bytes of the record.
    pub(crate) fn after(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |state, byte| state.next(*byte))
    }

    /// Whether a line feed here belongs to the record.
    pub(crate) fn is_open(self) -> bool {
        self == Self::Quoted
    }
}

pub(super) fn parse(record: &[u8]) -> Result<Record, RecordError> {
    if QuoteState::default().after(record).is_open() {
        return Err(RecordError::UnclosedQuote);
    }
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let end = key_end(record);
    match record.get(end) {
        Some(b',') => {
            Ok(Record { key: unquote(&record[..end]), value: record[end + 1..].to_vec() })
        }
        Some(found) => Err(RecordError::AfterQuote { found: char::from(*found) }),
        None => Err(RecordError::MissingColumn { separator: "comma" }),
    }
}

/// Where the first column ends.
fn key_end(record: &[u8]) -> usize {
    if record.first() != Some(&b'"') {
        return record.iter().position(|byte| *byte == b',').unwrap_or(record.len());
    }
    let mut state = QuoteState::default();
    for (at, byte) in record.iter().enumerate() {
        let next = state.next(*byte);
        if state == QuoteState::QuoteInQuoted && next != QuoteState::Quoted {
            return at;
        }
        state = next;
    }
    record.len()
}

fn unquote(column: &[u8]) -> Vec<u8> {
    let inner = column.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inner) = inner else { return column.to_vec() };
    let mut key = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        key.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    key
}

pub(super) fn write(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
    if !is_rest_of_record(value) {
        let what = "a value that is not the rest of a CSV record (open quote or bare line feed)";
        return Err(RecordError::CannotHold { format: "csv", what });
    }
    if key.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        write_quoted(key, out);
    } else {
        out.extend_from_slice(key);
    }
    out.push(b',');
    out.extend_from_slice(value);
    out.push(b'\n');
    Ok(())
}

/// Whether [`parse`] would read the same value back.
fn is_rest_of_record(value: &[u8]) -> bool {
    let mut state = QuoteState::default();
    for byte in value {
        if *byte == b'\n' && !state.is_open() {
            return false;
        }
        state = state.next(*byte);
    }
    !state.is_open() && value.last() != Some(&b'\r')
}

fn write_quoted(key: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in key {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
