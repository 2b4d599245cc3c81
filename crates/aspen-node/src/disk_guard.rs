//! Watches the disk under the data directory, and keeps puts off it before it is full.

#[cfg(test)]
mod tests;

#[cfg(not(madsim))]
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use aspen_core::{Command, Operation, WriteError, WriteFailure};

/// Tells how full a disk is.
pub trait DiskProbe: Send + Sync + 'static {
    /// The part in use, in percent rounded up.
    ///
    /// # Errors
    /// When it cannot be told; the last answer stays in force.
    fn used_percent(&self) -> std::io::Result<u8>;
}

/// Asks the file system that holds a directory.
#[cfg(not(madsim))]
pub(crate) struct FileSystemProbe {
    path: PathBuf,
}

#[cfg(not(madsim))]
impl FileSystemProbe {
    /// Looks at the disk under `path`.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

#[cfg(not(madsim))]
impl DiskProbe for FileSystemProbe {
    fn used_percent(&self) -> std::io::Result<u8> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(percent(disk.f_blocks - disk.f_bfree, disk.f_bavail))
    }
}

/// Used blocks as a part of those that we could use: what is reserved for the system's
/// administrator counts neither as used nor as free, as in `df`.
#[cfg(not(madsim))]
fn percent(used: u64, available: u64) -> u8 {
    let total = used.saturating_add(available).max(1);
    let percent = (u128::from(used) * 100).div_ceil(u128::from(total));
    u8::try_from(percent).unwrap_or(100)
}

/// How full the disk may become.
#[derive(Clone, Copy, Debug)]
pub struct DiskLimits {
    /// From here on, warn.
    pub warn_percent: u8,
    /// From here on, refuse puts.
    pub refuse_percent: u8,
}

/// What the last look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DiskLevel {
    Normal,
    Warning,
    Full,
}

/// The last look at the disk, and what follows from it.
pub(crate) struct DiskGuard {
    probe: Arc<dyn DiskProbe>,
    limits: DiskLimits,
    used_percent: AtomicU8,
}

impl DiskGuard {
    /// A guard that has not looked yet.
    pub(crate) fn new(probe: Arc<dyn DiskProbe>, limits: DiskLimits) -> Self {
        Self { probe, limits, used_percent: AtomicU8::new(0) }
    }

    /// Looks at the disk and logs a change of level. Blocks for as long as the file system does.
    pub(crate) fn check(&self) {
        let before = self.level();
        match self.probe.used_percent() {
            Ok(percent) => self.used_percent.store(percent, Ordering::Relaxed),
            Err(error) => return tracing::warn!(%error, "cannot ask the disk for its free space"),
        }
        let (level, percent) = (self.level(), self.used_percent());
        match level {
            _ if level == before => {}
            DiskLevel::Normal => tracing::info!(percent, "disk has room again"),
            DiskLevel::Warning => tracing::warn!(percent, "disk is filling up; free some space"),
            DiskLevel::Full => tracing::error!(percent, "disk is nearly full; puts are refused"),
        }
    }

    /// How full the disk was, in percent; 0 before the first look.
    pub(crate) fn used_percent(&self) -> u8 {
        self.used_percent.load(Ordering::Relaxed)
    }

    /// What that means.
    pub(crate) fn level(&self) -> DiskLevel {
        match self.used_percent() {
            percent if percent >= self.limits.refuse_percent => DiskLevel::Full,
            percent if percent >= self.limits.warn_percent => DiskLevel::Warning,
            _ => DiskLevel::Normal,
        }
    }

    /// Refuses a command that could store more while the disk is nearly full. Deletes, compaction
    /// and sessions go on: they are what frees space, and cost little.
    pub(crate) fn admit(&self, command: &Command) -> Result<(), WriteError> {
        if self.level() < DiskLevel::Full || !stores(command) {
            return Ok(());
        }
        let percent = self.used_percent();
        Err(WriteError::not_applied(WriteFailure::DiskFull(format!(
            "the disk of this node is {percent} % full, {} % is the limit for puts \
             (disk_refuse_percent); deletes and reads go on",
            self.limits.refuse_percent
        ))))
    }
}

fn stores(command: &Command) -> bool {
    match command {
        Command::Transaction(transaction) => {
            let mut operations = transaction.success.iter().chain(&transaction.failure);
            operations.any(Operation::stores)
        }
        // What a pin reads cannot be removed.
        Command::GrantLease { .. } | Command::PinRevision { .. } => true,
        Command::OpenSession { .. }
        | Command::Compact { .. }
        | Command::RevokeLease { .. }
        | Command::ExpireLeases { .. } => false,
    }
}
