//! Reading a snapshot file, trusting nothing in it.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{
    MAGIC, SNAPSHOT_BLOCK_BYTES_MAX, SNAPSHOT_FORMAT, SNAPSHOT_HEADER_BYTES_MAX,
    SNAPSHOT_ROW_BYTES_MAX, SnapshotHeader,
};
use crate::state::error::from_io;
use crate::state::{SnapshotFile, StateError};

/// Reads a snapshot's rows in order. Rows handed out before the end have passed their block's
/// CRC32 only: act on none before [`SnapshotReader::verify`] passed, or be able to take it back.
pub struct SnapshotReader {
    file: BufReader<File>,
    path: PathBuf,
    format: u32,
    header: SnapshotHeader,
    len_bytes: u64,
    digest: blake3::Hasher,
    compressed: Vec<u8>,
    raw: Vec<u8>,
    raw_at: usize,
    row: Vec<u8>,
    rows: u64,
    ended: bool,
}

impl SnapshotReader {
    /// Opens a file and checks its header.
    ///
    /// # Errors
    /// `Corrupt` when the header is damaged, `Incompatible` when a newer program wrote it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let file = File::open(path).map_err(|error| from_io(path, &error))?;
        let len_bytes = file.metadata().map_err(|error| from_io(path, &error))?.len();
        let mut file = BufReader::with_capacity(128 * 1024, file);
        let mut digest = blake3::Hasher::new();
        let (format, header) = read_header(&mut file, path, &mut digest)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            format,
            header,
            len_bytes,
            digest,
            compressed: Vec::new(),
            raw: Vec::new(),
            raw_at: 0,
            row: Vec::new(),
            rows: 0,
            ended: false,
        })
    }

    /// Checks a whole file: every block's CRC32, the row count and the digest.
    ///
    /// # Errors
    /// `Corrupt` says what is damaged.
    pub fn verify(path: &Path) -> Result<SnapshotHeader, StateError> {
        let mut reader = Self::open(path)?;
        while reader.next_row()?.is_some() {}
        Ok(reader.header)
    }

    /// What the snapshot covers.
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The format of its rows.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// The file as consensus knows it. Says nothing of the blocks' health.
    pub fn to_file(&self) -> SnapshotFile {
        SnapshotFile {
            path: self.path.clone(),
            len_bytes: self.len_bytes,
            applied: self.header.applied.clone(),
        }
    }

    /// The next row; `None` after the last, once the row count and the digest have been checked.
    ///
    /// # Errors
    /// `Corrupt` says what is damaged.
    pub fn next_row(&mut self) -> Result<Option<&[u8]>, StateError> {
        if self.ended || (self.raw_at == self.raw.len() && !self.next_block()?) {
            return Ok(None);
        }
        let mut len = [0; 4];
        self.copy_raw(&mut len)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > SNAPSHOT_ROW_BYTES_MAX {
            return Err(self.corrupt(&format!("row of {len} bytes")));
        }
        let mut row = std::mem::take(&mut self.row);
        row.resize(len, 0);
        self.copy_raw(&mut row)?;
        self.row = row;
        self.rows += 1;
        Ok(Some(&self.row))
    }

    /// Fills `target` from the raw stream, over block ends.
    fn copy_raw(&mut self, mut target: &mut [u8]) -> Result<(), StateError> {
        while !target.is_empty() {
            if self.raw_at == self.raw.len() && !self.next_block()? {
                return Err(self.corrupt("the last row is cut off"));
            }
            let len = target.len().min(self.raw.len() - self.raw_at);
            let (now, later) = target.split_at_mut(len);
            now.copy_from_slice(&self.raw[self.raw_at..self.raw_at + len]);
            self.raw_at += len;
            target = later;
        }
        Ok(())
    }

    /// Decodes the next block; at the end block checks the whole and answers `false`.
    fn next_block(&mut self) -> Result<bool, StateError> {
        let raw_len = self.u32()? as usize;
        if raw_len == 0 {
            self.end()?;
            return Ok(false);
        }
        let compressed_len = self.u32()? as usize;
        let crc = self.u32()?;
        let compressed_max = lz4_flex::block::get_maximum_output_size(SNAPSHOT_BLOCK_BYTES_MAX);
        if raw_len > SNAPSHOT_BLOCK_BYTES_MAX || compressed_len > compressed_max {
            return Err(self.corrupt("a block's length is beyond its limit"));
        }
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.resize(compressed_len, 0);
        self.exact(&mut compressed)?;
        if crc32fast::hash(&compressed) != crc {
            return Err(self.corrupt("a block's CRC32 does not match"));
        }
        self.raw.resize(raw_len, 0);
        let decoded = lz4_flex::block::decompress_into(&compressed, &mut self.raw);
        self.compressed = compressed;
        self.raw_at = 0;
        match decoded {
            Ok(len) if len == raw_len => Ok(true),
            _ => Err(self.corrupt("a block does not decompress to its length")),
        }
    }

    fn end(&mut self) -> Result<(), StateError> {
        let mut rows = [0; 8];
        self.exact(&mut rows)?;
        let expected = self.digest.finalize();
        let mut digest = [0; 32];
        self.exact(&mut digest)?;
        if expected != blake3::Hash::from_bytes(digest) {
            return Err(self.corrupt("the digest does not match"));
        }
        if u64::from_le_bytes(rows) != self.rows {
            return Err(self.corrupt("the row count does not match"));
        }
        let rest = self.file.read(&mut [0]).map_err(|error| from_io(&self.path, &error))?;
        if rest != 0 {
            return Err(self.corrupt("bytes follow the digest"));
        }
        self.ended = true;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, StateError> {
        let mut bytes = [0; 4];
        self.exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), StateError> {
        read_exact(&mut self.file, &self.path, bytes)?;
        self.digest.update(bytes);
        Ok(())
    }

    fn corrupt(&self, what: &str) -> StateError {
        corrupt(&self.path, what)
    }
}

fn read_header(
    file: &mut impl Read,
    path: &Path,
    digest: &mut blake3::Hasher,
) -> Result<(u32, SnapshotHeader), StateError> {
    let mut fixed = [0; 16];
    read_exact(file, path, &mut fixed)?;
    if fixed[..8] != MAGIC[..] {
        return Err(corrupt(path, "it does not begin with the magic ASPENSNP"));
    }
    let word =
        |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let (format, len) = (word(8), word(12) as usize);
    if format == 0 || format > SNAPSHOT_FORMAT {
        return Err(StateError::Incompatible(format!(
            "snapshot {} has format {format}; this program reads up to format {SNAPSHOT_FORMAT}",
            path.display()
        )));
    }
    if len > SNAPSHOT_HEADER_BYTES_MAX {
        return Err(corrupt(path, "its header's length is beyond the limit"));
    }
    let mut encoded = vec![0; len];
    read_exact(file, path, &mut encoded)?;
    let mut crc = [0; 4];
    read_exact(file, path, &mut crc)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&fixed);
    hasher.update(&encoded);
    if hasher.finalize() != u32::from_le_bytes(crc) {
        return Err(corrupt(path, "the header's CRC32 does not match"));
    }
    digest.update(&fixed).update(&encoded).update(&crc);
    SnapshotHeader::decode(&encoded, format).map(|header| (format, header))
}

fn read_exact(file: &mut impl Read, path: &Path, bytes: &mut [u8]) -> Result<(), StateError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => corrupt(path, "it ends early"),
        _ => from_io(path, &error),
    })
}

fn corrupt(path: &Path, what: &str) -> StateError {
    StateError::Corrupt(format!("snapshot {}: {what}", path.display()))
}
