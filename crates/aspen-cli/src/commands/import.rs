//! `aspen import`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{KeyValueStore, runtime};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::data::ImportArgs;
use crate::exit::CliError;
use crate::import::{self, Checkpoint, Event, ImportOptions, Position};
use crate::output::Output;

/// How much is read from the input at a time.
const READ_BYTES: usize = 256 * 1024;

/// The shortest time between two writes of the state file. A crash between them writes that much
/// again, which changes nothing.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(250);

pub(super) async fn run(
    store: impl KeyValueStore + 'static,
    args: ImportArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let prefix = args.prefix.as_ref().map(|typed| args.key.bytes(typed)).transpose()?;
    let prefix = prefix.unwrap_or_default();
    let checkpoint = match &args.resume {
        Some(path) => Checkpoint::load(path, args.format, &prefix)?,
        None => Checkpoint::new(args.format, &prefix),
    };
    let (mut source, total_bytes) = open(&args.file)?;
    import::skip_done(&mut source, &checkpoint)?;
    let options = ImportOptions {
        format: args.format,
        header: args.header,
        prefix,
        batch_records_max: args.batch as usize,
        in_flight_max: args.in_flight as usize,
        skip_bad_max: args.skip_bad,
        done: checkpoint.done,
    };
    let mut observer = Observer::new(checkpoint, args.resume.as_deref(), total_bytes)?;
    let result =
        import::import(Arc::new(store), source, options, &mut |event| observer.see(event)).await;
    // What is done stays done when the rest fails.
    let saved = observer.finish();
    let before_error = observer.checkpoint.done;
    let done = result
        .map_err(|error| error.at(format!("stopped after {} records", before_error.records)))?;
    saved?;
    summary(&done, output)
}

type Source = (Box<dyn BufRead + Send>, Option<u64>);

/// Opens the input; its length is known for a regular file.
fn open(path: &Path) -> Result<Source, CliError> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(BufReader::with_capacity(READ_BYTES, io::stdin())), None));
    }
    let failed = || CliError::io(format!("cannot open {}", path.display()));
    let file = File::open(path).map_err(failed())?;
    let metadata = file.metadata().map_err(failed())?;
    if metadata.is_dir() {
        return Err(CliError::Invalid(format!("{} is a directory", path.display())));
    }
    let total = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(BufReader::with_capacity(READ_BYTES, file)), total))
}

fn summary(done: &Position, output: &mut Output) -> Result<(), CliError> {
    if output.is_json() {
        let Position { bytes, lines, records, skipped } = done;
        return output.json(
            &json!({"records": records, "lines": lines, "bytes": bytes, "skipped": skipped}),
        );
    }
    let skipped = match done.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} bad lines left out"),
    };
    output.line(format!("imported {} records{skipped}", done.records))
}

/// Shows the progress and keeps it in the state file.
struct Observer<'a> {
    checkpoint: Checkpoint,
    path: Option<&'a Path>,
    saved_at: runtime::Instant,
    bar: ProgressBar,
}

impl<'a> Observer<'a> {
    fn new(
        checkpoint: Checkpoint,
        path: Option<&'a Path>,
        total_bytes: Option<u64>,
    ) -> Result<Self, CliError> {
        let bar = progress_bar(total_bytes);
        bar.set_position(checkpoint.done.bytes);
        let observer = Self { checkpoint, path, saved_at: runtime::now(), bar };
        // A state file that cannot be written shall be known now, not after an hour.
        observer.save()?;
        Ok(observer)
    }

    fn see(&mut self, event: Event<'_>) -> Result<(), CliError> {
        match event {
            Event::Skipped(line) => {
                self.bar.suspend(|| eprintln!("aspen: left out {line}"));
                Ok(())
            }
            Event::Done(position, tail) => {
                self.checkpoint.advance(position, tail);
                self.bar.set_position(position.bytes);
                self.bar.set_message(format!("{} records", position.records));
                if runtime::now().duration_since(self.saved_at) < CHECKPOINT_INTERVAL {
                    return Ok(());
                }
                self.saved_at = runtime::now();
                self.save()
            }
        }
    }

    fn finish(&mut self) -> Result<(), CliError> {
        self.bar.finish_and_clear();
        self.save()
    }

    fn save(&self) -> Result<(), CliError> {
        self.path.map_or(Ok(()), |path| self.checkpoint.save(path))
    }
}

/// A bar on standard error; invisible unless that is a terminal.
fn progress_bar(total_bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match total_bytes {
        Some(total) => {
            (ProgressBar::new(total), "{bar:40} {bytes}/{total_bytes} {msg} ({eta} left)")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg} ({elapsed})"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
