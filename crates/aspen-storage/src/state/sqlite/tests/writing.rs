//! Flushing into a full disk, at the level of the body.

use std::collections::BTreeMap;

use aspen_core::{Revision, Value};
use rusqlite::Connection;

use super::support::{GROUP, key, options, position};
use crate::state::sqlite::body::{self, Role};
use crate::state::sqlite::head::{Frozen, Layer};
use crate::state::sqlite::install::finish;
use crate::state::sqlite::registers::Registers;
use crate::state::sqlite::view::View;
use crate::state::sqlite::write::write_frozen;
use crate::state::{AppliedState, Live, StateError};

fn frozen(keys: u32) -> Frozen {
    let mut layer = Layer::default();
    let live = || Live {
        value: Value::new(vec![1; 500]).unwrap(),
        version: 1,
        create_revision: Revision::new(1),
        lease: None,
    };
    let changes: BTreeMap<_, _> = (0..keys).map(|it| (key(it), Some(live()))).collect();
    layer.commit(Revision::new(1), changes);
    let applied = AppliedState { position: Some(position(1)), membership: None };
    let registers = Registers { revision: Revision::new(1), applied, ..Registers::default() };
    Frozen { layer, registers, sessions: BTreeMap::new(), leases: BTreeMap::new() }
}

fn database(dir: &std::path::Path) -> Connection {
    let path = dir.join("db");
    finish(body::create(&path, GROUP).unwrap(), &path).unwrap();
    body::open(&path, Role::Writer, &options()).unwrap()
}

#[test]
fn a_flush_that_does_not_fit_changes_nothing_and_succeeds_later() {
    let dir = tempfile::tempdir().unwrap();
    let connection = database(dir.path());
    let full: u32 =
        connection.query_row("PRAGMA max_page_count = 60", [], |row| row.get(0)).unwrap();
    assert_eq!(full, 60);
    let frozen = frozen(2_000);
    for _ in 0..3 {
        let result = write_frozen(&connection, &frozen, &|_| None);
        assert!(matches!(result, Err(StateError::DiskFull(_))), "{result:?}");
        assert!(connection.is_autocommit());
        assert_eq!(Registers::load(&connection).unwrap(), Registers::default());
        assert_eq!(
            View::begin(&connection).unwrap().at(key(7).as_bytes(), Revision::ZERO).unwrap(),
            None
        );
    }
    connection.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).unwrap();
    write_frozen(&connection, &frozen, &|_| None).unwrap();
    assert_eq!(Registers::load(&connection).unwrap(), frozen.registers);
}

#[test]
fn a_layer_written_twice_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let connection = database(dir.path());
    let frozen = frozen(10);
    write_frozen(&connection, &frozen, &|_| None).unwrap();
    write_frozen(&connection, &frozen, &|_| None).unwrap();
    let mut view = View::begin(&connection).unwrap();
    assert_eq!(view.at(key(3).as_bytes(), Revision::ZERO).unwrap(), None);
    assert!(view.at(key(3).as_bytes(), Revision::new(1)).unwrap().is_some());
}
