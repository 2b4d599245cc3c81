//! The sectors of one file that were written since its last sync.

use std::collections::BTreeMap;
use std::path::PathBuf;

use madsim::rand::{Rng, thread_rng};

/// Bytes that reach the medium together.
const SECTOR_BYTES: u64 = 512;

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileKey(pub(super) u64, pub(super) u64);

/// A file in a declared directory, or one that is not.
pub(super) struct TrackedFile {
    pub(super) path: PathBuf,
    /// The declared directory; `None` for files elsewhere.
    pub(super) directory: Option<PathBuf>,
    /// Every content of a sector since the last sync, the synced one first.
    sectors: BTreeMap<u64, Vec<Vec<u8>>>,
}

impl TrackedFile {
    pub(super) fn new(path: PathBuf, directory: Option<PathBuf>) -> Self {
        Self { path, directory, sectors: BTreeMap::new() }
    }

    /// Remembers what a write is about to replace, read by `read` from a position.
    pub(super) fn before_write(
        &mut self,
        offset: u64,
        len: u64,
        mut read: impl FnMut(u64, usize) -> Vec<u8>,
    ) {
        for sector in sectors(offset, len) {
            let start = sector * SECTOR_BYTES;
            let old = || vec![read(start, SECTOR_BYTES as usize)];
            self.sectors.entry(sector).or_insert_with(old);
        }
    }

    /// Remembers what a write has put there.
    pub(super) fn after_write(
        &mut self,
        offset: u64,
        len: u64,
        mut read: impl FnMut(u64, usize) -> Vec<u8>,
    ) {
        for sector in sectors(offset, len) {
            let new = read(sector * SECTOR_BYTES, SECTOR_BYTES as usize);
            self.sectors.entry(sector).or_default().push(new);
        }
    }

    /// Everything written so far is durable.
    pub(super) fn synced(&mut self) {
        self.sectors.clear();
    }

    /// The file has been cut to this length.
    pub(super) fn truncated(&mut self, len: u64) {
        self.sectors.split_off(&len.div_ceil(SECTOR_BYTES));
    }

    /// Gives every sector that was not synced one of the contents that it had.
    pub(super) fn lose_some(&self, image: &mut Vec<u8>) {
        let mut random = thread_rng();
        // Often little is lost, or almost everything.
        let newest_percent = [0, 50, 95, 100][random.gen_range(0..4)];
        for (sector, contents) in &self.sectors {
            let newest = random.gen_range(0..100) < newest_percent;
            let chosen =
                if newest { contents.len() - 1 } else { random.gen_range(0..contents.len()) };
            put(image, sector * SECTOR_BYTES, &contents[chosen]);
        }
    }
}

/// Puts a sector's content into an image, whose length stays: what lay beyond the end of the file
/// when it was read is zero.
fn put(image: &mut [u8], start: u64, content: &[u8]) {
    let start = start as usize;
    let end = (start + SECTOR_BYTES as usize).min(image.len());
    for (index, byte) in image.iter_mut().enumerate().take(end).skip(start) {
        *byte = content.get(index - start).copied().unwrap_or(0);
    }
}

fn sectors(offset: u64, len: u64) -> std::ops::Range<u64> {
    offset / SECTOR_BYTES..(offset + len).div_ceil(SECTOR_BYTES)
}
