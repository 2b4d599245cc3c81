//! The bytes of a device: what is on the medium, and what the page cache shows.

use std::io;

use madsim::rand::{Rng, RngCore};

/// Bytes that reach the medium together.
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                image.resize(image.len().max(end), 0);
                image[start..end].copy_from_slice(data);
            }
            Self::SetLen(len) => image.resize(*len as usize, 0),
        }
    }
}

/// The content of a device.
#[derive(Clone, Debug, Default)]
pub(super) struct Medium {
    /// What a power failure leaves for certain.
    durable: Vec<u8>,
    /// What reads see.
    current: Vec<u8>,
    /// Changes since the last sync, in order.
    pending: Vec<Change>,
    /// Whether a failed sync has lost changes that reads still see.
    lost: bool,
}

impl Medium {
    pub(super) fn len(&self) -> u64 {
        self.current.len() as u64
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = start.checked_add(out.len()).and_then(|end| self.current.get(start..end));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset + data.len() as u64 > self.len() {
            return Err(io::Error::other("write beyond the end"));
        }
        self.change(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64) {
        self.change(Change::SetLen(len));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.current);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// A sync failed: what it should have written never reaches the medium.
    pub(super) fn lose_unsynced(&mut self) {
        self.lost |= !self.pending.is_empty();
        self.pending.clear();
    }

    /// Reads no longer see what a failed sync has lost.
    pub(super) fn drop_lost(&mut self) {
        if std::mem::take(&mut self.lost) {
            self.current.clone_from(&self.durable);
            self.pending.clear();
        }
    }

    /// The power fails: of the changes since the last sync, any sectors are there.
    pub(super) fn crash(&mut self, random: &mut impl RngCore) {
        self.lost = false;
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Write(offset, data) => tear(&mut self.durable, offset, &data, random),
                Change::SetLen(_) if random.gen_bool(0.5) => change.apply(&mut self.durable),
                Change::SetLen(_) => {}
            }
        }
        self.current.clone_from(&self.durable);
    }

    pub(super) fn flip(&mut self, bit: u64) {
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        for image in [&mut self.durable, &mut self.current] {
            if let Some(byte) = image.get_mut(byte) {
                *byte ^= mask;
            }
        }
    }
}

/// Lets each sector of a write reach the medium or not. Some writes arrive almost whole, others
/// hardly at all.
fn tear(image: &mut Vec<u8>, offset: u64, data: &[u8], random: &mut impl RngCore) {
    let quarters_kept = random.gen_range(0..=4);
    for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
        if random.gen_range(0..4) < quarters_kept {
            let start = offset + (number * SECTOR_BYTES) as u64;
            Change::Write(start, sector.to_vec()).apply(image);
        }
    }
}
