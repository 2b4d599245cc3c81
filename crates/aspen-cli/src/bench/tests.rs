#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::MemoryStore;
use clap::ValueEnum;

use super::*;
use crate::output::tests::Captured;

fn args(workload: Workload) -> BenchArgs {
    BenchArgs {
        workload,
        clients: 2,
        seconds: 1,
        keys: 20,
        value_bytes: 8,
        connections: 1,
        watches: 0,
        idle_watches: 0,
        nodes: Some(1),
    }
}

#[test]
fn keys_are_sixteen_bytes_in_order() {
    assert_eq!(operation::key_bytes(7), "k000000000000007");
    assert!(operation::key_bytes(9) < operation::key_bytes(10));
}

#[tokio::test]
async fn every_workload_loads_its_keys_and_runs_without_errors() {
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn Target> = memory.clone();
    let mut random = random::Random::new();
    for workload in Workload::value_variants() {
        let args = args(*workload);
        load::load_missing(&store, &args).await.unwrap();
        for _ in 0..5 {
            operation::run(&store, &args, &mut random).await.unwrap();
        }
    }
    let entry = store.get(operation::key(19).unwrap()).await.unwrap().unwrap();
    assert_eq!(entry.value.len(), 8);
}

#[tokio::test]
async fn watches_beside_are_told_of_every_change() {
    let memory = Arc::new(MemoryStore::new());
    let store: Arc<dyn Target> = memory.clone();
    let args = BenchArgs { watches: 2, idle_watches: 3, ..args(Workload::Put) };
    let audience = Audience::open(&store, &args).await.unwrap();
    let mut random = random::Random::new();
    for _ in 0..5 {
        operation::run(&store, &args, &mut random).await.unwrap();
    }
    let told = aspen_core::runtime::timeout(Duration::from_secs(30), async {
        while audience.events() < 10 {
            tokio::task::yield_now().await;
        }
    });
    told.await.unwrap();
    assert_eq!(audience.events(), 10);
}

#[tokio::test]
async fn the_watch_workload_waits_for_its_events() {
    let store = MemoryStore::new();
    let (mut random, mut watched) = (random::Random::new(), watched::Watched::new(3));
    for revision in 1..=3 {
        watched.run(&store, &args(Workload::Watch), &mut random).await.unwrap();
        assert_eq!(store.revision().get(), revision);
    }
}

#[tokio::test]
async fn a_report_has_every_figure_that_scripts_rely_on() {
    let store: Arc<dyn Target> = Arc::new(MemoryStore::new());
    let args = args(Workload::Load);
    let measured = load::load(&store, &args, 0).await.unwrap();
    assert_eq!(measured.operations, 20);
    let sink = Captured::default();
    report(&args, 3, &measured, &mut Output::new(true, Box::new(sink.clone()))).unwrap();
    let json: Json = serde_json::from_str(&sink.text()).unwrap();
    assert_eq!((&json["system"], &json["workload"]), (&json!("aspen"), &json!("load")));
    assert_eq!((&json["nodes"], &json["errors"]), (&json!(3), &json!(0)));
    for name in ["clients", "ops_per_s", "p50_us", "p99_us", "max_us"] {
        assert!(json[name].is_number(), "{name}");
    }
}
