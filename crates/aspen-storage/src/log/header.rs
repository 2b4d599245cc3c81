//! The file's header: which format it has, and which node of which cluster it belongs to.

use aspen_core::{ClusterId, NodeId};
use redb::{Database, ReadTransaction, TableDefinition, WriteTransaction};

use super::{LogError, row};

/// Entries: sequence → value of [`row::encode_entry`].
pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// Vote, committed position and purge marker of each group.
pub(super) const METADATA: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("metadata");
const HEADER: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("header");

const FORMAT_KEY: &str = "aspen_log_format";
const STAMP_KEY: &str = "stamp";

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// The owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) cluster: ClusterId,
    pub(super) node: NodeId,
}

impl Stamp {
    fn encode(self) -> Vec<u8> {
        [self.cluster.as_bytes().as_slice(), &self.node.get().to_be_bytes()].concat()
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let (cluster, node) = body.split_first_chunk()?;
        let node = NodeId::new(u64::from_be_bytes(node.try_into().ok()?));
        Some(Self { cluster: ClusterId::new(*cluster), node })
    }

    /// Refuses another owner.
    pub(super) fn check(self, wanted: Self) -> Result<(), LogError> {
        if self == wanted {
            return Ok(());
        }
        Err(LogError::Incompatible(format!(
            "the file belongs to node {} of cluster {}, not to node {} of cluster {}; start the \
             node with the directory of its own data",
            self.node, self.cluster, wanted.node, wanted.cluster
        )))
    }
}

/// Creates the tables of a new file.
pub(super) fn initialize(database: &Database) -> Result<(), LogError> {
    let transaction = database.begin_write()?;
    if transaction.list_tables()?.next().is_none() {
        transaction.open_table(ENTRIES)?;
        transaction.open_table(METADATA)?;
        put(&transaction, FORMAT_KEY, &FORMAT.to_be_bytes())?;
    } else {
        transaction.abort()?;
        return Ok(());
    }
    Ok(transaction.commit()?)
}

/// Checks the format and reads the owner.
pub(super) fn read(transaction: &ReadTransaction) -> Result<Option<Stamp>, LogError> {
    let corrupt = |what: &str| LogError::Corrupt(format!("header: {what}"));
    let format = find(transaction, FORMAT_KEY)?.ok_or_else(|| corrupt("no format"))?;
    let format = format.try_into().map(u32::from_be_bytes).map_err(|_| corrupt("bad format"))?;
    if format != FORMAT {
        return Err(LogError::Incompatible(format!(
            "the file has log format {format} and this program reads format {FORMAT}; run the \
             version of the program that wrote it"
        )));
    }
    let Some(stamp) = find(transaction, STAMP_KEY)? else { return Ok(None) };
    Stamp::decode(&stamp).map(Some).ok_or_else(|| corrupt("bad stamp"))
}

/// Writes the owner.
pub(super) fn write(transaction: &WriteTransaction, stamp: Stamp) -> Result<(), LogError> {
    put(transaction, STAMP_KEY, &stamp.encode())
}

fn put(transaction: &WriteTransaction, key: &str, body: &[u8]) -> Result<(), LogError> {
    let value = row::seal(key.as_bytes(), body);
    transaction.open_table(HEADER)?.insert(key, value.as_slice())?;
    Ok(())
}

fn find(transaction: &ReadTransaction, key: &str) -> Result<Option<Vec<u8>>, LogError> {
    let Some(value) = transaction.open_table(HEADER)?.get(key)? else { return Ok(None) };
    row::unseal(key.as_bytes(), value.value()).map(|body| Some(body.to_vec()))
}

/// Rewrites the format of a file, for tests.
#[cfg(test)]
pub(super) fn write_format(database: &Database, format: u32) -> Result<(), LogError> {
    let transaction = database.begin_write()?;
    put(&transaction, FORMAT_KEY, &format.to_be_bytes())?;
    Ok(transaction.commit()?)
}
