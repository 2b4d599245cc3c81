//! The seam under the log's file, for simulated and failing disks.

use std::fmt;
use std::io;

/// Where the log's bytes live when it is not a file: a simulated disk. Positions are bytes from
/// the start.
///
/// The contract is the weakest that a real disk gives: what was written may reach the medium in any
/// order, torn at sector borders, until [`LogDisk::sync`] returns; then all of it is there.
pub trait LogDisk: Send + Sync + 'static {
    /// The length in bytes.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Cuts or extends; new bytes are zero.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// Fills `out` from `offset`; an error when that passes the end.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes at `offset`, within the length.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;

    /// Free bytes on the medium; `None` when unknown.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
}

/// The first bytes of redb's file, written after everything else of a new file is durable.
const MAGIC_BYTES: usize = 9;
const PAGE_BYTES: usize = 4096;

/// Empties a disk on which the log's creation was cut short, since redb refuses to go on there: the
/// magic number is missing, and nothing lies behind the first page.
pub(super) fn discard_unborn(disk: &impl LogDisk) -> io::Result<()> {
    let len_bytes = disk.len_bytes()?;
    let mut page = [0; PAGE_BYTES];
    let mut offset = 0;
    while offset < len_bytes {
        let part = (len_bytes - offset).min(PAGE_BYTES as u64) as usize;
        disk.read(offset, &mut page[..part])?;
        let checked = if offset == 0 { part.min(MAGIC_BYTES) } else { part };
        if page[..checked].iter().any(|&byte| byte != 0) {
            return Ok(());
        }
        offset += part as u64;
    }
    disk.set_len(0)
}

/// A [`LogDisk`] as redb wants it.
pub(super) struct Backend<D>(pub(super) std::sync::Arc<D>);

impl<D> fmt::Debug for Backend<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogDisk")
    }
}

impl<D: LogDisk> redb::StorageBackend for Backend<D> {
    fn len(&self) -> io::Result<u64> {
        self.0.len_bytes()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
