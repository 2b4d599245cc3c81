//! Optimistic transactions over any [`aspen_core::KeyValueStore`]: in memory, embedded in a node or
//! against a remote cluster, with the same code and the same results.
//!
//! * [`Database::run`] runs a closure with a [`Transaction`] and commits what it wrote, again and
//!   again until nothing that it read has changed meanwhile.
//! * A [`Transaction`] reads at one revision, sees its own writes, and keeps them until it commits
//!   as one replicated entry. What it read is checked then: keys by their `mod_revision`, ranges
//!   for any change since they were read, so that there are no phantoms.
//! * [`SnapshotReads`] are reads within a transaction that are not checked; a [`Snapshot`] reads
//!   one revision without any transaction, pinned if it takes longer than history is kept.
//! * [`TransactionBuilder`] puts a transaction together by hand: expected revisions, or compares
//!   with what to do if they hold and if they do not.
//! * Every [`TransactionError`] has a kind that says what to do, and names what conflicted.
//!
//! ```
//! use std::sync::Arc;
//! use aspen_core::{AtomicOperation, Key, MemoryStore, Value};
//! use aspen_txn::Database;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let database = Database::new(Arc::new(MemoryStore::new()));
//! let (name, visits) = (Key::try_from("name")?, Key::try_from("visits")?);
//! let greeting = database
//!     .run(async |tx| {
//!         let found = tx.get(&name).await?;
//!         let visitor = found.unwrap_or(Value::try_from("nobody")?);
//!         tx.atomic(visits.clone(), AtomicOperation::Add(Value::try_from("\u{1}\0\0\0")?))?;
//!         let greeting = format!("hello {}", visitor.as_bytes().escape_ascii());
//!         Ok::<_, Box<dyn std::error::Error>>(greeting)
//!     })
//!     .await?;
//! assert_eq!(greeting, "hello nobody");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Architecture invariant: this crate depends on `aspen-core` only and knows no network and no
//! disk.

/// The examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/transactions.md")]
pub mod guide {}

mod backoff;
mod builder;
mod database;
mod error;
mod inner;
mod options;
mod pin;
mod range_query;
mod range_read;
mod range_set;
mod read_set;
mod run;
mod snapshot;
mod snapshot_reads;
mod stored_reads;
mod transaction;
mod write_set;

pub use builder::TransactionBuilder;
pub use database::Database;
pub use error::TransactionError;
pub use options::{CONFLICT_BACKOFF_MS_MAX, RunOptions, TRANSACTION_AGE_MS_MAX};
pub use pin::SNAPSHOT_LEASE_TTL_MS;
pub use range_query::{RangePage, RangeQuery};
pub use run::Committed;
pub use snapshot::Snapshot;
pub use snapshot_reads::SnapshotReads;
pub use transaction::Transaction;
