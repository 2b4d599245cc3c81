//! Blocking work takes simulated time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::sleep;

type BlockingTime = Rc<dyn Fn(&str) -> Duration>;

thread_local! {
    static BLOCKING_TIME: RefCell<Option<BlockingTime>> = const { RefCell::new(None) };
}

/// Sets how long each step of blocking work takes: asked with the worker's name (`blocking` for
/// work without a worker), in a task of the node that works. Zero costs no time at all.
pub fn set_blocking_time(time: impl Fn(&str) -> Duration + 'static) {
    BLOCKING_TIME.set(Some(Rc::new(time)));
}

/// Waits as long as a step of this worker takes.
pub(super) async fn wait(worker: &str) {
    // Asked before the await: what it holds belongs to this thread.
    let time = BLOCKING_TIME.with_borrow(Clone::clone).map(|time| time(worker));
    if let Some(time) = time.filter(|time| !time.is_zero()) {
        sleep::sleep(time).await;
    }
}
