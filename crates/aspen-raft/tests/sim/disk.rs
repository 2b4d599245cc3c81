//! A log disk in memory that loses at a crash what was not synced.

use std::io;
use std::sync::{Arc, Mutex};

use aspen_storage::LogDisk;

#[derive(Default)]
struct Contents {
    /// What a crash leaves.
    durable: Vec<u8>,
    /// What the running process sees.
    current: Vec<u8>,
    /// Which mount is in force: a process that was killed writes to one that is not.
    mount: u64,
}

/// The medium; it outlives the processes that mount it.
#[derive(Clone, Default)]
pub(crate) struct SimDisk {
    contents: Arc<Mutex<Contents>>,
}

impl SimDisk {
    /// Loses what was not synced. What is mounted now fails from here on.
    pub(crate) fn crash(&self) {
        let mut contents = self.contents.lock().unwrap();
        contents.mount += 1;
        contents.current = contents.durable.clone();
    }

    /// The disk for one process.
    pub(crate) fn mount(&self) -> Arc<Mounted> {
        let number = self.contents.lock().unwrap().mount;
        Arc::new(Mounted { disk: self.clone(), number })
    }
}

/// The disk as one process sees it.
pub(crate) struct Mounted {
    disk: SimDisk,
    number: u64,
}

impl Mounted {
    fn with<T>(&self, work: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        let mut contents = self.disk.contents.lock().unwrap();
        match contents.mount == self.number {
            true => Ok(work(&mut contents)),
            false => Err(io::Error::other("the process was killed")),
        }
    }
}

fn span(offset: u64, len: usize) -> std::ops::Range<usize> {
    let start = usize::try_from(offset).unwrap();
    start..start + len
}

impl LogDisk for Mounted {
    fn len_bytes(&self) -> io::Result<u64> {
        self.with(|contents| contents.current.len() as u64)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let len = usize::try_from(len_bytes).unwrap();
        self.with(|contents| contents.current.resize(len, 0))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|contents| out.copy_from_slice(&contents.current[span(offset, out.len())]))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|contents| contents.current[span(offset, data.len())].copy_from_slice(data))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|contents| contents.durable = contents.current.clone())
    }
}
