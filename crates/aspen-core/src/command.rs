//! What a group replicates: one transaction form and the few commands beside it.

mod atomic;
mod compare;
mod operation;
mod proposal;
mod reply;
mod transaction;
mod write_command;

pub use atomic::{ATOMIC_BYTES_MAX, AtomicEffect, AtomicOperation};
pub use compare::{Compare, CompareOperator, CompareTarget, ReadConflict};
pub use operation::{Operation, OperationResult};
pub use proposal::{BATCH_PROPOSALS_MAX, Command, ExpiringLease, Proposal, ProposalBatch};
pub use reply::{Conflict, Rejection, Reply, TransactionOutcome};
pub use transaction::{
    DELETE_RANGE_KEYS_MAX, TRANSACTION_BYTES_MAX, TRANSACTION_OPERATIONS_MAX, Transaction,
};
pub use write_command::WriteCommand;
