//! `aspen txn`

use std::path::Path;

use aspen_core::{KeyValueStore, WriteCommand};

use super::input;
use super::outcome::print_branch;
use crate::exit::CliError;
use crate::output::Output;
use crate::txn;

pub(super) async fn run(
    store: &dyn KeyValueStore,
    file: &Path,
    output: &mut Output,
) -> Result<(), CliError> {
    let description = input::description_from(file)?;
    let transaction = txn::parse(&description)
        .map_err(|error| CliError::Invalid(error.to_string()).at(file.display().to_string()))?;
    let outcome = store.write(WriteCommand::Transaction(transaction)).await?;
    print_branch(&outcome, output)
}
