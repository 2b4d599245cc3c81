#![allow(clippy::unwrap_used, clippy::panic)]

use aspen_core::{Key, LeaseId, MemoryStore, Value};
use clap::Parser;

use super::*;
use crate::args::{Cli, Command};
use crate::output::tests::Captured;

/// Exports to a file; answers what it holds and what was printed.
async fn export_to(store: &Arc<MemoryStore>, path: &Path, rest: &str) -> Result<String, CliError> {
    let line = format!("aspen export {} --format tsv {rest}", path.display());
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Command::Export(args) = cli.command else { panic!("another command") };
    let mut output = Output::new(cli.global.json, Box::new(Captured::default()));
    run(store, args, &mut output).await?;
    Ok(fs::read_to_string(path).unwrap())
}

async fn set(store: &MemoryStore, value: &str) -> Revision {
    let (key, value) = (Key::try_from("a").unwrap(), Value::try_from(value).unwrap());
    store.set(key, value).await.unwrap().revision
}

#[tokio::test]
async fn an_export_lets_its_revision_go_when_it_ends() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    set(&store, "old").await;
    assert_eq!(export_to(&store, &dir.path().join("now"), "").await.unwrap(), "a\told\n");
    let failed = export_to(&store, &dir.path().join("no/such/directory"), "").await;
    assert!(failed.is_err());
    assert!(store.pinned_revisions().is_empty());
    assert_eq!(store.list().await.unwrap(), Vec::<LeaseId>::new());
}

#[tokio::test]
async fn the_pinned_revision_is_the_one_that_is_exported() {
    let (store, dir) = (Arc::new(MemoryStore::new()), tempfile::tempdir().unwrap());
    let old = set(&store, "old").await;
    let (lease, at) = pin(&store, Some(old)).await.unwrap();
    assert_eq!((lease.is_some(), at), (true, Some(old)));
    store.compact(set(&store, "new").await).unwrap();
    let path = dir.path().join("past");
    assert_eq!(export_to(&store, &path, "--at 1").await.unwrap(), "a\told\n");
    lease.unwrap().release().await.unwrap();
    let gone = export_to(&store, &path, "--at 1").await.unwrap_err();
    assert!(gone.to_string().contains("compacted"), "{gone}");
}
