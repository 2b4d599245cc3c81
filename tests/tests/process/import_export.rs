//! A real file goes in through the command line while a node dies, and comes out unchanged.

use std::path::Path;
use std::process::{Command, Stdio};

use aspen_tests::{ProcessCluster, program};

const RECORDS: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_import_survives_a_killed_node_and_exports_the_same() {
    let mut cluster = ProcessCluster::start(3).await;
    let input = cluster.directory().join("input.tsv");
    let text = records();
    std::fs::write(&input, &text).unwrap();
    let ticket = cluster.ticket();
    let mut import = aspen(&ticket)
        .args(["import", "--format", "tsv"])
        .arg(&input)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    cluster.kill(2);
    let status = tokio::task::spawn_blocking(move || import.wait().unwrap()).await.unwrap();
    assert!(status.success(), "import failed\n{}", cluster.logs());
    cluster.restart(2);
    cluster.wait_settled().await;
    let output = cluster.directory().join("output.tsv");
    export(&ticket, &output).await;
    assert!(std::fs::read_to_string(&output).unwrap() == text, "export differs from the import");
}

async fn export(ticket: &str, output: &Path) {
    let mut command = aspen(ticket);
    command.args(["export", "--format", "tsv"]).arg(output);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
    assert!(status.success(), "export failed");
}

fn aspen(ticket: &str) -> Command {
    let mut command = Command::new(program("aspen"));
    command.env("ASPEN_TICKET", ticket).stdin(Stdio::null());
    command
}

/// Sorted unique keys with values that hold tabs, quotes and text beyond ASCII.
fn records() -> String {
    (0..RECORDS)
        .map(|i| {
            format!("package-{i:06}\t1.{i}-rc\tdescription \"{i}\" with a back\\slash, naïve\n")
        })
        .collect()
}
