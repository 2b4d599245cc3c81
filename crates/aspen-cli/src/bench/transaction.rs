//! The workloads of transactions.

use std::sync::Arc;

use aspen_client::txn::{Database, Transaction, TransactionError};
use aspen_core::{Key, Value};

use super::Target;
use super::operation::{Outcome, key, value};
use super::random::Random;
use crate::args::bench::BenchArgs;
use crate::exit::CliError;

/// Reads so many random keys and sets as many: one that it has read, or several others. Runs again
/// by itself until it commits.
pub(super) async fn run(
    store: &Arc<dyn Target>,
    args: &BenchArgs,
    random: &mut Random,
    count: usize,
) -> Result<Outcome, CliError> {
    let mut draw = || key(random.below(args.keys));
    let reads = (0..count).map(|_| draw()).collect::<Result<Vec<Key>, _>>()?;
    let written = match count {
        1 => reads.clone(),
        _ => (0..count).map(|_| draw()).collect::<Result<Vec<Key>, _>>()?,
    };
    let values = written.into_iter().map(|key| Ok((key, value(random, args)?)));
    let writes = values.collect::<Result<Vec<(Key, Value)>, CliError>>()?;
    let database = Database::new(store.clone());
    let (reads, writes) = (&reads, &writes);
    let done = database.run(|tx| read_and_write(tx, reads, writes)).await;
    done.map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(Outcome::Done)
}

async fn read_and_write(
    tx: Transaction,
    reads: &[Key],
    writes: &[(Key, Value)],
) -> Result<(), TransactionError> {
    tx.get_many(reads).await?;
    for (key, value) in writes {
        tx.set(key.clone(), value.clone())?;
    }
    Ok(())
}
