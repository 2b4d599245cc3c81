use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use madsim::runtime::Runtime;
use rusqlite::Connection;

use super::{copy_after_kill, copy_after_power_failure, has_failed, set_power_failure, watch};

/// Runs a test on a thread of its own, with an empty declared directory and a place for copies.
fn simulated(seed: u64, test: impl FnOnce(&Path, &Path) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let root = tempfile::tempdir().unwrap();
            let (directory, copy) = (root.path().join("own"), root.path().join("copy"));
            fs::create_dir(&directory).unwrap();
            let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
            runtime.block_on(async {
                watch(&directory);
                test(&directory, &copy);
            });
        });
    });
}

fn overwrite(file: &mut File, byte: u8) {
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&[byte; 2_048]).unwrap();
}

#[test]
fn a_power_failure_loses_only_what_was_not_synced() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..30 {
        simulated(seed, |directory, copy| {
            let mut file = File::create(directory.join("file")).unwrap();
            overwrite(&mut file, 1);
            file.sync_all().unwrap();
            copy_after_power_failure(directory, copy);
            assert_eq!(fs::read(copy.join("file")).unwrap(), [1; 2_048]);
            overwrite(&mut file, 2);
            copy_after_power_failure(directory, copy);
            match fs::read(copy.join("file")).unwrap()[0] {
                1 => lost += 1,
                2 => kept += 1,
                other => panic!("{other}"),
            }
            copy_after_kill(directory, copy);
            assert_eq!(fs::read(copy.join("file")).unwrap(), [2; 2_048]);
        });
    }
    assert!(lost > 0 && kept > 0, "{lost} lost, {kept} kept");
}

#[test]
fn after_the_power_has_failed_nothing_is_written() {
    simulated(1, |directory, copy| {
        let mut file = File::create(directory.join("file")).unwrap();
        overwrite(&mut file, 1);
        set_power_failure(directory, Some(1));
        file.sync_all().unwrap();
        assert!(!has_failed(directory));
        assert!(file.sync_all().is_err());
        assert!(has_failed(directory));
        assert!(file.write(&[2]).is_err());
        copy_after_power_failure(directory, copy);
        assert_eq!(fs::read(copy.join("file")).unwrap(), [1; 2_048]);
    });
}

#[test]
fn files_elsewhere_are_left_alone() {
    simulated(1, |directory, _| {
        set_power_failure(directory, Some(0));
        let mut file = tempfile::tempfile().unwrap();
        overwrite(&mut file, 1);
        file.sync_all().unwrap();
        assert!(!has_failed(directory));
    });
}

fn open(directory: &Path) -> Connection {
    let connection = Connection::open(directory.join("test.db")).unwrap();
    let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                   CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY)";
    connection.execute_batch(pragmas).unwrap();
    connection
}

fn count(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

#[test]
fn sqlite_keeps_its_commits_and_its_files_sound() {
    for seed in 0..20 {
        simulated(seed, |directory, copy| {
            let connection = open(directory);
            set_power_failure(directory, Some(3 + seed * 7));
            let mut committed = 0_i64;
            while connection.execute("INSERT INTO t VALUES (?)", [committed]).is_ok() {
                committed += 1;
            }
            copy_after_power_failure(directory, copy);
            let found = count(&open(copy));
            // The commit in whose midst the power failed may be there.
            assert!((committed..=committed + 1).contains(&found), "{found} of {committed}");
        });
    }
}

#[test]
fn sqlite_without_syncs_loses_commits() {
    let lost = (0..20).filter(|seed| {
        let mut lost = false;
        simulated(*seed, |directory, copy| {
            let connection = open(directory);
            connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
            for key in 0..10 {
                connection.execute("INSERT INTO t VALUES (?)", [key]).unwrap();
            }
            copy_after_power_failure(directory, copy);
            lost = Connection::open(copy.join("test.db"))
                .and_then(|it| it.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
                .map_or(true, |found: i64| found < 10);
        });
        lost
    });
    assert!(lost.count() > 0);
}
