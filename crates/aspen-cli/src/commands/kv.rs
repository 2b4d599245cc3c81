//! `aspen kv`

use aspen_core::KeyValueStore;

use super::{kv_read, kv_scan, kv_write, txn};
use crate::args::kv::KvCommand;
use crate::exit::CliError;
use crate::output::Output;

pub(super) async fn run(
    store: &dyn KeyValueStore,
    command: KvCommand,
    output: &mut Output,
) -> Result<(), CliError> {
    match command {
        KvCommand::Get(args) => kv_read::get(store, args, output).await,
        KvCommand::Set(args) => kv_write::set(store, args, output).await,
        KvCommand::Del(args) => kv_write::del(store, args, output).await,
        KvCommand::Scan(args) => kv_scan::scan(store, args, output).await,
        KvCommand::Cas(args) => kv_write::cas(store, args, output).await,
        KvCommand::Txn { file } => txn::run(store, &file, output).await,
    }
}

#[cfg(test)]
mod tests;
