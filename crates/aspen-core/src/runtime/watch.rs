//! A channel that holds the latest value, with the part of `tokio::sync::watch` that Aspen uses.
//!
//! tokio spreads the waiters over several lists by a counter of the whole process, so that two runs
//! of one seed wake them in different orders. Here they wake in the order in which they came.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

/// Why a channel did not do what it was asked; named as in tokio.
pub mod error {
    /// No receiver is left. Holds the value that was not sent.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("channel closed")]
    pub struct SendError<T>(pub T);

    /// No sender is left.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("channel closed")]
    pub struct RecvError(pub(super) ());
}

use error::{RecvError, SendError};

struct Shared<T> {
    value: RwLock<Value<T>>,
    ends: Mutex<Ends>,
}

struct Value<T> {
    version: u64,
    value: T,
}

#[derive(Default)]
struct Ends {
    senders: usize,
    receivers: usize,
    /// Who waits, by arrival.
    waiters: BTreeMap<u64, Waker>,
    arrivals: u64,
}

impl<T> Shared<T> {
    fn version(&self) -> u64 {
        self.value.read().version
    }

    fn is_closed(&self) -> bool {
        self.ends.lock().senders == 0
    }

    fn wake_all(&self) {
        let waiters = std::mem::take(&mut self.ends.lock().waiters);
        waiters.into_values().for_each(Waker::wake);
    }

    fn subscribe(self: &Arc<Self>) -> Receiver<T> {
        self.ends.lock().receivers += 1;
        Receiver { shared: self.clone(), seen: self.version() }
    }
}

/// Creates a channel that holds `init`.
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(init);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// Changes the value.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without receivers yet.
    pub fn new(init: T) -> Self {
        let value = RwLock::new(Value { version: 0, value: init });
        let ends = Mutex::new(Ends { senders: 1, ..Ends::default() });
        Self { shared: Arc::new(Shared { value, ends }) }
    }

    /// Replaces the value.
    ///
    /// # Errors
    /// When there is no receiver; the value stays as it was.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.receiver_count() == 0 {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Replaces the value, receivers or not, and returns the one before.
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|held| std::mem::swap(held, &mut value));
        value
    }

    /// Changes the value in place.
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place; receivers hear of it when `modify` says so.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        {
            let mut held = self.shared.value.write();
            if !modify(&mut held.value) {
                return false;
            }
            held.version += 1;
        }
        self.shared.wake_all();
        true
    }

    /// The value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { held: self.shared.value.read(), changed: false }
    }

    /// A receiver that has seen the present value.
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.subscribe()
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.ends.lock().receivers
    }

    /// Whether no receiver is left.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until no receiver is left.
    pub async fn closed(&self) {
        let mut waiting = Waiting::new(&self.shared);
        poll_fn(|context| match self.is_closed() {
            true => Poll::Ready(()),
            false => waiting.register(context),
        })
        .await;
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.ends.lock().senders += 1;
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let left = {
            let mut ends = self.shared.ends.lock();
            ends.senders -= 1;
            ends.senders
        };
        if left == 0 {
            self.shared.wake_all();
        }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("value", &*self.borrow()).finish()
    }
}

/// Sees the value and waits for changes.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version that was last seen.
    seen: u64,
}

impl<T> Receiver<T> {
    /// The value; a change stays unseen.
    pub fn borrow(&self) -> Ref<'_, T> {
        let held = self.shared.value.read();
        let changed = held.version != self.seen;
        Ref { held, changed }
    }

    /// The value, now seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let held = self.shared.value.read();
        let changed = held.version != self.seen;
        self.seen = held.version;
        Ref { held, changed }
    }

    /// Whether there is an unseen change.
    ///
    /// # Errors
    /// When no sender is left.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        match self.shared.is_closed() {
            true => Err(RecvError(())),
            false => Ok(self.shared.version() != self.seen),
        }
    }

    /// Counts the present value as unseen.
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.version().wrapping_sub(1);
    }

    /// Counts the present value as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version();
    }

    /// Waits for an unseen change and counts it as seen.
    ///
    /// # Errors
    /// When no sender is left and everything was seen.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let Self { shared, seen } = self;
        let mut waiting = Waiting::new(shared);
        poll_fn(|context| {
            let version = shared.version();
            if version != *seen {
                *seen = version;
                return Poll::Ready(Ok(()));
            }
            match shared.is_closed() {
                true => Poll::Ready(Err(RecvError(()))),
                false => waiting.register(context),
            }
        })
        .await
    }

    /// Waits until the value is as wished; at once when it is.
    ///
    /// # Errors
    /// When no sender is left and the last value is not as wished.
    pub async fn wait_for(
        &mut self,
        mut wished: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        while !wished(&self.borrow_and_update()) {
            self.changed().await?;
        }
        Ok(self.borrow())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.ends.lock().receivers += 1;
        Self { shared: self.shared.clone(), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = {
            let mut ends = self.shared.ends.lock();
            ends.receivers -= 1;
            ends.receivers
        };
        if left == 0 {
            self.shared.wake_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("value", &*self.borrow()).finish()
    }
}

/// The value, locked against changes. Keep it for a moment only.
pub struct Ref<'a, T> {
    held: RwLockReadGuard<'a, Value<T>>,
    changed: bool,
}

impl<T> Ref<'_, T> {
    /// Whether the value was unseen when it was borrowed.
    pub fn has_changed(&self) -> bool {
        self.changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.held.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.value.fmt(f)
    }
}

/// One wait's place among the waiters; it leaves when the wait is given up.
struct Waiting<'a, T> {
    shared: &'a Shared<T>,
    place: Option<u64>,
}

impl<'a, T> Waiting<'a, T> {
    fn new(shared: &'a Shared<T>) -> Self {
        Self { shared, place: None }
    }

    fn register<R>(&mut self, context: &Context<'_>) -> Poll<R> {
        let mut ends = self.shared.ends.lock();
        let place = *self.place.get_or_insert_with(|| {
            ends.arrivals += 1;
            ends.arrivals
        });
        ends.waiters.insert(place, context.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.ends.lock().waiters.remove(&place);
        }
    }
}
