//! Waiting until something is there.

use tokio::sync::Notify;

/// Waits until `look` finds something; whoever changes what it looks at calls
/// [`Notify::notify_waiters`] afterwards.
pub async fn wait_for<T>(changed: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let next = changed.notified();
        tokio::pin!(next);
        // Registered before the look: a change between the look and the wait is not missed.
        next.as_mut().enable();
        if let Some(found) = look() {
            return found;
        }
        next.await;
    }
}

/// Waits until `holds`; see [`wait_for`].
pub async fn wait_until(changed: &Notify, holds: impl Fn() -> bool) {
    wait_for(changed, || holds().then_some(())).await;
}
