//! The way into coordination.

use std::sync::Arc;
use std::time::Duration;

use aspen_core::{InvalidRequest, KeyValueStore, Leases, Value, Watch, validate_ttl};
use aspen_txn::Database;
use bytes::Bytes;

use super::space::Space;
use super::{
    Barrier, Counter, DOUBLE_BARRIER_MEMBERS_MAX, DoubleBarrier, Election, Lock, Queue,
    QueueOptions, RateLimit, RateLimiter, ReadWriteLock, SEMAPHORE_PERMITS_MAX, SEQUENCE_BLOCK_MAX,
    Semaphore, Sequence,
};

/// The longest prefix of a coordinator, in bytes; with the longest name it leaves room for what
/// follows in a key.
pub const COORDINATION_PREFIX_BYTES_MAX: usize = 1024;

/// Under which prefix keys are unless another one is asked for.
const PREFIX_DEFAULT: &[u8] = b"coordination/";

/// How long what is held outlives a holder that dies, unless another time is asked for: long enough
/// for a failover, short enough to wait for.
const TTL_DEFAULT: Duration = Duration::from_secs(10);

/// Makes coordination primitives over one store. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use aspen_core::MemoryStore;
/// use aspen_layers::coordination::Coordinator;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = Arc::new(MemoryStore::new()); // a `Client`, or a node's client, works the same
/// let coordinator = Coordinator::new(store).with_prefix("billing/")?;
/// let guard = coordinator.lock("nightly-run")?.lock().await?;
/// println!("send {} along with every write", guard.token());
/// guard.release().await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Coordinator {
    pub(super) database: Database,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) leases: Arc<dyn Leases>,
    prefix: Bytes,
    pub(super) ttl: Duration,
    pub(super) identity: Value,
}

impl Coordinator {
    /// Primitives over a store.
    pub fn new<S: KeyValueStore + Watch + Leases + 'static>(store: Arc<S>) -> Self {
        Self::over(store.clone(), store.clone(), store)
    }

    /// The same for a store whose parts are held apart.
    pub fn over(
        store: Arc<dyn KeyValueStore>,
        watch: Arc<dyn Watch>,
        leases: Arc<dyn Leases>,
    ) -> Self {
        let (prefix, identity) = (Bytes::from_static(PREFIX_DEFAULT), Value::default());
        Self { database: Database::new(store), watch, leases, prefix, ttl: TTL_DEFAULT, identity }
    }

    /// The same with keys under another prefix than `coordination/`. A prefix that holds a zero
    /// byte keeps all primitives under it in one partition; otherwise each has its own.
    ///
    /// # Errors
    /// Names [`COORDINATION_PREFIX_BYTES_MAX`].
    pub fn with_prefix(self, prefix: impl Into<Bytes>) -> Result<Self, InvalidRequest> {
        let (prefix, limit) = (prefix.into(), COORDINATION_PREFIX_BYTES_MAX);
        match prefix.len() {
            len if len > limit => {
                Err(InvalidRequest::limit("COORDINATION_PREFIX_BYTES_MAX", limit, len))
            }
            _ => Ok(Self { prefix, ..self }),
        }
    }

    /// The same with another time that what is held outlives a holder that dies; 10 s unless asked
    /// for. A shorter one hands over sooner, and is lost sooner when the cluster cannot be reached.
    ///
    /// # Errors
    /// Names the limit of a lease's TTL.
    pub fn with_ttl(self, ttl: Duration) -> Result<Self, InvalidRequest> {
        validate_ttl(milliseconds(ttl))?;
        Ok(Self { ttl, ..self })
    }

    /// The same with what others may read about who holds a lock; empty unless asked for.
    pub fn with_identity(self, identity: Value) -> Self {
        Self { identity, ..self }
    }

    /// A lock.
    ///
    /// # Errors
    /// The name is empty, too long or holds a zero byte; so for every other primitive.
    pub fn lock(&self, name: impl AsRef<[u8]>) -> Result<Lock, InvalidRequest> {
        Ok(Lock::new(self.space("lock", name)?))
    }

    /// A lock that many readers or one writer hold.
    ///
    /// # Errors
    /// As [`Coordinator::lock`].
    pub fn read_write_lock(&self, name: impl AsRef<[u8]>) -> Result<ReadWriteLock, InvalidRequest> {
        Ok(ReadWriteLock::new(self.space("rwlock", name)?))
    }

    /// A semaphore of `permits`, which all of its users must name alike.
    ///
    /// # Errors
    /// As [`Coordinator::lock`]; names [`SEMAPHORE_PERMITS_MAX`].
    pub fn semaphore(
        &self,
        name: impl AsRef<[u8]>,
        permits: u32,
    ) -> Result<Semaphore, InvalidRequest> {
        within("SEMAPHORE_PERMITS_MAX", SEMAPHORE_PERMITS_MAX, permits)?;
        Ok(Semaphore::new(self.space("semaphore", name)?, permits))
    }

    /// An election.
    ///
    /// # Errors
    /// As [`Coordinator::lock`].
    pub fn election(&self, name: impl AsRef<[u8]>) -> Result<Election, InvalidRequest> {
        Ok(Election::new(self.space("election", name)?))
    }

    /// A barrier.
    ///
    /// # Errors
    /// As [`Coordinator::lock`].
    pub fn barrier(&self, name: impl AsRef<[u8]>) -> Result<Barrier, InvalidRequest> {
        Ok(Barrier::new(self.space("barrier", name)?))
    }

    /// A double barrier of `members`, which all of them must name alike.
    ///
    /// # Errors
    /// As [`Coordinator::lock`]; names [`DOUBLE_BARRIER_MEMBERS_MAX`].
    pub fn double_barrier(
        &self,
        name: impl AsRef<[u8]>,
        members: u32,
    ) -> Result<DoubleBarrier, InvalidRequest> {
        within("DOUBLE_BARRIER_MEMBERS_MAX", DOUBLE_BARRIER_MEMBERS_MAX, members)?;
        Ok(DoubleBarrier::new(self.space("double-barrier", name)?, members))
    }

    /// A counter.
    ///
    /// # Errors
    /// As [`Coordinator::lock`].
    pub fn counter(&self, name: impl AsRef<[u8]>) -> Result<Counter, InvalidRequest> {
        Ok(Counter::new(self.space("counter", name)?))
    }

    /// A sequence that takes `block` numbers at a time.
    ///
    /// # Errors
    /// As [`Coordinator::lock`]; names [`SEQUENCE_BLOCK_MAX`].
    pub fn sequence(&self, name: impl AsRef<[u8]>, block: u32) -> Result<Sequence, InvalidRequest> {
        within("SEQUENCE_BLOCK_MAX", SEQUENCE_BLOCK_MAX, block)?;
        Ok(Sequence::new(self.space("sequence", name)?, block))
    }

    /// A queue.
    ///
    /// # Errors
    /// As [`Coordinator::lock`]; names the option that is out of bounds.
    pub fn queue(
        &self,
        name: impl AsRef<[u8]>,
        options: QueueOptions,
    ) -> Result<Queue, InvalidRequest> {
        options.validate()?;
        Ok(Queue::new(self.space("queue", name)?, options))
    }

    /// A rate limiter, to which all of its users must give the same limit.
    ///
    /// # Errors
    /// As [`Coordinator::lock`]; names the part of the limit that is out of bounds.
    pub fn rate_limiter(
        &self,
        name: impl AsRef<[u8]>,
        limit: RateLimit,
    ) -> Result<RateLimiter, InvalidRequest> {
        limit.validate()?;
        Ok(RateLimiter::new(self.space("rate", name)?, limit))
    }

    fn space(&self, kind: &str, name: impl AsRef<[u8]>) -> Result<Space, InvalidRequest> {
        Space::new(self.clone(), &self.prefix, kind, name.as_ref())
    }
}

/// Checks that a number lies in `1..=limit`.
fn within(limit_name: &str, limit: u32, actual: u32) -> Result<(), InvalidRequest> {
    match actual {
        0 => Err(InvalidRequest::new("at least 1 is needed")),
        actual if actual > limit => {
            Err(InvalidRequest::limit(limit_name, limit as usize, actual as usize))
        }
        _ => Ok(()),
    }
}

/// A duration as the store counts it.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = self.prefix.escape_ascii().to_string();
        f.debug_struct("Coordinator").field("prefix", &prefix).finish_non_exhaustive()
    }
}
