//! A disk in memory.

use std::io;

use aspen_node::compose::DiskProbe;
use aspen_storage::LogDisk;
use parking_lot::Mutex;

/// Bytes that live as long as the value.
#[derive(Default)]
pub(crate) struct MemoryLogDisk(Mutex<Vec<u8>>);

impl LogDisk for MemoryLogDisk {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.0.lock().resize(position(len_bytes)?, 0);
        Ok(())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (bytes, start) = (self.0.lock(), position(offset)?);
        let part = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut bytes, start) = (self.0.lock(), position(offset)?);
        let part = bytes.get_mut(start..start + data.len());
        part.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

/// A disk that is always half full.
pub(crate) struct HalfFull;

impl DiskProbe for HalfFull {
    fn used_percent(&self) -> io::Result<u8> {
        Ok(50)
    }
}
