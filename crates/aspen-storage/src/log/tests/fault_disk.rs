//! A disk in memory that loses and tears what was not synced, and fails on demand.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

use crate::log::LogDisk;

/// Bytes that reach the medium together.
const SECTOR_BYTES: usize = 512;

/// What goes wrong, and when. Counts start at the disk's creation.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) enum Fault {
    None,
    /// The power fails during this operation (write, resize or sync).
    PowerCut(u64),
    /// This sync fails; what it should have written is lost, and later syncs report success.
    SyncFails(u64),
    /// This operation and all later writes find no space.
    NoSpace(u64),
}

enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

struct Medium {
    /// The bytes that survive a power cut for certain.
    durable: Vec<u8>,
    /// The bytes that reads see.
    current: Vec<u8>,
    /// Changes since the last sync, in order.
    pending: Vec<Change>,
    fault: Fault,
    operations: u64,
    syncs: u64,
    dead: bool,
    free_bytes: Option<u64>,
}

/// The disk. [`FaultDisk::hold_syncs`] makes its syncs wait.
pub(in crate::log) struct FaultDisk {
    medium: Mutex<Medium>,
    held: Mutex<bool>,
    released: Condvar,
}

impl FaultDisk {
    pub(in crate::log) fn new(image: Vec<u8>, fault: Fault) -> Arc<Self> {
        let medium = Medium {
            durable: image.clone(),
            current: image,
            pending: Vec::new(),
            fault,
            operations: 0,
            syncs: 0,
            dead: false,
            free_bytes: None,
        };
        Arc::new(Self {
            medium: Mutex::new(medium),
            held: Mutex::default(),
            released: Condvar::new(),
        })
    }

    pub(in crate::log) fn empty() -> Arc<Self> {
        Self::new(Vec::new(), Fault::None)
    }

    /// No operation succeeds from now on.
    pub(in crate::log) fn cut_power(&self) {
        self.medium.lock().dead = true;
    }

    pub(in crate::log) fn set_free_bytes(&self, free_bytes: Option<u64>) {
        self.medium.lock().free_bytes = free_bytes;
    }

    /// Makes syncs wait, or lets them go on.
    pub(in crate::log) fn hold_syncs(&self, held: bool) {
        *self.held.lock() = held;
        self.released.notify_all();
    }

    /// The bytes as reads see them.
    pub(in crate::log) fn current(&self) -> Vec<u8> {
        self.medium.lock().current.clone()
    }

    /// What a power cut may leave: of the changes since the last sync, any sectors.
    pub(in crate::log) fn crash_image(&self, rng: &mut StdRng) -> Vec<u8> {
        let medium = self.medium.lock();
        let mut image = medium.durable.clone();
        for change in &medium.pending {
            match change {
                Change::Write(offset, data) => tear(&mut image, *offset, data, rng),
                Change::SetLen(len) if rng.random() => image.resize(*len as usize, 0),
                Change::SetLen(_) => {}
            }
        }
        image
    }
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, data) => {
            let start = *offset as usize;
            image[start..start + data.len()].copy_from_slice(data);
        }
        Change::SetLen(len) => image.resize(*len as usize, 0),
    }
}

fn tear(image: &mut Vec<u8>, offset: u64, data: &[u8], rng: &mut StdRng) {
    let keep_most = rng.next_u32() % 4;
    for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
        if rng.next_u32() % 4 < keep_most {
            let start = offset as usize + number * SECTOR_BYTES;
            let end = start + sector.len();
            image.resize(image.len().max(end), 0);
            image[start..end].copy_from_slice(sector);
        }
    }
}

impl Medium {
    fn operate(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the power is off"));
        }
        self.operations += 1;
        match self.fault {
            Fault::PowerCut(at) if self.operations >= at => self.dead = true,
            Fault::NoSpace(at) if self.operations >= at => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.operate()?;
        apply(&mut self.current, &change);
        self.pending.push(change);
        if self.dead { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate()?;
        if self.dead {
            return Err(io::Error::other("the power is off"));
        }
        self.syncs += 1;
        match self.fault {
            Fault::SyncFails(at) if self.syncs == at => {
                return Err(io::Error::other("the sync failed"));
            }
            // The pages whose sync failed count as clean: no later sync writes them.
            Fault::SyncFails(at) if self.syncs > at => {}
            _ => {
                for change in self.pending.drain(..) {
                    apply(&mut self.durable, &change);
                }
            }
        }
        Ok(())
    }
}

impl LogDisk for FaultDisk {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.medium.lock().current.len() as u64)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.medium.lock().change(Change::SetLen(len_bytes))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let medium = self.medium.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = start.checked_add(out.len()).and_then(|end| medium.current.get(start..end));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.medium.lock().change(Change::Write(offset, data.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut held = self.held.lock();
        self.released.wait_while(&mut held, |held| *held);
        drop(held);
        self.medium.lock().sync()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.medium.lock().free_bytes
    }
}
