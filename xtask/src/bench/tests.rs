//! Whole measurements of a scripted cluster and of a real etcd.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::report::Report;
use super::workload::Workload;
use super::{Load, Plan, aspen, etcd, restart, table};
use crate::cluster::Interrupt;
use crate::cluster::scene::{NODE, Scene};

const LOAD: Load = Load { nodes: 2, seconds: 1, keys: 1000, value_bytes: 64 };
const PLAN: Plan<'_> =
    Plan { workloads: &[Workload::Put, Workload::Scan100], clients: &[1, 4], load: LOAD };

#[test]
fn every_pair_is_measured_and_appended_to_the_file() {
    let scene = Scene::new("bench", NODE);
    let file = scene.dir().join("rows.json");
    let mut report = Report::new(Some(file.clone()));
    let interrupt = Interrupt::install().unwrap();
    aspen::measure(&scene.binaries(), scene.dir(), PLAN, &mut report, &interrupt).unwrap();
    let measured: Vec<_> =
        report.rows().iter().map(|row| (row.workload.as_str(), row.clients)).collect();
    assert_eq!(measured, [("put", 1), ("put", 4), ("scan-100", 1), ("scan-100", 4)]);
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 4);
    assert_eq!(table::table(report.rows()).lines().count(), 6);
}

#[test]
#[ignore = "builds the load generator, and needs etcd and protoc on the PATH"]
fn etcd_is_measured() {
    let scene = Scene::new("bench-etcd", NODE);
    let mut report = Report::new(None);
    let interrupt = Interrupt::install().unwrap();
    let driver = etcd::Driver::build().unwrap();
    etcd::measure(&driver, scene.dir(), PLAN, &mut report, &interrupt).unwrap();
    assert_eq!(report.rows().len(), 4);
    assert!(report.rows().iter().all(|row| row.ops_per_s > 0.0 && row.errors == 0));
}

#[test]
#[ignore = "loads a million keys into etcd"]
fn the_restart_of_etcd_is_measured() {
    let scene = Scene::new("restart-etcd", NODE);
    let file = scene.dir().join("rows.json");
    let report = Report::new(Some(file.clone()));
    let interrupt = Interrupt::install().unwrap();
    let driver = etcd::Driver::build().unwrap();
    restart::measure_etcd(&driver, scene.dir(), 256, &report, &interrupt).unwrap();
    assert!(std::fs::read_to_string(file).unwrap().contains("\"workload\":\"restart\""));
}
