#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../../tests/tests/decoders/heap.rs"]
mod heap;
#[path = "../../../../tests/tests/decoders/hostile.rs"]
mod hostile;

use heap::watch;
use hostile::{BYTES_PER_BYTE, FIXED_BYTES, Hostile, bombard};

use super::*;

const RECORDS: [&str; 3] = [
    "key\tvalue with\ttabs\r",
    "\"a,\"\"b\"\"\",1,\"x, y\"\r",
    r#"{"key":"k","value":{"n":[1,2.50,null]}}"#,
];

const TRANSACTION: &str = r#"{
    "compare": [{"key": "a", "target": "version", "op": ">", "value": 1}],
    "then": [{"put": {"key": "a", "value_base64": "/w=="}}, {"scan": {"prefix": "p", "limit": 5}}],
    "else": [{"delete_range": {"from": "a", "to": "b"}}]
}"#;

#[test]
fn single_records() {
    for (seed, (name, good)) in FORMATS.into_iter().zip(RECORDS).enumerate() {
        parse_record(name, good.as_bytes()).unwrap();
        // A line without a tab or comma is all that these two can refuse.
        let good = vec![good.as_bytes().to_vec(), b"no separator, no object".to_vec()];
        let good = if name == "csv" { vec![b"\"open".to_vec(), b"alone".to_vec()] } else { good };
        let mut hostile = Hostile::new(seed as u64, good);
        bombard(&mut hostile, 4_000, |bytes| parse_record(name, bytes).map(drop));
    }
}

#[test]
fn whole_files() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (seed, (name, good)) in FORMATS.into_iter().zip(RECORDS).enumerate() {
        let good = format!("{good}\n").repeat(3).into_bytes();
        let mut hostile = Hostile::new(seed as u64, vec![good]);
        let mut records = 0;
        for _ in 0..400 {
            records += runtime.block_on(import(name, &hostile.next())).unwrap();
        }
        assert!(records > 100, "{name}: only {records} records");
    }
}

#[test]
fn transactions() {
    let mut hostile = Hostile::new(9, vec![TRANSACTION.as_bytes().to_vec()]);
    bombard(&mut hostile, 6_000, |bytes| parse_transaction(bytes).map(drop));
}

#[test]
fn deep_and_long_texts() {
    let deep = "[".repeat(300_000);
    let object = "{\"key\":".repeat(100_000);
    let long = format!("{{\"then\":[{}]}}", "{},".repeat(100_000));
    for text in [deep, object, long] {
        for parse in [
            |text: &[u8]| parse_transaction(text).map(drop),
            |text: &[u8]| parse_record("jsonl", text).map(drop),
        ] {
            let taken = watch(|| parse(text.as_bytes()));
            let error = taken.result.unwrap_err();
            assert!(error.len() > 8, "{error}");
            let allowed = FIXED_BYTES + 4 * BYTES_PER_BYTE * text.len();
            assert!(taken.peak_bytes < allowed, "{} bytes", taken.peak_bytes);
        }
    }
}
