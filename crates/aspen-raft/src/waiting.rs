//! Waiting until something holds.

use tokio::sync::Notify;

/// Waits until `holds`; whoever makes it hold calls [`Notify::notify_waiters`] afterwards.
pub(crate) async fn wait_until(moved: &Notify, holds: impl Fn() -> bool) {
    loop {
        let next = moved.notified();
        tokio::pin!(next);
        // Registered before the check: a move between the check and the wait is not missed.
        next.as_mut().enable();
        if holds() {
            return;
        }
        next.await;
    }
}
