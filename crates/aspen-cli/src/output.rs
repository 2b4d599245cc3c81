//! Standard output: tables for people, JSON for scripts.

use std::fmt::Display;
use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value as Json;

use crate::exit::CliError;

/// Where a command prints. Buffered; [`Output::finish`] must be called for the last bytes.
pub(crate) struct Output {
    json: bool,
    sink: Box<dyn Write>,
}

impl Output {
    pub(crate) fn stdout(json: bool) -> Self {
        Self::new(json, Box::new(io::BufWriter::new(io::stdout())))
    }

    pub(crate) fn new(json: bool, sink: Box<dyn Write>) -> Self {
        Self { json, sink }
    }

    /// Whether the reader is a script.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn json(&mut self, value: &Json) -> Result<(), CliError> {
        self.line(value)
    }

    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), CliError> {
        writeln!(self.sink, "{text}").map_err(failed())
    }

    /// Bytes as they are, and a line end.
    pub(crate) fn raw_line(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.sink.write_all(bytes).and_then(|()| self.sink.write_all(b"\n")).map_err(failed())
    }

    /// A table; only its header when there are no rows.
    pub(crate) fn table(
        &mut self,
        header: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), CliError> {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(header.to_vec());
        for row in rows {
            table.add_row(row);
        }
        self.line(table)
    }

    pub(crate) fn finish(&mut self) -> Result<(), CliError> {
        self.sink.flush().map_err(failed())
    }
}

fn failed() -> impl FnOnce(io::Error) -> CliError {
    CliError::io("cannot write to standard output")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A sink whose bytes the test can look at.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn tables_show_header_and_rows() {
        let sink = Captured::default();
        let mut output = Output::new(false, Box::new(sink.clone()));
        output.table(&["key", "value"], [vec!["a".to_owned(), "1".to_owned()]]).unwrap();
        let text = sink.text();
        assert!(text.contains("key") && text.contains('1'), "{text}");
    }

    #[test]
    fn a_closed_pipe_is_its_own_error() {
        let mut output = Output::new(false, Box::new(Closed));
        assert!(matches!(output.line("x"), Err(CliError::PipeClosed)));
    }
}
