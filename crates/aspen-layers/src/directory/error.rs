//! Why an operation on directories failed.

use aspen_core::{ErrorKind, InvalidKey, ValueTooLarge};
use aspen_txn::TransactionError;

use crate::tuple::PackError;

/// Why an operation on directories failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// There is no such directory.
    #[error("no directory {}", name_of(.path))]
    Missing {
        /// The path asked for.
        path: Vec<String>,
    },
    /// There is such a directory already.
    #[error("directory {} exists already", name_of(.path))]
    Exists {
        /// The path asked for.
        path: Vec<String>,
    },
    /// The directory holds something else than expected.
    #[error(
        "directory {} has the layer \"{}\", not \"{}\"",
        name_of(.path), .found.escape_ascii(), .expected.escape_ascii()
    )]
    OtherLayer {
        /// The path asked for.
        path: Vec<String>,
        /// The layer asked for.
        expected: Vec<u8>,
        /// The layer of the directory.
        found: Vec<u8>,
    },
    /// The root cannot be opened, created, moved or removed: it holds the directories themselves.
    #[error("the path is empty: the root cannot be opened, created, moved or removed")]
    Root,
    /// A directory cannot move into itself.
    #[error("directory {} cannot move to {}, which is inside it", name_of(.from), name_of(.to))]
    IntoItself {
        /// What was to move.
        from: Vec<String>,
        /// Where to.
        to: Vec<String>,
    },
    /// The prefix is part of another directory's, or another's is part of it, or it has no bytes.
    #[error("the prefix \"{}\" is not free", .prefix.escape_ascii())]
    PrefixInUse {
        /// The prefix.
        prefix: Vec<u8>,
    },
    /// There are keys where the allocator wants to put a directory, which no directory owns.
    #[error("there are keys that belong to no directory under the new prefix \"{}\"",
        .prefix.escape_ascii())]
    KeysInTheWay {
        /// The prefix.
        prefix: Vec<u8>,
    },
    /// Prefixes chosen by hand are not allowed by this layer.
    #[error("the directory layer does not allow prefixes chosen by hand")]
    PrefixByHand,
    /// FoundationDB's directory partitions are not supported.
    #[error("directory {} is a partition, which is not supported", name_of(.path))]
    Partition {
        /// The path of the partition.
        path: Vec<String>,
    },
    /// The directories are of a version that this program must not touch, or not write.
    #[error("the directories have version {found}; this program knows 1.0.0")]
    Version {
        /// The version found.
        found: String,
    },
    /// What is stored about directories is not what should be.
    #[error("the directories are damaged: {detail}")]
    Corrupt {
        /// What is wrong.
        detail: String,
    },
    /// A key cannot be made, most often since a path or prefix is too long.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The transaction failed.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

fn name_of(path: &[String]) -> String {
    match path {
        [] => "/".to_owned(),
        path => path.iter().map(|name| format!("/{name}")).collect(),
    }
}

impl DirectoryError {
    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. }
            | Self::Exists { .. }
            | Self::OtherLayer { .. }
            | Self::PrefixInUse { .. } => ErrorKind::Conflict,
            Self::Root
            | Self::IntoItself { .. }
            | Self::KeysInTheWay { .. }
            | Self::PrefixByHand
            | Self::Partition { .. }
            | Self::Version { .. } => ErrorKind::Invalid,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Pack(error) => error.kind(),
            Self::Transaction(error) => error.kind(),
        }
    }

    /// Whether the transaction may have happened, or may still happen.
    pub fn may_have_committed(&self) -> bool {
        matches!(self, Self::Transaction(error) if error.may_have_committed())
    }

    pub(super) fn corrupt(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { detail: format!("{what}: {why}") }
    }
}

impl From<InvalidKey> for DirectoryError {
    fn from(error: InvalidKey) -> Self {
        Self::Pack(error.into())
    }
}

impl From<ValueTooLarge> for DirectoryError {
    fn from(error: ValueTooLarge) -> Self {
        Self::Transaction(error.into())
    }
}
