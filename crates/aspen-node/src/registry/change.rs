//! Changing the registry, atomically against every other change of it.

use aspen_core::{
    Command, Consistency, Operation, Proposal, ReadConflict, ReadError, Rejection, Reply,
    Transaction, WriteError,
};
use aspen_raft::Group;

use super::{Registry, keys};

/// How often a change that met another one is decided again. Changes are rare; more in a row than
/// this means that something writes in a loop.
const ATTEMPTS_MAX: usize = 16;

/// A change of the registry that was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError<R> {
    /// The decision, made on a current registry, was against it.
    #[error("refused")]
    Refused(R),
    /// The registry could not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The change could not be written, or nobody knows whether it was.
    #[error(transparent)]
    Write(WriteError),
    /// Other changes came first, every time.
    #[error("the registry changes too often")]
    Contended,
}

/// Lets `decide` choose the operations on a current registry, and runs them if the registry is
/// still the same. Answers the registry on which it was decided. No operations: nothing is written.
pub(crate) async fn change<R>(
    meta: &Group,
    decide: impl Fn(&Registry) -> Result<Vec<Operation>, R>,
) -> Result<Registry, ChangeError<R>> {
    for _ in 0..ATTEMPTS_MAX {
        let load = Registry::load(meta, Consistency::Linearizable).await;
        let registry = load.map_err(ChangeError::Read)?;
        let operations = decide(&registry).map_err(ChangeError::Refused)?;
        if operations.is_empty() || run(meta, &registry, operations).await? {
            return Ok(registry);
        }
    }
    Err(ChangeError::Contended)
}

/// Whether the operations ran; they did not when the registry has changed meanwhile.
async fn run<R>(
    meta: &Group,
    registry: &Registry,
    operations: Vec<Operation>,
) -> Result<bool, ChangeError<R>> {
    let unchanged = ReadConflict::Range { range: keys::range(), read_revision: registry.revision };
    let transaction = Transaction {
        read_conflicts: vec![unchanged],
        success: operations,
        ..Transaction::default()
    };
    let command = Command::Transaction(transaction);
    let mut results = meta.propose(vec![Proposal { session: None, command }]).await;
    match results.pop() {
        Some(Ok(Reply::Transaction(_))) => Ok(true),
        Some(Ok(Reply::Rejected(Rejection::Conflict(_) | Rejection::Compacted { .. }))) => {
            Ok(false)
        }
        Some(Ok(Reply::Rejected(rejection))) => {
            Err(ChangeError::Write(WriteError::not_applied(rejection)))
        }
        Some(Err(error)) => Err(ChangeError::Write(error)),
        other => {
            let detail = format!("unexpected answer to a registry change: {other:?}");
            let failure = aspen_core::WriteFailure::Bug(detail);
            Err(ChangeError::Write(WriteError::maybe_applied(failure)))
        }
    }
}
