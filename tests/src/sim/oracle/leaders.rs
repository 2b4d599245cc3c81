//! What leaders may do.

use aspen_core::NodeId;

use super::votes::Votes;
use super::{Judgement, LogId, Replica};
use crate::check::Violation;

/// There is one leader a ballot: who leads has durably voted for itself before anybody holds an
/// entry of its (Raft paper, section 5.2, "Election Safety"). The paper's term is here a ballot, a
/// term and a node: a later candidate of the same term may win too, and the two are ordered.
const ELECTED: &str = "a leader has voted for itself";

/// A leader never removes entries of its log, it only adds (section 5.3, "Leader Append-Only").
const APPEND_ONLY: &str = "a leader only adds to its log";

/// The first entry of a group makes its first members, before there is a leader.
const FOUNDING_TERM: u64 = 0;

/// An entry is durable on some replica.
pub(super) fn judge_elected(replica: Replica, id: LogId, votes: &Votes) -> Judgement {
    let leader = Replica { node: NodeId::new(id.leader), ..replica };
    match id.term == FOUNDING_TERM || votes.has_stood(leader, id.term) {
        true => Ok(()),
        false => Err(Violation::new(ELECTED, format!("{replica} holds {id}"))),
    }
}

/// A replica's log is about to lose its end.
pub(super) fn judge_append_only(replica: Replica, from: u64, votes: &Votes) -> Judgement {
    match votes.leads(replica) {
        Some(term) => {
            let detail = format!("{replica} leads in term {term} and truncates from {from}");
            Err(Violation::new(APPEND_ONLY, detail))
        }
        None => Ok(()),
    }
}
