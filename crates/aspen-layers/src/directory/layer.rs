//! All directories of a store.

use std::sync::Arc;

use aspen_core::{KeyRange, Value};
use aspen_txn::Transaction;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::allocator::Allocator;
use super::nodes::{Node, Nodes};
use super::prefixes::{check_empty, check_free};
use super::version::{Access, check_version};
use super::{Directory, DirectoryError};
use crate::subspace::Subspace;

/// The layer id of FoundationDB's directories that are directory layers themselves.
const PARTITION_LAYER: &[u8] = b"partition";

/// All directories under one subspace of nodes. Clones are the same layer.
///
/// Layers of the same subspaces see the same directories. A layer and its clones change directories
/// one after another. Changes of one transaction must go through one layer; those of different
/// transactions need not.
#[derive(Clone, Debug)]
pub struct DirectoryLayer {
    nodes: Nodes,
    content: Subspace,
    prefixes_by_hand: bool,
    allocator: Allocator,
    root: Node,
    /// Changes come one after another: of two within one transaction none would see what the other
    /// is about to write, and a directory that both need would be created twice.
    turn: Arc<Mutex<()>>,
}

/// Which of opening and creating is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Create,
    CreateOrOpen,
}

impl Default for DirectoryLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl DirectoryLayer {
    /// The directories as FoundationDB's bindings store them by default: nodes under `fe`, contents
    /// anywhere.
    pub fn new() -> Self {
        let layer = Self::within(Subspace::new(&b"\xfe"[..]), Subspace::default());
        layer.expect("keys of a few bytes are within every limit")
    }

    /// Directories with their nodes in one subspace and the prefixes that are allocated to them in
    /// another.
    ///
    /// # Errors
    /// When the prefixes are so long that keys would be too long.
    pub fn within(nodes: Subspace, content: Subspace) -> Result<Self, DirectoryError> {
        let nodes = Nodes::new(nodes);
        let root = nodes.root()?;
        root.version_key()?;
        let allocator = Allocator::new(&root.allocator()?)?;
        let turn = Arc::default();
        Ok(Self { nodes, content, prefixes_by_hand: false, allocator, root, turn })
    }

    /// The same directories, with [`DirectoryLayer::create_with_prefix`] allowed.
    pub fn allow_prefixes_by_hand(self) -> Self {
        Self { prefixes_by_hand: true, ..self }
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// When there is none, or its layer is another than the one given (none given: any will do).
    pub async fn open(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
        layer: &[u8],
    ) -> Result<Directory, DirectoryError> {
        self.open_as(tx, names(path), layer, Mode::Open, None).await
    }

    /// Creates a directory with a prefix that nobody has, and those above it that do not exist.
    ///
    /// # Errors
    /// When there is such a directory already.
    pub async fn create(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
        layer: &[u8],
    ) -> Result<Directory, DirectoryError> {
        self.open_as(tx, names(path), layer, Mode::Create, None).await
    }

    /// Opens a directory, or creates it.
    ///
    /// # Errors
    /// When there is one with another layer than the one given.
    pub async fn create_or_open(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
        layer: &[u8],
    ) -> Result<Directory, DirectoryError> {
        self.open_as(tx, names(path), layer, Mode::CreateOrOpen, None).await
    }

    /// [`DirectoryLayer::create`] with a prefix chosen by hand. What is stored under the prefix
    /// already becomes the directory's.
    ///
    /// # Errors
    /// When that is not allowed, or the prefix overlaps that of another directory.
    pub async fn create_with_prefix(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
        layer: &[u8],
        prefix: impl Into<Bytes>,
    ) -> Result<Directory, DirectoryError> {
        let prefix = prefix.into();
        if !self.prefixes_by_hand {
            return Err(DirectoryError::PrefixByHand);
        }
        self.open_as(tx, names(path), layer, Mode::Create, Some(prefix)).await
    }

    /// Moves a directory, with all that is below it, to a path that does not exist yet in a
    /// directory that does. Prefixes stay, and so does what is stored, and who has it open goes on.
    ///
    /// # Errors
    /// When a directory is missing, or there is one at the new path already, or the new path is
    /// inside the old one.
    pub async fn move_to(
        &self,
        tx: &Transaction,
        from: impl IntoIterator<Item: AsRef<str>>,
        to: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<Directory, DirectoryError> {
        let (from, to) = (names(from), names(to));
        let _turn = self.turn.lock().await;
        check_version(tx, &self.root, Access::Write).await?;
        let (Some((old_name, old_parent)), Some((new_name, new_parent))) =
            (from.split_last(), to.split_last())
        else {
            return Err(DirectoryError::Root);
        };
        if to.starts_with(&from) {
            return Err(DirectoryError::IntoItself { from, to });
        }
        let node = self.existing(tx, &from).await?;
        if self.find(tx, &to).await?.is_some() {
            return Err(DirectoryError::Exists { path: to });
        }
        let old_parent = self.existing(tx, old_parent).await?;
        let new_parent = self.existing(tx, new_parent).await?;
        let layer = node.layer(tx).await?;
        tx.set(new_parent.child_key(new_name)?, Value::new(node.prefix.clone())?)?;
        tx.delete(old_parent.child_key(old_name)?)?;
        Ok(directory(to, layer, node))
    }

    /// The names of a directory's subdirectories, in order; of the root's when the path is empty.
    ///
    /// # Errors
    /// When there is no such directory.
    pub async fn list(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<Vec<String>, DirectoryError> {
        let path = names(path);
        check_version(tx, &self.root, Access::Read).await?;
        let children = self.existing(tx, &path).await?.children(tx).await?;
        Ok(children.into_iter().map(|(name, _)| name).collect())
    }

    /// Whether there is such a directory.
    ///
    /// # Errors
    /// When that cannot be read.
    pub async fn exists(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<bool, DirectoryError> {
        let path = names(path);
        check_version(tx, &self.root, Access::Read).await?;
        Ok(self.find(tx, &path).await?.is_some())
    }

    /// Removes a directory, those below it and what is in them. Whoever has it open can still
    /// write there: no directory will be given the same prefix again.
    ///
    /// # Errors
    /// When there is no such directory. The commit fails when there are more keys to remove than
    /// [`aspen_core::DELETE_RANGE_KEYS_MAX`], and names it: delete [`Subspace::all`] of the
    /// directories in parts before.
    pub async fn remove(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<(), DirectoryError> {
        let path = names(path);
        match self.remove_if_exists(tx, &path).await? {
            true => Ok(()),
            false => Err(DirectoryError::Missing { path }),
        }
    }

    /// [`DirectoryLayer::remove`], if there is such a directory; answers whether there was.
    ///
    /// # Errors
    /// As [`DirectoryLayer::remove`], except for a directory that is not there.
    pub async fn remove_if_exists(
        &self,
        tx: &Transaction,
        path: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<bool, DirectoryError> {
        let path = names(path);
        let _turn = self.turn.lock().await;
        check_version(tx, &self.root, Access::Write).await?;
        let (name, parent) = path.split_last().ok_or(DirectoryError::Root)?;
        let Some(node) = self.find(tx, &path).await? else { return Ok(false) };
        tx.delete(self.existing(tx, parent).await?.child_key(name)?)?;
        self.remove_tree(tx, node).await?;
        Ok(true)
    }

    /// Removes nodes from the top down, with their contents.
    async fn remove_tree(&self, tx: &Transaction, top: Node) -> Result<(), DirectoryError> {
        let mut nodes = vec![top];
        while let Some(node) = nodes.pop() {
            for (_, prefix) in node.children(tx).await? {
                nodes.push(self.nodes.node(prefix)?);
            }
            tx.delete_range(KeyRange::prefix(node.prefix.clone()))?;
            tx.delete_range(node.range())?;
        }
        Ok(())
    }

    async fn open_as(
        &self,
        tx: &Transaction,
        path: Vec<String>,
        layer: &[u8],
        mode: Mode,
        prefix: Option<Bytes>,
    ) -> Result<Directory, DirectoryError> {
        check_version(tx, &self.root, Access::Read).await?;
        if path.is_empty() {
            return Err(DirectoryError::Root);
        }
        let mut found = self.find(tx, &path).await?;
        if found.is_none() && mode == Mode::Open {
            return Err(DirectoryError::Missing { path });
        }
        let mut turn = None;
        if found.is_none() {
            turn = Some(self.turn.lock().await);
            found = self.find(tx, &path).await?;
        }
        let result = match found {
            Some(_) if mode == Mode::Create => Err(DirectoryError::Exists { path }),
            Some(node) => opened(tx, path, layer, node).await,
            None => self.create_path(tx, path, layer, prefix).await,
        };
        drop(turn);
        result
    }

    /// Creates what is missing of a path.
    async fn create_path(
        &self,
        tx: &Transaction,
        path: Vec<String>,
        layer: &[u8],
        prefix: Option<Bytes>,
    ) -> Result<Directory, DirectoryError> {
        if layer == PARTITION_LAYER {
            return Err(DirectoryError::Partition { path });
        }
        check_version(tx, &self.root, Access::Write).await?;
        let layer = Bytes::copy_from_slice(layer);
        let (last, above) = path.split_last().ok_or(DirectoryError::Root)?;
        let mut parent = self.root.clone();
        for name in above {
            parent = match self.nodes.child(tx, &parent, name).await? {
                Some(child) => child,
                None => self.create_child(tx, &parent, name, &Bytes::new(), None).await?,
            };
        }
        let node = self.create_child(tx, &parent, last, &layer, prefix).await?;
        Ok(directory(path, layer, node))
    }

    async fn create_child(
        &self,
        tx: &Transaction,
        parent: &Node,
        name: &str,
        layer: &Bytes,
        prefix: Option<Bytes>,
    ) -> Result<Node, DirectoryError> {
        let prefix = match prefix {
            Some(prefix) => prefix,
            None => {
                let number = self.allocator.allocate(tx).await?;
                let prefix = Bytes::from([&self.content.prefix()[..], &number].concat());
                check_empty(tx, &prefix).await?;
                prefix
            }
        };
        check_free(tx, &self.nodes, &prefix).await?;
        let node = self.nodes.node(prefix)?;
        node.create(tx, parent, name, layer)?;
        Ok(node)
    }

    /// The node of a path, if there is one; the root's when the path is empty.
    async fn find(
        &self,
        tx: &Transaction,
        path: &[String],
    ) -> Result<Option<Node>, DirectoryError> {
        let mut node = self.root.clone();
        for (depth, name) in path.iter().enumerate() {
            let Some(child) = self.nodes.child(tx, &node, name).await? else { return Ok(None) };
            if child.layer(tx).await? == PARTITION_LAYER {
                return Err(DirectoryError::Partition { path: path[..=depth].to_vec() });
            }
            node = child;
        }
        Ok(Some(node))
    }

    async fn existing(&self, tx: &Transaction, path: &[String]) -> Result<Node, DirectoryError> {
        let found = self.find(tx, path).await?;
        found.ok_or_else(|| DirectoryError::Missing { path: path.to_vec() })
    }
}

async fn opened(
    tx: &Transaction,
    path: Vec<String>,
    layer: &[u8],
    node: Node,
) -> Result<Directory, DirectoryError> {
    let found = node.layer(tx).await?;
    check_layer(&path, layer, &found)?;
    Ok(directory(path, found, node))
}

fn check_layer(path: &[String], expected: &[u8], found: &[u8]) -> Result<(), DirectoryError> {
    match expected.is_empty() || expected == found {
        true => Ok(()),
        false => Err(DirectoryError::OtherLayer {
            path: path.to_vec(),
            expected: expected.to_vec(),
            found: found.to_vec(),
        }),
    }
}

fn directory(path: Vec<String>, layer: Bytes, node: Node) -> Directory {
    Directory { path, layer, subspace: Subspace::new(node.prefix) }
}

fn names(path: impl IntoIterator<Item: AsRef<str>>) -> Vec<String> {
    path.into_iter().map(|name| name.as_ref().to_owned()).collect()
}
