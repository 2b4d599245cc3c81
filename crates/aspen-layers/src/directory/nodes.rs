//! Where it is stored which directories there are.
//!
//! Each directory has a *node*: keys under the node subspace and its prefix. The root's node is
//! that of the node subspace's own prefix.

use aspen_core::{Key, KeyRange, Value};
use aspen_txn::Transaction;
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::DirectoryError;
use crate::subspace::Subspace;
use crate::tuple::{Element, PackError, Tuple};

/// The first element of the keys that name a node's subdirectories.
const CHILDREN: u8 = 0;

/// The nodes of all directories.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    subspace: Subspace,
}

/// The keys of one directory's node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where the directory's contents are.
    pub(super) prefix: Bytes,
    keys: Subspace,
}

impl Nodes {
    pub(super) fn new(subspace: Subspace) -> Self {
        Self { subspace }
    }

    pub(super) fn subspace(&self) -> &Subspace {
        &self.subspace
    }

    pub(super) fn root(&self) -> Result<Node, PackError> {
        self.node(self.subspace.prefix().clone())
    }

    pub(super) fn node(&self, prefix: Bytes) -> Result<Node, PackError> {
        Ok(Node { keys: self.subspace.nested(&(&prefix,))?, prefix })
    }

    /// A subdirectory's node.
    pub(super) async fn child(
        &self,
        tx: &Transaction,
        parent: &Node,
        name: &str,
    ) -> Result<Option<Node>, DirectoryError> {
        let prefix = tx.get(&parent.child_key(name)?).await?;
        Ok(prefix.map(|prefix| self.node(prefix.into_bytes())).transpose()?)
    }

    /// The prefix of the directory to whose node a key belongs.
    pub(super) fn prefix_of(&self, key: &Key) -> Result<Bytes, DirectoryError> {
        let tuple: Tuple =
            self.subspace.unpack(key).map_err(|it| DirectoryError::corrupt(key, it))?;
        match tuple.into_elements().into_iter().next() {
            Some(Element::Bytes(prefix)) => Ok(prefix),
            _ => Err(DirectoryError::corrupt(key, "it does not begin with a prefix")),
        }
    }
}

impl Node {
    /// The part of the root's node in which the allocator keeps its counts.
    pub(super) fn allocator(&self) -> Result<Subspace, PackError> {
        self.keys.nested(&(b"hca",))
    }

    pub(super) fn version_key(&self) -> Result<Key, PackError> {
        self.keys.pack(&(b"version",))
    }

    pub(super) fn child_key(&self, name: &str) -> Result<Key, PackError> {
        self.keys.pack(&(CHILDREN, name))
    }

    /// Writes a new node.
    pub(super) fn create(
        &self,
        tx: &Transaction,
        parent: &Self,
        name: &str,
        layer: &Bytes,
    ) -> Result<(), DirectoryError> {
        tx.set(parent.child_key(name)?, Value::new(self.prefix.clone())?)?;
        tx.set(self.layer_key()?, Value::new(layer.clone())?)?;
        Ok(())
    }

    pub(super) async fn layer(&self, tx: &Transaction) -> Result<Bytes, DirectoryError> {
        let key = self.layer_key()?;
        let layer = tx.get(&key).await?;
        layer.map(Value::into_bytes).ok_or_else(|| DirectoryError::corrupt(key, "it is missing"))
    }

    /// The names of the subdirectories, in order, and their prefixes.
    pub(super) async fn children(
        &self,
        tx: &Transaction,
    ) -> Result<Vec<(String, Bytes)>, DirectoryError> {
        let mut entries = tx.stream(self.keys.range_of(&(CHILDREN,))?);
        let mut children = Vec::new();
        while let Some((key, prefix)) = entries.try_next().await? {
            let name = self.keys.unpack::<(u8, String)>(&key);
            let (_, name) = name.map_err(|error| DirectoryError::corrupt(&key, error))?;
            children.push((name, prefix.into_bytes()));
        }
        Ok(children)
    }

    /// The node's own keys.
    pub(super) fn range(&self) -> KeyRange {
        self.keys.range()
    }

    fn layer_key(&self) -> Result<Key, PackError> {
        self.keys.pack(&(b"layer",))
    }
}
