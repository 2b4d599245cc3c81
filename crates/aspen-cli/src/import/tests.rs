//! Imports and exports against the reference model.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use aspen_core::{
    Key, KeyRange, MemoryStore, ReadError, ReadReply, ReadRequest, ScanPage, ScanRequest,
    TransactionOutcome, WriteCommand, WriteError, WriteFailure,
};
use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::export::{ExportOptions, export};

fn options(format: Format) -> ImportOptions {
    ImportOptions {
        format,
        header: false,
        prefix: Vec::new(),
        batch_records_max: 3,
        in_flight_max: 4,
        skip_bad_max: 0,
        done: Position::default(),
    }
}

async fn run(
    store: Arc<dyn KeyValueStore>,
    input: impl Into<Vec<u8>>,
    options: ImportOptions,
) -> (Result<Position, CliError>, Position, Vec<String>) {
    let (mut done, mut skipped) = (options.done, Vec::new());
    let source = Box::new(Cursor::new(input.into()));
    let result = import(store, source, options, &mut |event| {
        match event {
            Event::Done(position, _) => done = position,
            Event::Skipped(line) => skipped.push(line.to_owned()),
        }
        Ok(())
    })
    .await;
    (result, done, skipped)
}

async fn exported(store: &dyn KeyValueStore, format: Format) -> String {
    let options =
        ExportOptions { format, range: KeyRange::all(), strip_bytes: 0, header: false, at: None };
    let mut sink = Vec::new();
    export(store, &mut sink, &options, &mut |_| {}).await.unwrap();
    String::from_utf8(sink).unwrap()
}

#[tokio::test]
async fn a_sorted_file_comes_out_as_it_went_in() {
    for (format, input) in [
        (Format::Tsv, "a\t1\tx\\n\nb\t\nc\t\"quoted\"\r\nd\tlast\n"),
        (Format::Csv, "a,1,\"x, y\"\nb,\n\"c,\",\"two\nlines\"\nd,plain\n"),
        (
            Format::Jsonl,
            "{\"key\":\"a\",\"value\":\"x\\n\"}\n{\"key\":\"b\",\"value\":{\"n\": 1}}\n",
        ),
    ] {
        let store = Arc::new(MemoryStore::new());
        let (result, ..) = run(store.clone(), input, options(format)).await;
        assert_eq!(result.unwrap().bytes, input.len() as u64);
        assert_eq!(exported(&*store, format).await, input);
    }
}

#[tokio::test]
async fn a_bad_line_stops_the_import_after_the_lines_before_it() {
    let store = Arc::new(MemoryStore::new());
    let input = "a\t1\nb\t2\nc\t3\nd\t4\nno tab\ne\t5\n";
    let (result, done, _) = run(store.clone(), input, options(Format::Tsv)).await;
    let error = result.unwrap_err();
    assert_eq!(error.status().code(), 2);
    assert!(error.to_string().starts_with("line 5: missing column"), "{error}");
    assert_eq!((done.lines, done.records), (4, 4));
    assert_eq!(exported(&*store, Format::Tsv).await, "a\t1\nb\t2\nc\t3\nd\t4\n");
}

#[tokio::test]
async fn bad_lines_are_left_out_only_as_far_as_allowed_and_never_silently() {
    let input = "a\t1\nbad\n\t2\nc\t3\nworse\n";
    let lenient = |skip_bad_max| ImportOptions { skip_bad_max, ..options(Format::Tsv) };
    let store = Arc::new(MemoryStore::new());
    let (result, _, skipped) = run(store.clone(), input, lenient(3)).await;
    let done = result.unwrap();
    assert_eq!((done.records, done.skipped, done.lines), (2, 3, 5));
    assert_eq!(skipped.len(), 3);
    assert!(skipped[1].starts_with("line 3: the key is empty"), "{skipped:?}");
    let (result, ..) = run(Arc::new(MemoryStore::new()), input, lenient(2)).await;
    assert!(result.unwrap_err().to_string().starts_with("line 5:"));
}

#[tokio::test]
async fn limits_are_errors_with_their_line() {
    let long_key = format!("ok\t1\n{}\t2\n", "k".repeat(aspen_core::KEY_BYTES_MAX + 1));
    let (result, ..) = run(Arc::new(MemoryStore::new()), long_key, options(Format::Tsv)).await;
    let text = result.unwrap_err().to_string();
    assert!(text.starts_with("line 2:") && text.contains("KEY_BYTES_MAX"), "{text}");
    let long_value = format!("k\t{}\n", "v".repeat(aspen_core::VALUE_BYTES_MAX + 1));
    let (result, ..) = run(Arc::new(MemoryStore::new()), long_value, options(Format::Tsv)).await;
    assert!(result.unwrap_err().to_string().contains("VALUE_BYTES_MAX"));
}

#[tokio::test]
async fn headers_and_prefixes_apply() {
    let store = Arc::new(MemoryStore::new());
    let settings = ImportOptions { header: true, prefix: b"p/".to_vec(), ..options(Format::Csv) };
    run(store.clone(), "key,value\na,1\n", settings).await.0.unwrap();
    assert_eq!(exported(&*store, Format::Csv).await, "p/a,1\n");
    let strip = ExportOptions {
        format: Format::Csv,
        range: KeyRange::prefix("p/"),
        strip_bytes: 2,
        header: true,
        at: None,
    };
    let mut sink = Vec::new();
    export(&*store, &mut sink, &strip, &mut |_| {}).await.unwrap();
    assert_eq!(sink, b"key,value\na,1\n");
}

#[tokio::test]
async fn what_a_format_cannot_hold_stops_the_export_and_names_the_key() {
    let store = MemoryStore::new();
    let value = aspen_core::Value::try_from("two\nlines").unwrap();
    store.set(Key::try_from("multi").unwrap(), value).await.unwrap();
    let options = ExportOptions {
        format: Format::Tsv,
        range: KeyRange::all(),
        strip_bytes: 0,
        header: false,
        at: None,
    };
    let error = export(&store, &mut Vec::new(), &options, &mut |_| {}).await.unwrap_err();
    assert_eq!(error.status().code(), 2);
    assert!(error.to_string().contains("key multi") && error.to_string().contains("jsonl"));
}

/// A store whose every answer was lost and asked for again, too late for the result.
struct Forgetful(MemoryStore);

#[async_trait]
impl KeyValueStore for Forgetful {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.0.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.0.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        let revision = self.0.write(command).await?.revision;
        Err(WriteError::maybe_applied(aspen_core::Rejection::ResultDropped { revision }))
    }
}

#[tokio::test]
async fn a_batch_whose_result_was_dropped_has_happened() {
    let store = Arc::new(Forgetful(MemoryStore::new()));
    run(store.clone(), "a\t1\nb\t2\n", options(Format::Tsv)).await.0.unwrap();
    assert_eq!(exported(&*store, Format::Tsv).await, "a\t1\nb\t2\n");
}

/// A store whose writes finish in another order than they began, and fail from the n-th on.
struct Unruly {
    inner: MemoryStore,
    writes: AtomicUsize,
    fail_from: usize,
}

impl Unruly {
    fn new(fail_from: usize) -> Arc<Self> {
        Arc::new(Self { inner: MemoryStore::new(), writes: AtomicUsize::new(0), fail_from })
    }
}

#[async_trait]
impl KeyValueStore for Unruly {
    async fn read(&self, request: ReadRequest) -> Result<ReadReply, ReadError> {
        self.inner.read(request).await
    }

    async fn scan(&self, request: ScanRequest) -> Result<ScanPage, ReadError> {
        self.inner.scan(request).await
    }

    async fn write(&self, command: WriteCommand) -> Result<TransactionOutcome, WriteError> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        if number >= self.fail_from {
            let failure = WriteFailure::Timeout("no quorum".to_owned());
            return Err(WriteError::maybe_applied(failure));
        }
        for _ in 0..(7 - number % 7) * 3 {
            tokio::task::yield_now().await;
        }
        self.inner.write(command).await
    }
}

#[tokio::test]
async fn a_failed_write_names_its_lines_and_a_resumed_import_finishes() {
    let input: String = (0..30).map(|number| format!("k{number:02}\tv\n")).collect();
    let store = Unruly::new(4);
    let (result, done, _) = run(store.clone(), input.clone(), options(Format::Tsv)).await;
    let error = result.unwrap_err();
    assert_eq!(error.status().code(), 5);
    assert!(error.to_string().starts_with("lines 13 to 15: "), "{error}");
    assert_eq!((done.lines, done.bytes), (12, 12 * 6));

    let rest = input[usize::try_from(done.bytes).unwrap()..].to_owned();
    let settings = ImportOptions { done, ..options(Format::Tsv) };
    let (result, ..) = run(store.clone(), rest.clone(), settings.clone()).await;
    assert!(result.is_err(), "the store still fails");
    let healed = Arc::new(MemoryStore::new());
    run(healed.clone(), input[..12 * 6].to_owned(), options(Format::Tsv)).await.0.unwrap();
    let finished = run(healed.clone(), rest, settings).await.0.unwrap();
    assert_eq!((finished.records, finished.bytes), (30, input.len() as u64));
    assert_eq!(exported(&*healed, Format::Tsv).await, input);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However writes overtake each other, the last record of a key wins.
    #[test]
    fn the_last_record_of_a_key_wins(keys in proptest::collection::vec(0..6u8, 0..40)) {
        let lines: Vec<_> = keys.iter().enumerate().map(|(n, key)| (*key, n)).collect();
        let input: String = lines.iter().map(|(key, n)| format!("k{key}\t{n}\n")).collect();
        let expected: BTreeMap<_, _> = lines.into_iter().collect();
        let expected: String = expected.iter().map(|(key, n)| format!("k{key}\t{n}\n")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(async {
            let store = Unruly::new(usize::MAX);
            run(store.clone(), input, options(Format::Tsv)).await.0.unwrap();
            exported(&*store, Format::Tsv).await
        });
        prop_assert_eq!(found, expected);
    }
}
