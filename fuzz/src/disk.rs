//! A disk in memory.

use std::io;
use std::sync::Mutex;

use aspen_storage::LogDisk;

/// Bytes that were never anything but a vector.
#[derive(Debug, Default)]
pub struct MemoryLogDisk(Mutex<Vec<u8>>);

impl MemoryLogDisk {
    /// A disk that holds these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(bytes))
    }

    /// What it holds.
    pub fn bytes(&self) -> Vec<u8> {
        self.with(|bytes| bytes.clone())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl LogDisk for MemoryLogDisk {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.with(|bytes| bytes.len() as u64))
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let len = usize::try_from(len_bytes).map_err(io::Error::other)?;
        // A damaged file must not make the log ask for more than any disk has.
        if len > 1 << 28 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.with(|bytes| bytes.resize(len, 0));
        Ok(())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(|bytes| {
            let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(|bytes| {
            let end = start.checked_add(data.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            let target = bytes.get_mut(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
            target.copy_from_slice(data);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
