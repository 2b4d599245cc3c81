//! What queries find.

use aspen_core::{
    KeyRange, KeyValue, Operation, Revision, SCAN_RESULTS_MAX, ScanRequest, SqlValue, Value,
};

use super::super::support::{
    Work, apply_model, compact, entry, key, open, put, some_revision, transaction,
};
use super::{ask, line, lines, stale};
use crate::state::{MemoryTables, StateMachine, Tables};

const ALL: &str = "SELECT key, value, version, create_revision, mod_revision, lease FROM kv";

/// An entry as the columns of `kv` show it.
fn columns(entry: &KeyValue) -> Vec<SqlValue> {
    let number = |number: u64| SqlValue::Integer(number.cast_signed());
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => SqlValue::from(text),
        Err(_) => SqlValue::Blob(bytes.to_vec().into()),
    };
    vec![
        text(entry.key.as_bytes()),
        text(entry.value.as_bytes()),
        number(entry.version),
        number(entry.create_revision.get()),
        number(entry.mod_revision.get()),
        entry.lease.map_or(SqlValue::Null, |lease| number(lease.get())),
    ]
}

fn expected(model: &MemoryTables, at: Option<Revision>) -> Vec<Vec<SqlValue>> {
    let request = ScanRequest { limit: SCAN_RESULTS_MAX, ..ScanRequest::new(KeyRange::all()) };
    model.scan(&request, at).unwrap().entries.iter().map(columns).collect()
}

/// Overwrites, deletions, leases, long values, compaction: whatever the work does, the views show
/// what the model has, now and in the past.
#[tokio::test(flavor = "multi_thread")]
async fn views_show_what_scans_find_now_and_at_every_past_revision() {
    for seed in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let machine = open(dir.path());
        let mut model = MemoryTables::default();
        let mut work = Work::new(seed, 60);
        for _ in 0..12 {
            for _ in 0..20 {
                let entry = work.entry(model.group().revision);
                apply_model(&mut model, &entry);
                machine.apply(vec![entry]).await.unwrap();
            }
            let found = ask(&machine, &format!("{ALL} ORDER BY key")).await.unwrap();
            assert_eq!(found.revision, model.group().revision);
            let rows: Vec<_> = found.rows.into_iter().map(|row| row.0).collect();
            assert_eq!(rows, expected(&model, None), "seed {seed}");
            past(&machine, &model, &mut work).await;
        }
    }
}

async fn past(
    machine: &crate::state::sqlite::SqliteStateMachine,
    model: &MemoryTables,
    work: &mut Work,
) {
    let horizon = model.group().horizon;
    let at = some_revision(model, work).unwrap_or(model.group().revision).max(horizon);
    let at = at.min(model.group().revision);
    let query = format!(
        "SELECT key, value, version, create_revision, revision, lease FROM kv_history \
         WHERE revision <= {at} AND (superseded_at IS NULL OR superseded_at > {at}) \
         AND value IS NOT NULL ORDER BY key"
    );
    let rows: Vec<_> = ask(machine, &query).await.unwrap().rows;
    let rows: Vec<_> = rows.into_iter().map(|row| row.0).collect();
    assert_eq!(rows, expected(model, Some(at)), "at {at}");
    let state = lines(machine, "SELECT revision, horizon FROM kv_state").await;
    assert_eq!(state, [format!("{}|{horizon}", model.group().revision)]);
}

#[tokio::test]
async fn history_tells_every_change_above_the_horizon() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let steps =
        [put(1, "a"), put(2, "stays"), put(1, "b"), Operation::Delete { key: key(1) }, put(1, "c")];
    for (index, step) in (1..).zip(steps) {
        machine.apply(vec![entry(index, vec![transaction(vec![step])])]).await.unwrap();
    }
    let history = "SELECT substr(key, -1), revision, value, version, create_revision, \
                   superseded_at FROM kv_history ORDER BY revision";
    let told = ["1|1|a|1|1|3", "2|2|stays|1|2|-", "1|3|b|2|1|4", "1|4|-|0|-|5", "1|5|c|1|5|-"];
    assert_eq!(lines(&machine, history).await, told);
    machine.apply(vec![entry(6, vec![compact(Revision::new(4))])]).await.unwrap();
    // At revision 4 the key was deleted, so what it was before is gone.
    assert_eq!(lines(&machine, history).await, ["2|2|stays|1|2|-", "1|5|c|1|5|-"]);
    assert_eq!(lines(&machine, "SELECT horizon FROM kv_state").await, ["4"]);
}

#[tokio::test]
async fn what_is_only_in_memory_is_seen_unless_a_query_is_stale() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    let empty = stale(&machine, ALL).await;
    assert_eq!((empty.rows.len(), empty.revision), (0, Revision::ZERO));
    let found = ask(&machine, ALL).await.unwrap();
    assert_eq!((found.rows.len(), found.revision), (1, Revision::new(1)));
    assert_eq!(stale(&machine, ALL).await, found);
}

#[tokio::test]
async fn any_bytes_come_back_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let values: [&[u8]; 5] = [b"", b"a\0b", b"\xff\xfe", "gr\u{fc}n".as_bytes(), &[b'x'; 5_000]];
    for (index, value) in (1..).zip(values) {
        let key = aspen_core::Key::new(vec![b'k', 0, index]).unwrap();
        let put = Operation::put(key, Value::new(value.to_vec()).unwrap());
        machine.apply(vec![entry(u64::from(index), vec![transaction(vec![put])])]).await.unwrap();
    }
    for view in ["kv", "kv_raw"] {
        let query = format!("SELECT key, value FROM {view} ORDER BY key");
        let rows = ask(&machine, &query).await.unwrap().rows;
        for ((index, value), row) in (1u8..).zip(values).zip(rows) {
            let bytes = |value: &SqlValue| match value {
                SqlValue::Text(text) => text.clone().into_bytes(),
                SqlValue::Blob(bytes) => bytes.to_vec(),
                other => panic!("{other:?}"),
            };
            assert_eq!(bytes(&row.0[0]), [b'k', 0, index], "{view}");
            assert_eq!(bytes(&row.0[1]), value, "{view}");
        }
    }
    let lengths = lines(&machine, "SELECT octet_length(value) FROM kv ORDER BY mod_revision").await;
    assert_eq!(lengths, ["0", "3", "2", "5", "5000"]);
}

#[tokio::test]
async fn sums_joins_json_and_windows_work() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let puts = (0..50).map(|it| put(it, &format!(r#"{{"n": {it}, "odd": {}}}"#, it % 2)));
    machine.apply(vec![entry(1, vec![transaction(puts.collect())])]).await.unwrap();
    for (query, expected) in [
        ("SELECT count(*), sum(value ->> 'n') FROM kv WHERE key LIKE 'key-0000%'", "10|45"),
        ("SELECT json_extract(value, '$.n') FROM kv WHERE key = 'key-00007'", "7"),
        ("SELECT value ->> 'n' FROM kv_raw WHERE key = CAST('key-00007' AS BLOB)", "7"),
        (
            "SELECT group_concat(odd || ':' || n, ' ') FROM (SELECT value ->> 'odd' AS odd, \
             count(*) AS n FROM kv GROUP BY 1)",
            "0:25 1:25",
        ),
        (
            "WITH a AS MATERIALIZED (SELECT key, value ->> 'n' AS n FROM kv) \
             SELECT count(*) FROM a JOIN a b ON b.n = a.n + 1",
            "49",
        ),
        ("SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY key) AS r FROM kv)", "50"),
        ("SELECT count(*) FROM kv, json_each(kv.value)", "100"),
        (
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 9) SELECT sum(n) \
          FROM c",
            "45",
        ),
        ("VALUES (1.5)", "1.5"),
    ] {
        assert_eq!(lines(&machine, query).await, [expected], "{query}");
    }
}

/// The search by key in `kv_raw` is what its documentation promises.
#[tokio::test]
async fn a_raw_key_is_searched_and_not_scanned_for() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let query = "EXPLAIN QUERY PLAN SELECT value FROM kv_raw WHERE key = CAST('k' AS BLOB)";
    let plan = ask(&machine, query).await.unwrap().rows;
    let plan: Vec<String> = plan.iter().map(|row| line(&row.0)).collect();
    assert!(plan.iter().any(|step| step.contains("USING PRIMARY KEY (key=?)")), "{plan:?}");
}

/// A restart and a replaced body change nothing for queries.
#[tokio::test(flavor = "multi_thread")]
async fn queries_go_on_after_a_snapshot_replaced_the_body() {
    let (dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (machine, other) = (open(dir.path()), open(other_dir.path()));
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "old")])])]).await.unwrap();
    assert_eq!(lines(&machine, "SELECT value FROM kv").await, ["old"]);
    for (index, value) in [(1, "other"), (2, "new")] {
        other.apply(vec![entry(index, vec![transaction(vec![put(1, value)])])]).await.unwrap();
    }
    let snapshot = other.build_snapshot().await.unwrap();
    let incoming = machine.incoming_path();
    std::fs::copy(snapshot.path, &incoming).unwrap();
    machine.install_snapshot(incoming).await.unwrap();
    assert_eq!(lines(&machine, "SELECT value, mod_revision FROM kv").await, ["new|2"]);
    machine.close().await.unwrap();
    assert!(ask(&machine, "SELECT 1").await.is_err());
}
