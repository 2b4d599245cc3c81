//! `aspen lease`

use aspen_core::{LeaseId, LeaseStatus, Leases};
use serde_json::{Value as Json, json};

use super::input::milliseconds;
use crate::args::lease::LeaseCommand;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

pub(super) async fn run(
    leases: &dyn Leases,
    command: LeaseCommand,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        LeaseCommand::Grant { ttl, id } => {
            let granted = leases.grant(id, milliseconds(ttl)).await?;
            let (lease, ttl_ms) = (granted.lease, granted.ttl_ms);
            match output.is_json() {
                true => output.json(&json!({"lease": lease.get(), "ttl_ms": ttl_ms})),
                false => output.line(lease),
            }
        }
        LeaseCommand::KeepAlive { id } => keep_alive(leases, id, output).await,
        LeaseCommand::Revoke { id } => {
            let revoked = leases.revoke(id).await?;
            let (keys, revision) = (revoked.keys, revoked.revision.get());
            match output.is_json() {
                true => output.json(&json!({"deleted": keys, "revision": revision})),
                false => output.line(format!("{keys} deleted")),
            }
        }
        LeaseCommand::Ttl { id, keys } => {
            let status = leases.time_to_live(id, keys).await?;
            match status {
                Some(status) => print_status(&status, keys, output),
                None => missing(id, output),
            }
        }
        LeaseCommand::List => list(&leases.list().await?, output),
    }
}

async fn keep_alive(leases: &dyn Leases, id: LeaseId, output: &mut Output) -> Result<(), CliError> {
    let kept = leases.keep_alive(vec![id]).await?;
    match kept.first().copied().flatten() {
        None => missing(id, output),
        Some(ttl_ms) => match output.is_json() {
            true => output.json(&json!({"lease": id.get(), "ttl_ms": ttl_ms})),
            false => output.line(format!("ok, {}", seconds(ttl_ms))),
        },
    }
}

fn missing(id: LeaseId, output: &mut Output) -> Result<(), CliError> {
    match output.is_json() {
        true => output.json(&json!({"lease": id.get(), "found": false}))?,
        false => output.line(format!("there is no lease {id}"))?,
    }
    Err(CliError::Negative)
}

fn print_status(status: &LeaseStatus, keys: bool, output: &mut Output) -> Result<(), CliError> {
    if output.is_json() {
        let named: Vec<Json> = status.keys.iter().map(text::key_json).collect();
        return output.json(&json!({
            "lease": status.lease.get(),
            "ttl_ms": status.ttl_ms,
            "remaining_ms": status.remaining_ms,
            "keys_attached": status.keys_attached,
            "keys": if keys { json!(named) } else { Json::Null },
        }));
    }
    let (remaining, ttl) = (seconds(status.remaining_ms), seconds(status.ttl_ms));
    output.line(format!("{remaining} left of {ttl}, {} keys", status.keys_attached))?;
    status.keys.iter().try_for_each(|key| output.line(text::escape(key.as_bytes())))?;
    match status.keys_attached - status.keys.len() as u64 {
        more if keys && more > 0 => output.line(format!("… and {more} more")),
        _ => Ok(()),
    }
}

fn list(leases: &[LeaseId], output: &mut Output) -> Result<(), CliError> {
    if output.is_json() {
        let ids: Vec<u64> = leases.iter().map(|lease| lease.get()).collect();
        return output.json(&json!({"leases": ids}));
    }
    leases.iter().try_for_each(|lease| output.line(lease))
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

#[cfg(test)]
mod tests;
