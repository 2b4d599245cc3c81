//! The `aspen` binary as a script sees it, without a cluster.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Read;
use std::process::{Command, Output, Stdio};

use aspen_client::{PeerAddress, Ticket};
use aspen_core::{ClusterId, EndpointKey};

fn aspen(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspen"));
    command.args(arguments).env_remove("ASPEN_TICKET").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = aspen(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A ticket of a cluster that nobody runs.
fn dead_ticket() -> String {
    // Port 9 is the discard service: nothing of ours listens there. The key is a valid curve point.
    let endpoint =
        EndpointKey::from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let peer = PeerAddress {
        endpoint: endpoint.unwrap(),
        addresses: vec!["127.0.0.1:9".parse().unwrap()],
    };
    Ticket { cluster: ClusterId::new([1; 16]), peers: vec![peer], grant: None }.to_string()
}

#[test]
fn usage_errors_are_code_2() {
    assert_eq!(run(&["kv", "get"]).0, 2);
    assert_eq!(run(&["nonsense"]).0, 2);
    let (code, _, stderr) = run(&["kv", "get", "k"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("ASPEN_TICKET"), "{stderr}");
    let (code, _, stderr) = run(&["kv", "get", "k", "--ticket", "beech"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("invalid ticket"), "{stderr}");
}

#[test]
fn help_and_version_are_code_0() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("Exit codes:"), "{stdout}");
    assert!(run(&["--version"]).1.starts_with("aspen "));
}

#[test]
fn a_cluster_that_does_not_answer_is_code_1() {
    let ticket = dead_ticket();
    let (code, _, stderr) = run(&["kv", "get", "k", "--ticket", &ticket, "--timeout", "300ms"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("no answer within 300 ms"), "{stderr}");
}

#[test]
fn a_ticket_is_inspected_offline_from_every_source() {
    let ticket = dead_ticket();
    let (code, stdout, _) = run(&["ticket", "inspect", &ticket, "--json"]);
    assert_eq!(code, 0);
    assert!(stdout.contains(&"01".repeat(16)), "{stdout}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ticket");
    std::fs::write(&path, format!("{ticket}\n")).unwrap();
    let (code, stdout, _) = run(&["ticket", "inspect", "--ticket-file", path.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(stdout.contains("127.0.0.1:9"), "{stdout}");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let mut child = aspen(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before anything was read: the command's first write may already meet a broken pipe.
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let code = child.wait().unwrap().code();
    assert!(stderr.is_empty(), "{stderr}");
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}
