//! What a write did, for people and scripts.

use aspen_core::{OperationResult, TransactionOutcome};
use serde_json::{Value as Json, json};

use crate::exit::CliError;
use crate::output::Output;
use crate::text;

/// Prints which branch ran and what it answered; a failed compare is exit code 3.
pub(super) fn print_branch(
    outcome: &TransactionOutcome,
    output: &mut Output,
) -> Result<(), CliError> {
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

pub(super) fn outcome_json(outcome: &TransactionOutcome) -> Json {
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
