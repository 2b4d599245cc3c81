//! The `aspen-node` program.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use aspen_client::Client;
use aspen_core::KeyValueStore;
use rustix::process::{Pid, Signal, kill_process};

use crate::cluster::{COOKIE, Dirs, await_file, key, value};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspen-node"));
    command.env_clear().env("ASPEN_COOKIE", COOKIE).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn node(dir: &Path) -> Child {
    let mut command = program();
    command.args(["--id", "1", "--bootstrap", "--log-filter", "warn", "--dir"]).arg(dir);
    command.spawn().unwrap()
}

fn check(dir: &Path) -> Output {
    program().arg("check").arg("--dir").arg(dir).output().unwrap()
}

/// The ticket appears once the node serves.
async fn client(dir: &Path) -> Client {
    Client::connect(&await_file(&dir.join("ticket")).await).await.unwrap()
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn process_the_program_serves_survives_kill_and_stops_in_order() {
    let dirs = Dirs::new();
    let dir = dirs.dir(1);
    let mut killed = node(&dir);
    let before = client(&dir).await;
    for i in 0..50 {
        before.set(key(&format!("k{i}")), value("v")).await.unwrap();
    }
    before.close().await;
    let held = check(&dir);
    assert!(String::from_utf8_lossy(&held.stderr).contains("in use by process"), "{held:?}");
    signal(&killed, Signal::KILL);
    killed.wait().unwrap();
    std::fs::remove_file(dir.join("ticket")).unwrap();

    let mut stopped = node(&dir);
    let after = client(&dir).await;
    for i in 0..50 {
        let found = after.get(key(&format!("k{i}"))).await.unwrap();
        assert_eq!(found.unwrap().value, value("v"));
    }
    after.close().await;
    signal(&stopped, Signal::TERM);
    assert!(stopped.wait().unwrap().success());
    let fine = check(&dir);
    assert!(fine.status.success(), "{fine:?}");
    std::fs::remove_dir_all(dir.join("meta")).unwrap();
    let damaged = check(&dir);
    assert_eq!(damaged.status.code(), Some(1), "{damaged:?}");
    assert!(String::from_utf8_lossy(&damaged.stdout).contains("problem: meta"), "{damaged:?}");
}

#[test]
fn process_a_check_finds_damage() {
    let dirs = Dirs::new();
    let nothing = check(&dirs.dir(1));
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("identity.json"), "{nothing:?}");
}

#[test]
fn process_the_effective_configuration_is_printed() {
    let output = program()
        .args(["--id", "7", "--dir", "/srv/aspen", "--print-config"])
        .env("ASPEN_HEARTBEAT_MS", "250")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in ["id = 7", "dir = \"/srv/aspen\"", "heartbeat_ms = 250", "cookie = \"(redacted)\""]
    {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn process_help_has_one_space_between_words() {
    let output = program().arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let described: Vec<&str> = text.lines().filter(|line| line.starts_with("          ")).collect();
    assert!(described.len() > 30, "{text}");
    for line in described {
        assert!(!line.trim().contains("  "), "{line}");
        assert!(line.len() - line.trim_start().len() == 10, "{line}");
    }
}

#[test]
fn process_mistakes_are_named_and_end_the_program() {
    for (arguments, named) in [
        (&["--id", "0", "--dir", "/x/y"][..], "`id`"),
        (&["--id", "one"][..], "`id`"),
        (&["--id", "1"][..], "`dir`"),
    ] {
        let output = program().args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(named), "{arguments:?}: {text}");
    }
    let output = program().env("ASPEN_COKIE", "x").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("ASPEN_COKIE"));
}
