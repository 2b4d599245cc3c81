//! Which prefixes are free.

use aspen_core::{Key, KeyRange};
use aspen_txn::{RangeQuery, Transaction};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::DirectoryError;
use super::nodes::Nodes;

/// Checks that a prefix begins no other directory's, nor another's it. The checks are conflicts as
/// well, so that of two transactions that want overlapping prefixes only one commits.
pub(super) async fn check_free(
    tx: &Transaction,
    nodes: &Nodes,
    prefix: &Bytes,
) -> Result<(), DirectoryError> {
    let root = nodes.subspace().prefix();
    let overlaps_root = prefix.starts_with(root) || root.starts_with(prefix);
    if prefix.is_empty()
        || overlaps_root
        || is_within_another(tx, nodes, prefix).await?
        || first(tx, nodes_within(nodes, prefix)?.into()).await?.is_some()
    {
        return Err(DirectoryError::PrefixInUse { prefix: prefix.to_vec() });
    }
    Ok(())
}

/// Checks that there is no key under a prefix.
pub(super) async fn check_empty(tx: &Transaction, prefix: &Bytes) -> Result<(), DirectoryError> {
    match first(tx, KeyRange::prefix(prefix.clone()).into()).await? {
        Some(_) => Err(DirectoryError::KeysInTheWay { prefix: prefix.to_vec() }),
        None => Ok(()),
    }
}

/// Whether a directory's prefix begins this one. No prefix begins another, so it could only be the
/// last that sorts before.
async fn is_within_another(
    tx: &Transaction,
    nodes: &Nodes,
    prefix: &Bytes,
) -> Result<bool, DirectoryError> {
    let end = nodes.subspace().pack(&(prefix,))?.successor();
    let before = KeyRange { end: Some(end), ..nodes.subspace().range() };
    let Some(key) = first(tx, RangeQuery::new(before).reverse()).await? else { return Ok(false) };
    Ok(prefix.starts_with(&nodes.prefix_of(&key)?))
}

/// The nodes of the directories whose prefixes begin with this one.
fn nodes_within(nodes: &Nodes, prefix: &Bytes) -> Result<KeyRange, DirectoryError> {
    let start = nodes.subspace().pack(&(prefix,))?.into_bytes();
    let end = match KeyRange::prefix(prefix.clone()).end {
        Some(end) => Some(nodes.subspace().pack(&(end,))?.into_bytes()),
        None => nodes.subspace().range().end,
    };
    Ok(KeyRange { start, end })
}

async fn first(tx: &Transaction, query: RangeQuery) -> Result<Option<Key>, DirectoryError> {
    Ok(tx.stream(query.limit(1)).try_next().await?.map(|(key, _)| key))
}
