//! `aspen export`

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use aspen_core::{KeyValueStore, Revision};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::data::ExportArgs;
use crate::exit::CliError;
use crate::export::{ExportOptions, Exported, export};
use crate::output::Output;

pub(super) async fn run(
    store: &dyn KeyValueStore,
    args: ExportArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let prefix = args.range.prefix.as_ref().map(|typed| args.key.bytes(typed)).transpose()?;
    let options = ExportOptions {
        format: args.format,
        range: args.range.range(args.key)?,
        strip_bytes: if args.strip_prefix { prefix.unwrap_or_default().len() } else { 0 },
        header: args.header,
        at: args.at.map(Revision::new),
    };
    let bar = progress_bar();
    let mut observe = |records| bar.set_position(records);
    if args.file.as_os_str() == "-" {
        // Standard output carries the records, so the summary goes nowhere.
        let mut sink = io::stdout().lock();
        export(store, &mut sink, &options, &mut observe).await?;
        return Ok(());
    }
    let exported = to_file(store, &args.file, &options, &mut observe).await?;
    bar.finish_and_clear();
    summary(exported, output)
}

/// Writes beside the file and renames at the end: a failed export leaves the old file alone.
/// Devices and pipes are written directly.
async fn to_file(
    store: &dyn KeyValueStore,
    path: &Path,
    options: &ExportOptions,
    observe: &mut dyn FnMut(u64),
) -> Result<Exported, CliError> {
    let failed = || CliError::io(format!("cannot write {}", path.display()));
    let in_place = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let target = if in_place { path.to_owned() } else { partial(path) };
    let file = match in_place {
        true => File::options().write(true).open(&target),
        false => File::create(&target),
    };
    let mut sink = BufWriter::new(file.map_err(failed())?);
    let result = export(store, &mut sink, options, observe).await;
    if in_place {
        return result;
    }
    if result.is_err() {
        let _ = fs::remove_file(&target);
        return result;
    }
    sink.flush().and_then(|()| sink.get_ref().sync_all()).map_err(failed())?;
    fs::rename(&target, path).map_err(failed())?;
    result
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn summary(exported: Exported, output: &mut Output) -> Result<(), CliError> {
    let Exported { records, revision } = exported;
    match output.is_json() {
        true => output.json(&json!({"records": records, "revision": revision.get()})),
        false => output.line(format!("exported {records} records at revision {revision}")),
    }
}

/// A counter on standard error; invisible unless that is a terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {pos} records ({elapsed})") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
