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
    /// This operation finds no space; there is room again afterwards.
    NoSpaceOnce(u64),
    /// This operation fails halfway; later ones succeed.
    OperationFails(u64),
    /// This read fails; later ones succeed.
    ReadFails(u64),
    /// This read and all later ones fail.
    ReadsFail(u64),
}

/// What the disk was told, in order.
#[derive(Clone, Debug)]
pub(in crate::log) enum Step {
    Change(Change),
    Sync,
}

#[derive(Clone, Debug)]
pub(in crate::log) enum Change {
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
    /// Every step since the disk's creation.
    steps: Vec<Step>,
    fault: Fault,
    operations: u64,
    reads: u64,
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
            steps: Vec::new(),
            fault,
            operations: 0,
            reads: 0,
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

    /// How many writes, resizes and syncs there were.
    pub(in crate::log) fn operations(&self) -> u64 {
        self.medium.lock().operations
    }

    /// How many reads there were.
    pub(in crate::log) fn reads(&self) -> u64 {
        self.medium.lock().reads
    }

    /// Every write, resize and sync so far.
    pub(in crate::log) fn steps(&self) -> Vec<Step> {
        self.medium.lock().steps.clone()
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

pub(super) fn apply(image: &mut Vec<u8>, change: &Change) {
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
    keep_sectors(image, offset, data, |_| rng.next_u32() % 4 < keep_most);
}

/// Writes those sectors of a change that reached the medium, by their number in it.
pub(super) fn keep_sectors(
    image: &mut Vec<u8>,
    offset: u64,
    data: &[u8],
    mut kept: impl FnMut(usize) -> bool,
) {
    for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
        if kept(number) {
            let start = offset as usize + number * SECTOR_BYTES;
            let end = start + sector.len();
            image.resize(image.len().max(end), 0);
            image[start..end].copy_from_slice(sector);
        }
    }
}

impl Medium {
    /// Counts an operation; an error means that it does not happen at all.
    fn operate(&mut self) -> io::Result<()> {
        if self.dead {
            return Err(off());
        }
        self.operations += 1;
        match self.fault {
            Fault::PowerCut(at) if self.operations >= at => self.dead = true,
            Fault::NoSpace(at) if self.operations >= at => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Fault::NoSpaceOnce(at) if self.operations == at => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            _ => {}
        }
        Ok(())
    }

    fn fails_halfway(&self) -> bool {
        matches!(self.fault, Fault::OperationFails(at) if self.operations == at)
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.operate()?;
        let change = if self.fails_halfway() { half(change) } else { change };
        apply(&mut self.current, &change);
        self.steps.push(Step::Change(change.clone()));
        self.pending.push(change);
        match (self.dead, self.fails_halfway()) {
            (true, _) => Err(off()),
            (_, true) => Err(io::Error::other("the write failed")),
            _ => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.operate()?;
        if self.dead {
            return Err(off());
        }
        self.syncs += 1;
        match self.fault {
            Fault::SyncFails(at) if self.syncs == at => {
                return Err(io::Error::other("the sync failed"));
            }
            Fault::OperationFails(at) if self.operations == at => {
                return Err(io::Error::other("the sync failed"));
            }
            // The pages whose sync failed count as clean: no later sync writes them.
            Fault::SyncFails(at) if self.syncs > at => {}
            _ => {
                for change in self.pending.drain(..) {
                    apply(&mut self.durable, &change);
                }
                self.steps.push(Step::Sync);
            }
        }
        Ok(())
    }

    fn read(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.reads += 1;
        match self.fault {
            Fault::ReadFails(at) if self.reads == at => {
                return Err(io::Error::other("the read failed"));
            }
            Fault::ReadsFail(at) if self.reads >= at => {
                return Err(io::Error::other("the read failed"));
            }
            _ => {}
        }
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = start.checked_add(out.len()).and_then(|end| self.current.get(start..end));
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn off() -> io::Error {
    io::Error::other("the power is off")
}

/// The part of a change that happens before it fails.
fn half(change: Change) -> Change {
    match change {
        Change::Write(offset, mut data) => {
            data.truncate(data.len() / 2);
            Change::Write(offset, data)
        }
        resize => resize,
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
        self.medium.lock().read(offset, out)
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
