//! An allocator that counts, thread by thread, so that a test can say what a decoder took.
#![allow(unsafe_code, reason = "an allocator is unsafe by its nature; this one only counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// Counts bytes of this thread; a thread that is ending counts nothing.
fn count(bytes: isize) {
    let _ = LIVE_BYTES.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK_BYTES.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn len_of(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(len_of(layout));
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-len_of(layout));
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.dealloc(at, layout) }
    }
}

/// What a piece of work took at most beyond what was there before, in bytes.
pub(crate) struct Taken<T> {
    pub(crate) result: T,
    pub(crate) peak_bytes: usize,
}

/// Does the work and watches the heap of this thread.
pub(crate) fn watch<T>(work: impl FnOnce() -> T) -> Taken<T> {
    let before = LIVE_BYTES.get();
    PEAK_BYTES.set(before);
    let result = work();
    Taken { result, peak_bytes: usize::try_from(PEAK_BYTES.get() - before).unwrap_or(0) }
}

#[test]
fn what_is_taken_and_given_back_counts() {
    let taken = watch(|| drop(std::hint::black_box(vec![1u8; 1 << 20])));
    assert!((1 << 20..2 << 20).contains(&taken.peak_bytes), "{}", taken.peak_bytes);
    let taken = watch(|| std::hint::black_box(Vec::<u64>::with_capacity(1 << 10)));
    assert!(taken.peak_bytes >= 8 << 10);
    drop(taken.result);
    assert_eq!(watch(|| ()).peak_bytes, 0);
}
