//! The log of all groups of a node, in one redb file.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use aspen_core::{ClusterId, GroupId, NodeId, runtime};
use redb::{Builder, Database, ReadableDatabase};
use tokio::sync::mpsc::Sender;

use super::core::{Core, FreeBytes, closed};
use super::disk::{Backend, discard_unborn};
use super::error::guarded;
use super::group::{RedbGroupLog, ask};
use super::header::{self, Stamp};
use super::recovery::recover;
use super::request::Request;
use super::writer::Writer;
use super::{GroupLog, LogDisk, LogError, LogMetrics, LogOptions};

/// The logs of all groups of a node in one redb file.
///
/// Entries lie in one table in the order of their arrival, whatever their group, so that a commit
/// for 64 groups costs what one for a single group costs; where each group's entries are is kept in
/// memory, 16 bytes an entry, and rebuilt when the file opens. One writer merges all waiting writes
/// into one durable commit.
///
/// # Failures
///
/// After a commit fails, its waiters get the error and every later write
/// [`LogError::Stopped`]: whether the commit became durable is then unknown, and only opening the
/// file again tells. A disk that is nearly full is noticed before an append touches the file; such
/// a [`LogError::DiskFull`] changes nothing and the append may be retried. Reads go on.
///
/// The file never shrinks; purged space is used again.
pub struct RedbLogStore {
    core: Arc<Core>,
    sender: Sender<Request>,
}

/// What [`RedbLogStore::verify`] read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogCheck {
    /// Groups with anything in the file.
    pub groups: usize,
    /// Entries in the file, purged ones that still take space included.
    pub entries: u64,
}

impl RedbLogStore {
    /// Opens or creates the file, and reads all of it: blocks, so call it off the async workers.
    /// Its directory must exist.
    ///
    /// # Errors
    /// [`LogError::Incompatible`] when another process holds the file or another version of the
    /// program wrote it, [`LogError::Corrupt`] when bytes fail a check, [`LogError::Io`].
    pub fn open(path: &Path, options: LogOptions) -> Result<Arc<Self>, LogError> {
        open_file(path, options).map_err(|error| error.at(path))
    }

    /// Opens or creates the log on a simulated disk.
    ///
    /// # Errors
    /// As [`RedbLogStore::open`].
    pub fn open_on(disk: Arc<impl LogDisk>, options: LogOptions) -> Result<Arc<Self>, LogError> {
        discard_unborn(&*disk).map_err(|error| LogError::Io(error.to_string()))?;
        let backend = Backend(Arc::clone(&disk));
        let open = || Ok(builder(&options).create_with_backend(backend)?);
        let database = guarded(open)?;
        Self::start(database, options, Box::new(move || disk.free_bytes()))
    }

    fn start(
        database: Database,
        options: LogOptions,
        free_bytes: FreeBytes,
    ) -> Result<Arc<Self>, LogError> {
        let (queue_max, batch_max) = (options.queue_max.max(1), options.batch_max.max(1));
        let recovered = guarded(|| {
            header::initialize(&database)?;
            recover(&database.begin_read()?)
        })?;
        let next_sequence = recovered.next_sequence;
        let core = Arc::new(Core::new(database, recovered, options, free_bytes));
        let mut writer = Writer::new(Arc::clone(&core), next_sequence);
        let step = move |requests: &mut Vec<Request>| writer.step(requests);
        let sender = runtime::spawn_worker("aspen-log", queue_max, batch_max, step)
            .map_err(|error| LogError::Io(error.to_string()))?;
        core.set_waker(sender.downgrade());
        core.wake();
        Ok(Arc::new(Self { core, sender }))
    }

    /// The group's log; any number of groups, any number of handles.
    pub fn group(&self, id: GroupId) -> Arc<dyn GroupLog> {
        Arc::new(RedbGroupLog {
            core: Arc::clone(&self.core),
            group: self.core.group(id),
            sender: self.sender.clone(),
        })
    }

    /// Binds the file to its owner, durably; later calls compare.
    ///
    /// # Errors
    /// [`LogError::Incompatible`] when the file belongs to another node or cluster.
    pub async fn stamp(&self, cluster: ClusterId, node: NodeId) -> Result<(), LogError> {
        let stamp = Stamp { cluster, node };
        let known = *self.core.stamp.lock();
        match known {
            Some(known) => known.check(stamp),
            None => ask(&self.sender, |done| Request::Stamp { stamp, done }).await,
        }
    }

    /// The cluster that the file was bound to.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.core.stamp.lock().map(|stamp| stamp.cluster)
    }

    /// The node that the file was bound to.
    pub fn node(&self) -> Option<NodeId> {
        self.core.stamp.lock().map(|stamp| stamp.node)
    }

    /// Makes durable what was only kept in memory: purges and committed positions.
    ///
    /// # Errors
    /// As any write.
    pub async fn flush(&self) -> Result<(), LogError> {
        ask(&self.sender, |done| Request::Flush { done }).await
    }

    /// Reads every row and checks it; writers go on.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] naming the row.
    pub async fn verify(&self) -> Result<LogCheck, LogError> {
        let core = Arc::clone(&self.core);
        let check = move || {
            let database = core.database.read();
            let database = database.as_ref().ok_or_else(closed)?;
            let recovered = guarded(|| recover(&database.begin_read()?))?;
            Ok(LogCheck { groups: recovered.groups.len(), entries: recovered.rows })
        };
        runtime::spawn_blocking(check).await.map_err(|error| LogError::Io(error.to_string()))?
    }

    /// Counters since the file was opened.
    pub fn metrics(&self) -> LogMetrics {
        let queue_len = self.sender.max_capacity() - self.sender.capacity();
        let rows_purgeable = self.core.sweep.lock().len();
        self.core.counters.snapshot(queue_len, rows_purgeable)
    }

    /// Flushes and closes the file; when it returns, another process may open it. Writes and reads
    /// of every handle fail from then on. Closing a closed store does nothing.
    ///
    /// # Errors
    /// When the last flush failed; the file is closed nevertheless.
    pub async fn close(&self) -> Result<(), LogError> {
        if self.core.database.read().is_none() {
            return Ok(());
        }
        let flushed = self.flush().await;
        ask(&self.sender, |done| Request::Close { done }).await?;
        flushed
    }
}

fn builder(options: &LogOptions) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    builder
}

fn open_file(path: &Path, options: LogOptions) -> Result<Arc<RedbLogStore>, LogError> {
    if !path.exists() {
        create_file(path, &options)?;
    }
    let database = guarded(|| Ok(builder(&options).open(path)?))?;
    let directory = directory_of(path).to_path_buf();
    let free_bytes = move || {
        let stat = rustix::fs::statvfs(&directory).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    };
    RedbLogStore::start(database, options, Box::new(free_bytes))
}

/// Creates the file under another name first: redb cannot open a file whose creation was cut short.
/// Its name is durable only after the directory was synced.
fn create_file(path: &Path, options: &LogOptions) -> Result<(), LogError> {
    let unborn = path.with_extension("new");
    let io = |error: std::io::Error| LogError::Io(error.to_string());
    match std::fs::remove_file(&unborn) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let database = builder(options).create(&unborn)?;
    header::initialize(&database)?;
    drop(database);
    std::fs::rename(&unborn, path).map_err(io)?;
    File::open(directory_of(path)).and_then(|directory| directory.sync_all()).map_err(io)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
