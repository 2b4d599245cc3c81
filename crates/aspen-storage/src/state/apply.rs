//! The one `apply`: what every command means, over any [`Tables`].
//!
//! It is deterministic: its outcome depends on the tables and the command alone, so that replicas
//! that apply the same log hold the same state and give the same replies. Its only clock is the one
//! that travels in the batch.
//!
//! A [`StateError`] is a failure of the tables underneath, never an answer to a command. It may
//! leave a batch half applied; the state machine must stop then and start again from its durable
//! state.

mod conflicts;
mod leases;
mod merged_scan;
mod overlay;
mod pins;
mod results;
mod sessions;
mod transaction;

use aspen_core::{Command, Proposal, ProposalBatch, Rejection, Reply, Revision};

pub(super) use results::reply_len_bytes;

use super::{StateError, Tables};

/// Applies the proposals of one log entry in order; answers one reply for each.
///
/// # Errors
/// When the tables fail; see the module's documentation.
pub fn apply_batch<T: Tables + ?Sized>(
    tables: &mut T,
    batch: ProposalBatch,
) -> Result<Vec<Reply>, StateError> {
    sessions::advance_clock(tables.group_mut(), batch.time_ms);
    let mut replies = Vec::with_capacity(batch.proposals.len());
    for proposal in batch.proposals {
        replies.push(apply_proposal(tables, proposal)?);
    }
    Ok(replies)
}

fn apply_proposal<T: Tables + ?Sized>(
    tables: &mut T,
    proposal: Proposal,
) -> Result<Reply, StateError> {
    let Some(stamp) = proposal.session else {
        return apply_command(tables, proposal.command);
    };
    if let Some(reply) = sessions::admit(tables.group_mut(), stamp) {
        return Ok(reply);
    }
    let reply = apply_command(tables, proposal.command)?;
    sessions::remember(tables.group_mut(), stamp, &reply);
    Ok(reply)
}

fn apply_command<T: Tables + ?Sized>(
    tables: &mut T,
    command: Command,
) -> Result<Reply, StateError> {
    match command {
        Command::Transaction(transaction) => transaction::apply(tables, transaction),
        Command::OpenSession { client } => Ok(sessions::open(tables.group_mut(), client)),
        Command::Compact { horizon } => compact(tables, horizon),
        Command::GrantLease { lease, ttl_ms } => {
            Ok(leases::grant(tables.group_mut(), lease, ttl_ms))
        }
        Command::RevokeLease { lease } => leases::revoke(tables, lease),
        Command::ExpireLeases { leases } => leases::expire(tables, &leases),
        Command::PinRevision { lease, revision } => {
            Ok(pins::pin(tables.group_mut(), lease, revision))
        }
    }
}

fn compact<T: Tables + ?Sized>(tables: &mut T, horizon: Revision) -> Result<Reply, StateError> {
    let (revision, current) = (tables.group().revision, tables.group().horizon);
    if horizon > revision {
        let rejection = Rejection::FutureRevision { requested: horizon, current: revision };
        return Ok(Reply::Rejected(rejection));
    }
    if horizon > current {
        tables.compact(horizon)?;
        tables.group_mut().horizon = horizon;
    }
    Ok(Reply::Compacted { horizon: horizon.max(current) })
}

#[cfg(test)]
mod tests;
