//! The command line writes a transaction from a script and sums it up with SQL, at every node.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use aspen_tests::{ProcessCluster, program};

const SCRIPT: &str = r#"# Opens accounts once.
create("account/a") = 0

put account/a 70
put account/b "30"
put tmp/x "\xff" --ttl 10m
add counter 5

get account/a
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_sql_sees_what_was_written() {
    let mut cluster = ProcessCluster::start(3).await;
    let ticket = cluster.ticket();
    let first = aspen(&ticket, &["txn", "-"], SCRIPT).await;
    assert_eq!(first.0, 0, "{}{}", first.1, cluster.logs());
    let again = aspen(&ticket, &["txn", "-", "--json"], SCRIPT).await;
    assert!(again.0 == 3 && again.1.contains(r#""value":"70""#), "{again:?}");
    let sum = "SELECT count(*) AS n, sum(value) AS total FROM kv WHERE key LIKE 'account/%'";
    let found = aspen(&ticket, &["sql", sum, "--json"], "").await;
    assert_eq!(found.0, 0, "{found:?}");
    assert!(found.1.contains(r#"{"n":2,"total":100}"#), "{found:?}");

    // Whoever leads then has flushed nothing for this query yet.
    cluster.kill(1);
    let moved = "\nput account/a 60\nput account/b 40";
    assert_eq!(aspen(&ticket, &["txn", "-", "--timeout", "30s"], moved).await.0, 0);
    let rows = "SELECT key, value FROM kv WHERE key LIKE 'account/%' ORDER BY key";
    let table = aspen(&ticket, &["sql", "-"], rows).await;
    assert!(table.0 == 0 && table.1.contains("60") && table.1.contains("40"), "{table:?}");
    assert!(table.1.contains("2 rows, revision 2"), "{table:?}");
    cluster.restart(1);

    let refused = aspen(&ticket, &["sql", "SELECT * FROM session"], "").await;
    assert!(refused.0 == 2 && refused.2.contains("not allowed"), "{refused:?}");
    let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) \
                   SELECT count(*) FROM c";
    let stopped = aspen(&ticket, &["sql", endless, "--timeout", "200ms"], "").await;
    assert!(stopped.0 == 1 && stopped.2.contains("200 ms"), "{stopped:?}");
    let wrong = aspen(&ticket, &["txn", "-"], "\nput a\n").await;
    assert!(wrong.0 == 2 && wrong.2.contains("line 2: put needs"), "{wrong:?}");
}

/// Runs a command; answers its exit code and what it printed.
async fn aspen(ticket: &str, arguments: &[&str], input: &'static str) -> (i32, String, String) {
    let mut command = Command::new(program("aspen"));
    command.env("ASPEN_TICKET", ticket).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let work = move || -> Output {
        // Dropped at the end of the statement, which is the end of the input.
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = tokio::task::spawn_blocking(work).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
