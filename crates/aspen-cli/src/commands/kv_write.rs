//! `aspen kv set|del|cas|txn`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aspen_core::{
    KeyRange, KeyValueStore, Operation, OperationResult, TransactionOutcome, WriteCommand,
};
use serde_json::{Value as Json, json};

use super::input;
use crate::args::kv::{CasArgs, DelArgs, SetArgs};
use crate::exit::CliError;
use crate::output::Output;
use crate::{text, txn_file};

pub(super) async fn set(
    store: &dyn KeyValueStore,
    args: SetArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let key = args.encoding.key(&args.key)?;
    let value = match (&args.file, &args.value) {
        (Some(path), _) => input::value_from(path)?,
        (None, Some(value)) if value == "-" => input::value_from(Path::new("-"))?,
        (None, value) => input::value(value.as_deref().unwrap_or_default().as_bytes())?,
    };
    let put = match (args.lease, args.ttl) {
        (None, Some(ttl)) => Operation::PutTtl { key, value, ttl_ms: input::milliseconds(ttl) },
        (lease, _) => Operation::Put { key, value, lease },
    };
    let outcome = store.write(WriteCommand::Batch { operations: vec![put] }).await?;
    print_done(&outcome, output)
}

pub(super) async fn del(
    store: &dyn KeyValueStore,
    args: DelArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let outcome = store.write(deletion(&args)?).await?;
    let deleted: u64 = outcome.results.iter().map(deleted_count).sum();
    match output.is_json() {
        true => output.json(&json!({"deleted": deleted, "revision": outcome.revision.get()})),
        false => output.line(format!("{deleted} deleted")),
    }
}

fn deletion(args: &DelArgs) -> Result<WriteCommand, CliError> {
    let bytes = |typed: &OsString| args.encoding.bytes(typed);
    let range = match (&args.prefix, args.range.as_deref()) {
        _ if args.all => KeyRange::all(),
        (Some(prefix), _) if prefix.is_empty() => {
            let detail = "an empty prefix means every key; say --all if that is what you want";
            return Err(CliError::Invalid(detail.to_owned()));
        }
        (Some(prefix), _) => KeyRange::prefix(bytes(prefix)?),
        (None, Some([from, to])) => KeyRange::half_open(bytes(from)?, bytes(to)?),
        (None, _) => {
            return Ok(WriteCommand::DeleteMulti { keys: args.encoding.keys(&args.keys)? });
        }
    };
    Ok(WriteCommand::DeleteRange { range })
}

fn deleted_count(result: &OperationResult) -> u64 {
    match result {
        OperationResult::Deleted { count } => *count,
        _ => 0,
    }
}

pub(super) async fn cas(
    store: &dyn KeyValueStore,
    args: CasArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let key = args.encoding.key(&args.key)?;
    let expected = args.expect.as_ref().map(|text| input::value(text.as_bytes())).transpose()?;
    let value = input::value(args.new.as_bytes())?;
    let outcome = store.write(WriteCommand::CompareAndSwap { key, expected, value }).await?;
    print_branch(&outcome, output)
}

pub(super) async fn txn(
    store: &dyn KeyValueStore,
    file: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let description = input::description_from(file)?;
    let transaction = txn_file::parse(&description)
        .map_err(|error| CliError::Invalid(error.to_string()).at(file.display().to_string()))?;
    let outcome = store.write(WriteCommand::Transaction(transaction)).await?;
    print_branch(&outcome, output)
}

fn print_done(outcome: &TransactionOutcome, output: &mut Output) -> Result<(), CliError> {
    match output.is_json() {
        true => output.json(&outcome_json(outcome)),
        false => output.line(format!("ok, revision {}", outcome.revision)),
    }
}

/// Prints which branch ran and what it answered; a failed compare is exit code 3.
fn print_branch(outcome: &TransactionOutcome, output: &mut Output) -> Result<(), CliError> {
    if output.is_json() {
        output.json(&outcome_json(outcome))?;
    } else {
        let branch = if outcome.succeeded { "succeeded" } else { "compare failed" };
        output.line(format!("{branch}, revision {}", outcome.revision))?;
        outcome.results.iter().try_for_each(|result| print_result(result, output))?;
    }
    if outcome.succeeded { Ok(()) } else { Err(CliError::Negative) }
}

fn print_result(result: &OperationResult, output: &mut Output) -> Result<(), CliError> {
    match result {
        OperationResult::Put { version, .. } => output.line(format!("put: version {version}")),
        OperationResult::Deleted { count } => output.line(format!("delete: {count}")),
        OperationResult::Get(None) => output.line("get: not found"),
        OperationResult::Get(Some(entry)) => {
            let value = text::escape(entry.value.as_bytes());
            output.line(format!("get: {} = {value} (version {})", entry.key, entry.version))
        }
        OperationResult::Scan { entries, more } => {
            let more = if *more { ", more follow" } else { "" };
            output.line(format!("scan: {} keys{more}", entries.len()))?;
            entries.iter().try_for_each(|entry| {
                let value = text::escape(entry.value.as_bytes());
                output.line(format!("  {} = {value}", entry.key))
            })
        }
    }
}

fn outcome_json(outcome: &TransactionOutcome) -> Json {
    let results: Vec<Json> = outcome.results.iter().map(result_json).collect();
    json!({
        "succeeded": outcome.succeeded,
        "revision": outcome.revision.get(),
        "results": results,
    })
}

fn result_json(result: &OperationResult) -> Json {
    match result {
        OperationResult::Put { version, create_revision } => {
            json!({"put": {"version": version, "create_revision": create_revision.get()}})
        }
        OperationResult::Deleted { count } => json!({"deleted": count}),
        OperationResult::Get(entry) => json!({"get": entry.as_ref().map(text::entry_json)}),
        OperationResult::Scan { entries, more } => {
            let entries: Vec<Json> = entries.iter().map(text::entry_json).collect();
            json!({"scan": {"entries": entries, "more": more}})
        }
    }
}
