#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{GroupId, NodeId};
use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn global_options_work_after_the_command() {
    let cli = parse("aspen kv get a b --json --ticket aspenx --timeout 1500ms --meta").unwrap();
    assert!(cli.global.json);
    assert_eq!(cli.global.timeout, Some(Duration::from_millis(1500)));
    assert!(matches!(cli.command, Command::Kv(KvCommand::Get(args)) if args.keys.len() == 2));
}

#[test]
fn durations_have_units() {
    assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
    assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
    for wrong in ["", "s", "1h", "0", "-1s", "1e400"] {
        assert!(parse_duration(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn contradictions_are_usage_errors() {
    for wrong in [
        "aspen kv get",
        "aspen kv get a --at 3 --stale",
        "aspen kv set k",
        "aspen kv set k v --file f",
        "aspen kv set k v --lease 7 --ttl 5",
        "aspen kv set k v --lease 0",
        "aspen lease grant",
        "aspen lease grant 1h",
        "aspen lock",
        "aspen lock a sh",
        "aspen lock a --no-wait --wait 1s",
        "aspen elect a",
        "aspen elect a b --observe",
        "aspen elect a b --events 1",
        "aspen kv del",
        "aspen kv del a --prefix b",
        "aspen kv del --range a",
        "aspen kv scan --prefix a --from b",
        "aspen kv scan --count --all",
        "aspen kv scan --limit 0",
        "aspen kv cas k v",
        "aspen kv cas k v --expect a --absent",
        "aspen import f",
        "aspen import f --format xml",
        "aspen export --format tsv --strip-prefix",
        "aspen cluster add-node 0",
        "aspen cluster transfer --to 2 --group shard-x",
        "aspen bench --workload put --clients 0",
        "aspen bench",
    ] {
        let error = parse(wrong).expect_err(wrong);
        assert_eq!(error.exit_code(), 2, "{wrong}");
    }
}

#[test]
fn ids_and_groups_parse() {
    let cli = parse("aspen cluster init --nodes 1,2,3 --group meta").unwrap();
    let Command::Cluster(ClusterCommand::Init { nodes, group }) = cli.command else { panic!() };
    assert_eq!(nodes, [1, 2, 3].map(NodeId::new));
    assert_eq!(group, GroupId::META);
}

#[test]
fn workloads_have_the_names_that_scripts_use() {
    for name in ["put", "get-linearizable", "get-stale", "scan-100", "cas", "mixed", "load"] {
        parse(&format!("aspen bench --workload {name} --clients 1 --seconds 1")).unwrap();
    }
}

#[test]
fn help_documents_the_exit_codes() {
    let help = Cli::command().render_long_help().to_string();
    assert!(help.contains("5  unknown outcome"), "{help}");
}
