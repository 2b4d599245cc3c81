//! What is refused, and what is said of it.

use std::time::Duration;

use aspen_core::{ErrorKind, Key, KeyRange, KeyValueStore, ScanRequest, Value};
use aspen_layers::coordination::{
    COORDINATION_NAME_BYTES_MAX, COORDINATION_PREFIX_BYTES_MAX, Coordinator,
};

use crate::process::Process;

#[tokio::test(start_paused = true)]
async fn names_and_prefixes_have_limits() {
    let coordinator = Process::default().coordinator();
    for name in ["", "a\0b"] {
        assert!(coordinator.lock(name).is_err());
    }
    let long = "n".repeat(COORDINATION_NAME_BYTES_MAX);
    let error = coordinator.lock(long.clone() + "n").unwrap_err().to_string();
    assert!(error.contains("COORDINATION_NAME_BYTES_MAX"), "{error}");
    let prefix = vec![b'p'; COORDINATION_PREFIX_BYTES_MAX];
    let longer = [prefix.clone(), vec![b'p']].concat();
    let error = coordinator.clone().with_prefix(longer).unwrap_err().to_string();
    assert!(error.contains("COORDINATION_PREFIX_BYTES_MAX"), "{error}");
    assert!(coordinator.clone().with_ttl(Duration::from_millis(1)).is_err());
    let longest = coordinator.with_prefix(prefix).unwrap();
    let guard = longest.lock(&long).unwrap().lock().await.unwrap();
    guard.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_primitive_lives_in_a_partition_of_its_own() {
    let process = Process::default();
    let coordinator = process.coordinator().with_prefix("app/").unwrap();
    let lock = coordinator.lock("a").unwrap().lock().await.unwrap();
    let semaphore = coordinator.semaphore("a", 2).unwrap().acquire().await.unwrap();
    let keys = process.store.scan(ScanRequest::new(KeyRange::all())).await.unwrap().entries;
    let partition = |key: &Key| {
        let end = key.as_bytes().iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(key.as_bytes()[..end].to_vec()).unwrap()
    };
    let partitions: Vec<String> = keys.iter().map(|entry| partition(&entry.key)).collect();
    assert_eq!(partitions, ["app/lock/a", "app/semaphore/a", "app/semaphore/a"]);
    drop((lock, semaphore));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_is_unavailable() {
    let process = Process::default();
    let coordinator: Coordinator = process.coordinator();
    process.cut();
    let error = coordinator.lock("a").unwrap().lock().await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Unavailable, false));
    let error = coordinator.counter("a").unwrap().add(1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let queue = coordinator.queue("a", Default::default()).unwrap();
    let error = queue.enqueue(Value::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_applied()), (ErrorKind::Unavailable, false));
    // Whoever only waits is told after a minute.
    let error = coordinator.barrier("a").unwrap().wait().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
