//! `aspen kv set|del|cas`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aspen_core::{
    KeyRange, KeyValueStore, Operation, OperationResult, TransactionOutcome, WriteCommand,
};
use serde_json::json;

use super::input;
use super::outcome::{outcome_json, print_branch};
use crate::args::kv::{CasArgs, DelArgs, SetArgs};
use crate::exit::CliError;
use crate::output::Output;

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

fn print_done(outcome: &TransactionOutcome, output: &mut Output) -> Result<(), CliError> {
    match output.is_json() {
        true => output.json(&outcome_json(outcome)),
        false => output.line(format!("ok, revision {}", outcome.revision)),
    }
}
