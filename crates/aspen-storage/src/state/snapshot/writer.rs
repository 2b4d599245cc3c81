//! Writing a snapshot file.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{
    MAGIC, SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_FORMAT, SNAPSHOT_HEADER_BYTES_MAX,
    SNAPSHOT_ROW_BYTES_MAX, SnapshotHeader,
};
use crate::state::error::{from_io, sync_parent};
use crate::state::fault_point::FaultPoint;
use crate::state::{AppliedState, SnapshotFile, StateError};

/// Writes rows into a snapshot file. The file has its name only once it is complete and on stable
/// storage: until [`SnapshotWriter::finish`] it is `<name>.tmp`, which a dropped writer removes.
pub struct SnapshotWriter {
    file: File,
    path: PathBuf,
    partial: Partial,
    applied: AppliedState,
    digest: blake3::Hasher,
    raw: Vec<u8>,
    compressed: Vec<u8>,
    rows: u64,
    len_bytes: u64,
}

/// A file to be removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already after the rename; a leftover is removed when the state machine opens.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl SnapshotWriter {
    /// Begins a file that will be called `path`.
    ///
    /// # Errors
    /// When the disk is full or the file system fails.
    pub fn create(path: &Path, header: &SnapshotHeader) -> Result<Self, StateError> {
        let partial = partial_path(path);
        let file = File::create(&partial).map_err(|error| from_io(&partial, &error))?;
        let mut writer = Self {
            file,
            path: path.to_owned(),
            partial: Partial(partial),
            applied: header.applied.clone(),
            digest: blake3::Hasher::new(),
            raw: Vec::with_capacity(SNAPSHOT_BLOCK_BYTES_MAX),
            compressed: vec![0; lz4_flex::block::get_maximum_output_size(SNAPSHOT_BLOCK_BYTES_MAX)],
            rows: 0,
            len_bytes: 0,
        };
        writer.header(header)?;
        Ok(writer)
    }

    /// Adds a row of at most [`SNAPSHOT_ROW_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// When the row is too long, the disk is full or the file system fails.
    pub fn row(&mut self, row: &[u8]) -> Result<(), StateError> {
        let len = u32::try_from(row.len())
            .ok()
            .filter(|_| row.len() <= SNAPSHOT_ROW_BYTES_MAX)
            .ok_or_else(|| StateError::Io(format!("snapshot row of {} bytes", row.len())))?;
        self.raw_bytes(&len.to_le_bytes())?;
        self.raw_bytes(row)?;
        self.rows += 1;
        FaultPoint::SnapshotRow.reach();
        Ok(())
    }

    /// Ends the file, makes it durable and gives it its name.
    ///
    /// # Errors
    /// When the disk is full or the file system fails.
    pub fn finish(mut self) -> Result<SnapshotFile, StateError> {
        self.block()?;
        let rows = self.rows;
        self.emit(&0u32.to_le_bytes())?;
        self.emit(&rows.to_le_bytes())?;
        let digest = self.digest.finalize();
        self.emit(digest.as_bytes())?;
        FaultPoint::SnapshotWritten.reach();
        self.file.sync_all().map_err(|error| from_io(&self.partial.0, &error))?;
        FaultPoint::SnapshotSynced.reach();
        std::fs::rename(&self.partial.0, &self.path)
            .map_err(|error| from_io(&self.path, &error))?;
        FaultPoint::SnapshotNamed.reach();
        sync_parent(&self.path)?;
        Ok(SnapshotFile { path: self.path, len_bytes: self.len_bytes, applied: self.applied })
    }

    fn header(&mut self, header: &SnapshotHeader) -> Result<(), StateError> {
        let encoded = header.encode()?;
        let len = u32::try_from(encoded.len())
            .ok()
            .filter(|_| encoded.len() <= SNAPSHOT_HEADER_BYTES_MAX)
            .ok_or_else(|| StateError::Io(format!("snapshot header of {} bytes", encoded.len())))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&SNAPSHOT_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        self.emit(&bytes)
    }

    fn raw_bytes(&mut self, mut bytes: &[u8]) -> Result<(), StateError> {
        while !bytes.is_empty() {
            let room = SNAPSHOT_BLOCK_BYTES_MAX - self.raw.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.raw.extend_from_slice(now);
            bytes = later;
            if self.raw.len() == SNAPSHOT_BLOCK_BYTES_MAX {
                self.block()?;
            }
        }
        Ok(())
    }

    /// Writes the block that has gathered, if any.
    fn block(&mut self) -> Result<(), StateError> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let mut compressed = std::mem::take(&mut self.compressed);
        let len = lz4_flex::block::compress_into(&self.raw, &mut compressed)
            .map_err(|error| StateError::Io(format!("snapshot block: {error}")))?;
        let block = &compressed[..len];
        for field in [self.raw.len(), len, crc32fast::hash(block) as usize] {
            let field = u32::try_from(field).expect("block fields are 32-bit by the block limit");
            self.emit(&field.to_le_bytes())?;
        }
        self.emit(block)?;
        self.compressed = compressed;
        self.raw.clear();
        Ok(())
    }

    fn emit(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.digest.update(bytes);
        self.len_bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| from_io(&self.partial.0, &error))
    }
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    PathBuf::from(name)
}
