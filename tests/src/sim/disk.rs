//! The disk under a node's log, in memory, failing as the nemesis says.
//!
//! A [`Platter`] is the device: it outlives its node's processes. A [`SimDisk`] is one process' way
//! to it, through the operating system's page cache: what was written is read back at once, and is
//! on the medium only after a sync.
//!
//! * A killed process leaves the page cache as it is.
//! * A power failure keeps, of what was not synced, any sectors of any writes.
//! * A sync that fails loses what it should have written, and later syncs report success: the
//!   operating system takes the pages for clean (PostgreSQL's "fsyncgate", 2018). They are read
//!   back until the process ends.

mod medium;

use std::io;
use std::sync::Arc;

use aspen_storage::LogDisk;
use madsim::rand::Rng;
use parking_lot::Mutex;

use self::medium::Medium;
use crate::sim::trace;

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiskFaults {
    /// After so many more operations the power fails in the midst of one.
    pub(crate) power_fails_after: Option<u64>,
    /// After so many more syncs, one fails.
    pub(crate) sync_fails_after: Option<u64>,
    /// Free bytes; `None` for plenty.
    pub(crate) free_bytes: Option<u64>,
}

struct Device {
    medium: Medium,
    faults: DiskFaults,
    /// Which process' handle works.
    opening: u64,
    powered: bool,
    /// Whether a fault has fired that the node cannot outlive.
    fired: bool,
}

/// A device. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Platter {
    /// The node that it belongs to, for the trace.
    node: u64,
    device: Arc<Mutex<Device>>,
}

impl Platter {
    /// An empty device.
    pub(crate) fn new(node: u64) -> Self {
        let device = Device {
            medium: Medium::default(),
            faults: DiskFaults::default(),
            opening: 0,
            powered: true,
            fired: false,
        };
        Self { node, device: Arc::new(Mutex::new(device)) }
    }

    /// A new process' way to the device; earlier ones work no more.
    pub(crate) fn open(&self) -> Arc<SimDisk> {
        let mut device = self.device.lock();
        device.opening += 1;
        device.powered = true;
        device.fired = false;
        Arc::new(SimDisk { platter: self.clone(), opening: device.opening })
    }

    /// Keeps every process off the device, so that what a dying one still tries has no effect.
    pub(crate) fn fence(&self) {
        self.device.lock().opening += 1;
    }

    /// The process has ended, the machine runs on.
    pub(crate) fn process_died(&self) {
        let mut device = self.device.lock();
        device.opening += 1;
        device.medium.drop_lost();
    }

    /// The machine has lost its power.
    pub(crate) fn power_failed(&self) {
        let mut device = self.device.lock();
        device.opening += 1;
        device.cut_power();
    }

    /// Changes what is wrong with the device.
    pub(crate) fn set_faults(&self, change: impl FnOnce(&mut DiskFaults)) {
        change(&mut self.device.lock().faults);
    }

    /// Whether a fault has fired since the last opening that the process cannot outlive.
    pub(crate) fn has_fired(&self) -> bool {
        self.device.lock().fired
    }

    /// Whether it is to be taken for nearly full.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.device.lock().faults.free_bytes.is_some()
    }

    /// Flips a bit of the medium; the process must have ended.
    pub(crate) fn flip_bit(&self) {
        let mut device = self.device.lock();
        let len = device.medium.len();
        if len > 0 {
            let position = madsim::rand::thread_rng().gen_range(0..len * 8);
            device.medium.flip(position);
            trace::record("bit flips", [self.node, position, 0, 0]);
        }
    }

    /// A device with the same content.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(self.node);
        copy.device.lock().medium = self.device.lock().medium.clone();
        copy
    }
}

impl Device {
    /// Of what was not synced, some sectors survive. Once cut, nothing more is lost.
    fn cut_power(&mut self) {
        if std::mem::take(&mut self.powered) {
            self.medium.crash(&mut madsim::rand::thread_rng());
        }
    }

    fn admit(&mut self, opening: u64) -> io::Result<()> {
        match self.opening == opening && self.powered {
            true => Ok(()),
            false => Err(io::Error::other("the power is off")),
        }
    }

    /// Counts an operation that changes something; the power may fail in its midst.
    fn power_lasts(&mut self) -> bool {
        let Some(left) = &mut self.faults.power_fails_after else { return true };
        if *left > 0 {
            *left -= 1;
            return true;
        }
        self.faults.power_fails_after = None;
        self.fired = true;
        false
    }

    fn has_room_for(&self, more: u64) -> bool {
        self.faults.free_bytes.is_none_or(|free| more <= free)
    }

    fn sync_works(&mut self) -> bool {
        let Some(left) = &mut self.faults.sync_fails_after else { return true };
        if *left > 0 {
            *left -= 1;
            return true;
        }
        self.faults.sync_fails_after = None;
        self.fired = true;
        false
    }
}

/// One process' way to its device.
pub(crate) struct SimDisk {
    platter: Platter,
    opening: u64,
}

impl SimDisk {
    fn change(
        &self,
        what: &'static str,
        place: [u64; 2],
        change: impl FnOnce(&mut Device) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut device = self.platter.device.lock();
        device.admit(self.opening)?;
        trace::record(what, [self.platter.node, place[0], place[1], 0]);
        let lasts = device.power_lasts();
        let result = change(&mut device);
        if !lasts {
            device.cut_power();
            return Err(io::Error::other("the power fails"));
        }
        result
    }
}

impl LogDisk for SimDisk {
    fn len_bytes(&self) -> io::Result<u64> {
        let mut device = self.platter.device.lock();
        device.admit(self.opening)?;
        Ok(device.medium.len())
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.change("disk resize", [len_bytes, 0], |device| {
            let more = len_bytes.saturating_sub(device.medium.len());
            if !device.has_room_for(more) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            device.medium.set_len(len_bytes);
            Ok(())
        })
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut device = self.platter.device.lock();
        device.admit(self.opening)?;
        device.medium.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change("disk write", [offset, data.len() as u64], |device| {
            device.medium.write(offset, data)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.change("disk sync", [0, 0], |device| {
            if device.sync_works() {
                device.medium.sync();
                return Ok(());
            }
            device.medium.lose_unsynced();
            Err(io::Error::other("the sync failed"))
        })
    }

    fn free_bytes(&self) -> Option<u64> {
        self.platter.device.lock().faults.free_bytes
    }
}

#[cfg(test)]
mod tests;
