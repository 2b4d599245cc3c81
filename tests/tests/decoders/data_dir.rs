//! The file that says whose a data directory is, which operators copy, restore and mix up.

use std::path::Path;

use crate::hostile::{Hostile, bombard};

const GOOD: &str = r#"{
  "format": 1,
  "node": 3,
  "cluster": "000102030405060708090a0b0c0d0e0f",
  "stage": "member",
  "created_ms": 1700000000000
}"#;

fn check(dir: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(dir.join("identity.json"), bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let checked = runtime.block_on(aspen_node::check_dir(dir));
    checked.map(drop).map_err(|error| error.to_string())
}

#[test]
fn identities() {
    let dir = tempfile::tempdir().unwrap();
    check(dir.path(), GOOD.as_bytes()).unwrap();
    let mut hostile = Hostile::new(60, vec![GOOD.as_bytes().to_vec()]);
    bombard(&mut hostile, 300, |bytes| {
        let checked = check(dir.path(), bytes);
        if let Err(error) = &checked {
            let path = dir.path().display().to_string();
            assert!(error.contains(&path), "{error}");
        }
        checked
    });
}
