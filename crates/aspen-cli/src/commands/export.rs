//! `aspen export`

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aspen_core::{KeyValueStore, LeaseGuard, Leases, Pins, Revision, WriteError, WriteFailure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::data::ExportArgs;
use crate::exit::CliError;
use crate::export::{ExportOptions, Exported, export};
use crate::output::Output;

/// How long the pin of an export's revision outlives an export that was killed, in milliseconds. An
/// export rides out shorter outages.
const EXPORT_LEASE_TTL_MS: u64 = 60_000;

pub(super) async fn run<S>(
    store: &Arc<S>,
    args: ExportArgs,
    output: &mut Output,
) -> Result<(), CliError>
where
    S: KeyValueStore + Pins + 'static,
{
    let (pin, at) = pin(store, args.at.map(Revision::new)).await?;
    let exported = run_at(&**store, args, at, output).await;
    if let Some(lease) = pin {
        // Should this fail, the pin ends by itself.
        let _ = lease.release().await;
    }
    exported
}

/// Keeps the revision of the export readable, however long it takes. Without the right or the room
/// to do so it goes on, for as long as history is kept; answers the lease, and what to read then.
async fn pin<S>(
    store: &Arc<S>,
    at: Option<Revision>,
) -> Result<(Option<LeaseGuard>, Option<Revision>), CliError>
where
    S: Pins + 'static,
{
    let pinned = async {
        let leases: Arc<dyn Leases> = store.clone();
        let lease = LeaseGuard::grant(leases, None, EXPORT_LEASE_TTL_MS).await?;
        match store.pin(lease.lease(), at).await {
            Ok(revision) => Ok((lease, revision)),
            Err(error) => {
                let _ = lease.release().await;
                Err(error)
            }
        }
    };
    match pinned.await {
        Ok((lease, revision)) => Ok((Some(lease), Some(revision))),
        Err(error) if can_go_without(&error) => {
            eprintln!(
                "aspen: the revision is not pinned ({error}): the export fails if it takes longer \
                 than history is kept"
            );
            Ok((None, at))
        }
        Err(error) => Err(error.into()),
    }
}

fn can_go_without(error: &WriteError) -> bool {
    matches!(
        error.failure,
        WriteFailure::Denied(_) | WriteFailure::DiskFull(_) | WriteFailure::Rejected(_)
    )
}

async fn run_at(
    store: &dyn KeyValueStore,
    args: ExportArgs,
    at: Option<Revision>,
    output: &mut Output,
) -> Result<(), CliError> {
    let prefix = args.range.prefix.as_ref().map(|typed| args.key.bytes(typed)).transpose()?;
    let options = ExportOptions {
        format: args.format,
        range: args.range.range(args.key)?,
        strip_bytes: if args.strip_prefix { prefix.unwrap_or_default().len() } else { 0 },
        header: args.header,
        at,
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

#[cfg(test)]
mod tests;
