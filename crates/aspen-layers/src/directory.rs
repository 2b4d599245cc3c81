//! Directories: paths of names, each with a short prefix of keys of its own.
//!
//! A [`DirectoryLayer`] gives every path a [`Directory`] with a [`crate::subspace::Subspace`] whose
//! prefix is a few bytes, however long the path. Directories can be moved and listed without
//! touching what is in them. Every operation is part of a transaction of the caller.
//!
//! ```
//! use std::sync::Arc;
//!
//! use aspen_core::{MemoryStore, Value};
//! use aspen_layers::directory::{DirectoryError, DirectoryLayer};
//! use aspen_txn::Database;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let database = Database::new(Arc::new(MemoryStore::new()));
//! let directories = DirectoryLayer::new();
//! let users = database
//!     .run(async |tx| {
//!         let users = directories.create_or_open(&tx, ["shop", "users"], b"").await?;
//!         tx.set(users.subspace().pack(&("alice",))?, Value::default())?;
//!         Ok::<_, DirectoryError>(users)
//!     })
//!     .await?;
//! assert!(users.subspace().prefix().len() <= 2);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! What is stored is what FoundationDB's directory layer stores, version 1.0.0 (`docs/format.md`),
//! except for its partitions, whose layer id is refused.

mod allocator;
mod error;
mod handle;
mod layer;
mod nodes;
mod prefixes;
mod version;

pub use error::DirectoryError;
pub use handle::Directory;
pub use layer::DirectoryLayer;
