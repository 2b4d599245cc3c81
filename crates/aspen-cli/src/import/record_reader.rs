//! Cuts an input into records.

use std::io::{self, BufRead};

use crate::format::{Format, QuoteState};

/// The longest record, in bytes: the largest value with every byte escaped in JSON (`\u0000`), and
/// room for the key.
const IMPORT_RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

const _: () = assert!(
    6 * (aspen_core::VALUE_BYTES_MAX + aspen_core::KEY_BYTES_MAX) < IMPORT_RECORD_BYTES_MAX
);

/// How many bytes before a position are kept to recognise the input by.
const TAIL_BYTES: usize = 32;

/// One record's text, without its line end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawRecord {
    /// The line on which it begins, counted from 1.
    pub(super) line: u64,
    /// Its text; `None` when it is longer than any record may be.
    pub(super) text: Option<Vec<u8>>,
}

/// Reads records one by one, never holding more than one.
pub(super) struct RecordReader<R> {
    source: R,
    format: Format,
    bytes: u64,
    lines: u64,
    tail: Vec<u8>,
}

impl<R: BufRead> RecordReader<R> {
    /// A reader whose source begins after so many bytes and lines of the input.
    pub(super) fn new(source: R, format: Format, bytes: u64, lines: u64) -> Self {
        Self { source, format, bytes, lines, tail: Vec::new() }
    }

    /// Bytes of input consumed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines of input consumed.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// The last bytes consumed.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The next record; `None` at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<RawRecord>> {
        let line = self.lines + 1;
        let mut text = Vec::new();
        let mut fits = true;
        let mut quotes = QuoteState::default();
        loop {
            let start = text.len();
            let Some(ended) = self.read_line(&mut text, &mut fits)? else { break };
            quotes = match self.format {
                Format::Csv => quotes.after(&text[start..]),
                Format::Tsv | Format::Jsonl => QuoteState::default(),
            };
            // A record that is too long already is given up at its line end: looking for the
            // closing quote could take the rest of the file.
            if !ended || !quotes.is_open() || !fits {
                break;
            }
            text.push(b'\n');
            quotes = quotes.after(b"\n");
        }
        let text = fits.then_some(text);
        Ok((self.lines >= line).then_some(RawRecord { line, text }))
    }

    /// Appends a line without its end; `None` at the end of the input, else whether a line feed
    /// ended it.
    fn read_line(&mut self, text: &mut Vec<u8>, fits: &mut bool) -> io::Result<Option<bool>> {
        let mut is_first = true;
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok((!is_first).then_some(false));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            if text.len() + part.len() <= IMPORT_RECORD_BYTES_MAX {
                text.extend_from_slice(part);
            } else {
                *fits = false;
            }
            let consumed = part.len() + usize::from(end.is_some());
            remember(&mut self.tail, &available[..consumed]);
            self.source.consume(consumed);
            self.bytes += consumed as u64;
            self.lines += u64::from(is_first);
            is_first = false;
            if end.is_some() {
                return Ok(Some(true));
            }
        }
    }
}

/// Keeps the last bytes of all that was seen.
pub(super) fn remember(tail: &mut Vec<u8>, bytes: &[u8]) {
    let from = bytes.len().saturating_sub(TAIL_BYTES);
    tail.extend_from_slice(&bytes[from..]);
    let excess = tail.len().saturating_sub(TAIL_BYTES);
    tail.drain(..excess);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn records(format: Format, input: &[u8]) -> Vec<(u64, Option<String>)> {
        // The small buffer makes every record span several reads.
        let source = io::BufReader::with_capacity(3, input);
        let mut reader = RecordReader::new(source, format, 0, 0);
        let mut records = Vec::new();
        while let Some(record) = reader.next().unwrap() {
            let text = record.text.map(|text| String::from_utf8(text).unwrap());
            records.push((record.line, text));
        }
        assert_eq!(reader.bytes(), input.len() as u64);
        assert_eq!(reader.tail(), &input[input.len().saturating_sub(TAIL_BYTES)..]);
        records
    }

    fn some(line: u64, text: &str) -> (u64, Option<String>) {
        (line, Some(text.to_owned()))
    }

    #[test]
    fn lines_end_with_a_feed_or_the_input() {
        assert_eq!(records(Format::Tsv, b""), []);
        assert_eq!(
            records(Format::Tsv, b"a\n\nlast"),
            [some(1, "a"), some(2, ""), some(3, "last")]
        );
        assert_eq!(records(Format::Jsonl, b"a\r\n"), [some(1, "a\r")]);
    }

    #[test]
    fn csv_records_span_lines_inside_quotes() {
        let input = b"a,\"1\n2\"\nb,3\nc,\"open\n";
        let expected = [some(1, "a,\"1\n2\""), some(3, "b,3"), some(4, "c,\"open\n")];
        assert_eq!(records(Format::Csv, input), expected);
    }

    #[test]
    fn an_endless_line_is_skipped_without_being_held() {
        let mut input = vec![b'x'; IMPORT_RECORD_BYTES_MAX + 1];
        input.extend_from_slice(b"\nnext");
        assert_eq!(records(Format::Tsv, &input), [(1, None), some(2, "next")]);
    }
}
