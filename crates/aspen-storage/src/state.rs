//! The replicated state of one group.

pub mod apply;
mod changes;
mod error;
mod fault_point;
mod group_state;
mod lease_feed;
mod leases;
mod machine;
mod memory_machine;
mod memory_tables;
mod page;
mod pins;
mod readable;
mod sessions;
mod snapshot;
mod sqlite;
mod tables;

pub use changes::{Change, Changes, ChangesRequest};
pub use error::StateError;
pub use group_state::GroupState;
pub use lease_feed::{LeaseFeed, LeaseNews};
pub use leases::{Lease, LeaseChange, LeaseTable, LeaseTerms};
pub use machine::{
    AppliedState, Entry, EntryPayload, LeasedKeys, Position, SnapshotFile, StateMachine,
};
pub use memory_machine::{MemoryDisk, MemoryStateMachine};
pub use memory_tables::MemoryTables;
pub use page::PageBuilder;
pub use pins::PinTable;
pub use sessions::{Session, Sessions};
pub use snapshot::{
    SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_FORMAT, SNAPSHOT_HEADER_BYTES_MAX, SNAPSHOT_ROW_BYTES_MAX,
    SnapshotHeader, SnapshotReader, SnapshotWriter,
};
pub use sqlite::{
    HEAD_BYTES_MIN, READERS_MAX, STATE_FORMAT, SqliteStateMachine, StateOptions, check_dir,
};
pub use tables::{Live, Summary, Tables, Version};
