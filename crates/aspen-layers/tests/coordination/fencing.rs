//! What a token is for.

use aspen_core::runtime;
use aspen_layers::coordination::FencingToken;
use parking_lot::Mutex;

use crate::process::{Process, TTL};

/// A resource that refuses whoever comes with an older token than it has seen.
#[derive(Default)]
struct Storage(Mutex<(Option<FencingToken>, Vec<&'static str>)>);

impl Storage {
    fn write(&self, token: FencingToken, what: &'static str) -> Result<(), FencingToken> {
        let (newest, written) = &mut *self.0.lock();
        match newest {
            Some(newest) if token < *newest => Err(*newest),
            _ => {
                *newest = Some(token);
                written.push(what);
                Ok(())
            }
        }
    }
}

/// Kleppmann, "How to do distributed locking" (2016): a client takes the lock, is paused by its
/// garbage collector for longer than its lease lasts, and wakes up believing that it holds the
/// lock, while another has it and has written.
#[tokio::test(start_paused = true)]
async fn a_holder_that_was_paused_beyond_its_lease_is_refused_by_its_token() {
    let (storage, paused) = (Storage::default(), Process::default());
    let first = paused.coordinator().lock("file").unwrap().lock().await.unwrap();
    storage.write(first.token(), "first").unwrap();
    assert!(first.is_held(), "it looks, and is paused before it acts");
    paused.cut();
    runtime::sleep(2 * TTL).await;

    let second = paused.other().coordinator().lock("file").unwrap().lock().await.unwrap();
    storage.write(second.token(), "second").unwrap();

    // It wakes up and acts on what it saw before the pause.
    assert_eq!(storage.write(first.token(), "too late"), Err(second.token()));
    assert!(!first.is_held(), "had it looked again, it would have known");
    storage.write(second.token(), "second again").unwrap();
    assert_eq!(storage.0.lock().1, ["first", "second", "second again"]);
}
