//! Where measured rows go.

use super::row::Row;
use crate::failure::{Failure, Outcome};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// The rows so far. Each is also written out at once, so that an interrupted run loses none.
pub(super) struct Report {
    file: Option<PathBuf>,
    rows: Vec<Row>,
}

impl Report {
    /// A report that appends to `file` when there is one.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, rows: Vec::new() }
    }

    /// Adds a row to the table, the terminal and the file.
    pub(super) fn add(&mut self, row: Row) -> Outcome {
        self.write(&row)?;
        self.rows.push(row);
        Ok(())
    }

    /// Prints any measurement as one line of JSON and appends it to the file.
    pub(super) fn write(&self, measured: &impl Serialize) -> Outcome {
        let mut line = serde_json::to_string(measured).map_err(|e| Failure::of("a row", e))?;
        eprintln!("{line}");
        line.push('\n');
        let Some(path) = &self.file else { return Ok(()) };
        let file = File::options().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| Failure::of(path.display(), error))
    }

    /// The rows for the table.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }
}
