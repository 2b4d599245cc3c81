//! Snapshot files: a group's whole state as a stream of rows, checked byte by byte.
//!
//! The layout, integers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `ASPENSNP` |
//! | 4 | format version, [`SNAPSHOT_FORMAT`] |
//! | 4 | length `H` of the header, at most [`SNAPSHOT_HEADER_BYTES_MAX`] |
//! | `H` | the header ([`SnapshotHeader`]) in the codec of `aspen_core::codec` |
//! | 4 | CRC32 of everything before |
//! | blocks | any number of blocks |
//! | 4 | 0: the end block begins |
//! | 8 | the number of rows |
//! | 32 | BLAKE3 of everything before |
//!
//! A block is its raw length (4 bytes, 1 to [`SNAPSHOT_BLOCK_BYTES_MAX`]), its compressed length
//! (4), the CRC32 of the compressed bytes (4) and the compressed bytes (LZ4 block format). The raw
//! blocks joined are a stream of rows, each a length (4 bytes, at most [`SNAPSHOT_ROW_BYTES_MAX`])
//! and as many bytes; a row may span blocks. Nothing follows the digest.
//!
//! What a row holds is the state machine's business. The CRC finds damage where it is, so that a
//! receiver can stop early; the digest finds lost, repeated and reordered blocks. Both sides hold
//! one block and one row in memory, never the file.

mod header;
mod lost_key;
mod reader;
mod writer;

pub use header::SnapshotHeader;
pub use reader::SnapshotReader;
pub use writer::SnapshotWriter;

pub(in crate::state) use lost_key::LostKey;

/// The format that this program writes. It reads format 1 too, which knows no leases, and format 2,
/// which knows no pins.
pub const SNAPSHOT_FORMAT: u32 = 3;

/// The longest header, in bytes. Positions and a membership fit many times over.
pub const SNAPSHOT_HEADER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest raw block, in bytes. Longer compresses better; shorter finds damage sooner and
/// bounds memory lower.
pub const SNAPSHOT_BLOCK_BYTES_MAX: usize = 1024 * 1024;

/// The longest row, in bytes: a hostile length can make a reader allocate no more.
pub const SNAPSHOT_ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

const MAGIC: &[u8; 8] = b"ASPENSNP";

const _: () = assert!(
    aspen_core::KEY_BYTES_MAX + aspen_core::VALUE_BYTES_MAX + 1024 < SNAPSHOT_ROW_BYTES_MAX
);

#[cfg(test)]
mod tests;
