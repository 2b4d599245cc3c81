//! What a query may not do.

use aspen_core::{ErrorKind, SqlError};

use super::super::support::{entry, open, put, transaction};
use super::{ask, lines};
use crate::state::StateMachine;

#[tokio::test]
async fn nothing_is_written_attached_or_set() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    let other = dir.path().join("other.db");
    for (query, named) in [
        ("INSERT INTO current (key) VALUES (x'00')", "writing"),
        ("DELETE FROM kv", ""),
        ("UPDATE main.register SET revision = 9", ""),
        ("WITH a AS (SELECT 1) DELETE FROM main.session", ""),
        ("REPLACE INTO meta VALUES ('format', 9)", "writing"),
        ("CREATE TABLE t (a)", "writing"),
        ("CREATE TEMP TABLE t (a)", ""),
        ("CREATE TEMP VIEW kv AS SELECT * FROM main.session", ""),
        ("DROP VIEW temp.kv", ""),
        ("ALTER TABLE current RENAME TO c", ""),
        (&format!("ATTACH '{}' AS other", other.display()), "ATTACH"),
        ("DETACH main", "DETACH"),
        ("VACUUM", ""),
        (&format!("VACUUM INTO '{}'", other.display()), ""),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode"),
        ("PRAGMA query_only = OFF", "PRAGMA query_only"),
        ("PRAGMA table_info(current)", "PRAGMA table_info"),
        ("BEGIN", "transactions"),
        ("COMMIT", "transactions"),
        ("SAVEPOINT a", "transactions"),
        ("REINDEX", ""),
        ("ANALYZE", ""),
        ("SELECT load_extension('x')", "function load_extension()"),
        ("SELECT fts3_tokenizer('simple')", "function fts3_tokenizer()"),
        ("SELECT sqlite_compileoption_get(1)", "function sqlite_compileoption_get()"),
    ] {
        let error = ask(&machine, query).await.unwrap_err();
        // Some of it SQLite refuses by itself.
        let refused = matches!(&error, SqlError::NotAllowed(_))
            || matches!(&error, SqlError::InvalidSql(text) if text.contains("is a view"));
        assert!(refused, "{query}: {error:?}");
        assert!(error.to_string().contains(named), "{query}: {error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(!other.exists());
    assert_eq!(lines(&machine, "SELECT value FROM kv").await, ["a"]);
    assert_eq!(machine.check_integrity().await.unwrap(), Vec::<String>::new());
}

/// The body's tables, SQLite's own, and those that are functions of the database.
const INTERNAL: [&str; 17] = [
    "meta",
    "register",
    "session",
    "lease",
    "leased",
    "pin",
    "pinned",
    "current",
    "undo",
    "large_value",
    "main.session",
    "sqlite_schema",
    "sqlite_master",
    "temp.sqlite_schema",
    "dbstat",
    "pragma_table_info('session')",
    "pragma_database_list",
];

#[tokio::test]
async fn internal_tables_cannot_be_read_under_any_disguise() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    machine.apply(vec![entry(1, vec![transaction(vec![put(1, "a")])])]).await.unwrap();
    for table in INTERNAL {
        for query in [
            format!("SELECT * FROM {table}"),
            format!("SELECT count(*) FROM {table}"),
            format!("SELECT 1 FROM {table}"),
            format!("SELECT (SELECT count(*) FROM {table}) FROM kv"),
            format!("SELECT * FROM kv WHERE EXISTS (SELECT * FROM {table})"),
            format!("SELECT key FROM kv UNION ALL SELECT 1 FROM {table}"),
            // SQLite would name the table expression as who reads.
            format!("WITH kv AS (SELECT * FROM {table}) SELECT * FROM kv"),
            format!("WITH kv_raw AS (SELECT count(*) FROM {table}) SELECT * FROM kv_raw"),
            format!("WITH RECURSIVE kv AS (SELECT 1 FROM {table}) SELECT * FROM kv"),
            format!("SELECT * FROM (SELECT * FROM {table}) AS kv"),
        ] {
            let error = ask(&machine, &query).await.unwrap_err();
            assert!(matches!(error, SqlError::NotAllowed(_)), "{query}: {error:?}");
            assert!(error.to_string().contains("kv_history"), "{query}: {error}");
        }
    }
}

/// The names of the views beneath are no secret for long, and of no use: each query has others.
#[tokio::test]
async fn a_name_that_a_plan_shows_is_worth_nothing_to_the_next_query() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    let plan = ask(&machine, "EXPLAIN QUERY PLAN SELECT * FROM kv_history").await.unwrap();
    assert!(!plan.rows.is_empty());
    let query = "WITH kv_0123456789abcdef0123456789abcdef AS (SELECT * FROM session) \
                 SELECT * FROM kv_0123456789abcdef0123456789abcdef";
    let error = ask(&machine, query).await.unwrap_err();
    assert!(matches!(error, SqlError::NotAllowed(_)), "{error:?}");
}

#[tokio::test]
async fn mistakes_are_told_in_sqlites_words() {
    let dir = tempfile::tempdir().unwrap();
    let machine = open(dir.path());
    for (query, words) in [
        ("SELEC 1", "near \"SELEC\": syntax error"),
        ("SELECT colour FROM kv", "no such column: colour"),
        ("SELECT * FROM fruit", "no such table: fruit"),
        ("SELECT frob(1)", "no such function: frob"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("", "there is no SELECT"),
        ("-- nothing", "there is no SELECT"),
        ("SELECT ?", "parameters"),
        ("SELECT 'a\0b'", "unrecognized token"),
        ("SELECT json('{')", "malformed JSON"),
        ("SELECT abs(-9223372036854775808)", "integer overflow"),
    ] {
        let error = ask(&machine, query).await.unwrap_err();
        assert!(matches!(error, SqlError::InvalidSql(_)), "{query}: {error:?}");
        assert!(error.to_string().contains(words), "{query}: {error}");
    }
}
