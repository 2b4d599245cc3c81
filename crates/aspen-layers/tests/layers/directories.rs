//! Creating, opening, moving, listing and removing, alone and at once.

use std::collections::BTreeMap;

use aspen_core::{KeyRange, ScanRequest, Value};
use aspen_layers::directory::{Directory, DirectoryError, DirectoryLayer};
use aspen_txn::{Database, Transaction};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generated::cases;
use crate::support::{commits, create, store, stored};

const NO_PATH: [&str; 0] = [];

#[tokio::test]
async fn a_directory_keeps_its_prefix_and_contents_when_it_moves() {
    let (_, database) = store();
    let layer = DirectoryLayer::new();
    let tx = database.begin();
    let users = layer.create_or_open(&tx, ["app", "users"], b"v1").await.unwrap();
    let inner = layer.create(&tx, ["app", "users", "old"], b"").await.unwrap();
    tx.set(users.subspace().pack(&("alice",)).unwrap(), Value::default()).unwrap();
    tx.commit().await.unwrap();

    let tx = database.begin();
    layer.create(&tx, ["people"], b"").await.unwrap();
    let moved = layer.move_to(&tx, users.path(), ["people", "all"]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((moved.subspace(), &moved.layer()[..]), (users.subspace(), &b"v1"[..]));

    let tx = database.begin();
    assert!(!layer.exists(&tx, ["app", "users"]).await.unwrap());
    assert_eq!(layer.open(&tx, ["people", "all"], b"v1").await.unwrap(), moved);
    let below = layer.open(&tx, ["people", "all", "old"], b"").await.unwrap();
    assert_eq!(below.subspace(), inner.subspace());
    assert_eq!(layer.list(&tx, NO_PATH).await.unwrap(), ["app", "people"]);
    let page = tx.get_range(moved.subspace().range()).await.unwrap();
    assert_eq!(moved.subspace().unpack::<(String,)>(&page.entries[0].0).unwrap().0, "alice");
}

#[tokio::test]
async fn removing_takes_everything_below_and_nothing_else() {
    let (store, database) = store();
    let layer = DirectoryLayer::new();
    let kept = create(&database, &layer, &["kept"]).await.unwrap();
    let tx = database.begin();
    for path in [&["gone"][..], &["gone", "a"], &["gone", "a", "b"]] {
        let directory = layer.create(&tx, path, b"").await.unwrap();
        tx.set(directory.subspace().pack(&(1,)).unwrap(), Value::default()).unwrap();
    }
    tx.set(kept.subspace().pack(&(1,)).unwrap(), Value::default()).unwrap();
    tx.commit().await.unwrap();

    let tx = database.begin();
    layer.remove(&tx, ["gone"]).await.unwrap();
    assert!(!layer.remove_if_exists(&tx, ["gone"]).await.unwrap());
    tx.commit().await.unwrap();
    let contents = stored(&store).await.into_iter().filter(|(key, _)| key.as_bytes()[0] < 0xfe);
    assert_eq!(
        contents.map(|(key, _)| key).collect::<Vec<_>>(),
        [kept.subspace().pack(&(1,)).unwrap()]
    );
    let nodes = stored(&store).await.into_iter();
    let layers = nodes.filter(|(key, _)| key.as_bytes().ends_with(b"\x01layer\0")).count();
    assert_eq!(layers, 1, "the nodes below are gone, too");
}

#[tokio::test]
async fn every_mistake_is_told() {
    let (_, database) = store();
    let layer = DirectoryLayer::new();
    let tx = database.begin();
    layer.create(&tx, ["a", "b"], b"v1").await.unwrap();
    let cases: Vec<(Result<Directory, DirectoryError>, &str)> = vec![
        (layer.create(&tx, ["a", "b"], b"v1").await, "directory /a/b exists already"),
        (layer.open(&tx, ["a", "c"], b"").await, "no directory /a/c"),
        (layer.open(&tx, ["x", "b"], b"").await, "no directory /x/b"),
        (
            layer.open(&tx, ["a", "b"], b"v2").await,
            "directory /a/b has the layer \"v1\", not \"v2\"",
        ),
        (layer.open(&tx, NO_PATH, b"").await, "the path is empty"),
        (layer.create_or_open(&tx, NO_PATH, b"").await, "the path is empty"),
        (layer.move_to(&tx, NO_PATH, ["c"]).await, "the path is empty"),
        (layer.move_to(&tx, ["a"], NO_PATH).await, "the path is empty"),
        (layer.move_to(&tx, ["a"], ["a", "c"]).await, "/a cannot move to /a/c, which is inside it"),
        (layer.move_to(&tx, ["a"], ["a"]).await, "/a cannot move to /a"),
        (layer.move_to(&tx, ["c"], ["d"]).await, "no directory /c"),
        (layer.move_to(&tx, ["a", "b"], ["a"]).await, "directory /a exists already"),
        (layer.move_to(&tx, ["a", "b"], ["c", "d"]).await, "no directory /c"),
        (layer.create(&tx, ["p"], b"partition").await, "directory /p is a partition"),
        (layer.create(&tx, ["x".repeat(8_200)], b"").await, "KEY_BYTES_MAX"),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let missing = layer.remove(&tx, ["c"]).await.unwrap_err();
    assert_eq!(missing, DirectoryError::Missing { path: vec!["c".into()] });
    assert_eq!(layer.remove(&tx, NO_PATH).await, Err(DirectoryError::Root));
    assert!(layer.list(&tx, ["c"]).await.is_err());
    assert!(layer.exists(&tx, NO_PATH).await.unwrap());
}

#[tokio::test]
async fn changes_of_one_path_at_once_conflict() {
    let (_, database) = store();
    let layer = DirectoryLayer::new();
    for path in [&["a"][..], &["b"], &["c"]] {
        create(&database, &layer, path).await.unwrap();
    }
    // Removed, and moved into.
    let (one, other) = (database.begin(), database.begin());
    layer.remove(&one, ["b"]).await.unwrap();
    layer.move_to(&other, ["a"], ["b", "a"]).await.unwrap();
    assert!(commits(&one).await && !commits(&other).await);
    // Two that would contain each other.
    let (one, other) = (database.begin(), database.begin());
    layer.move_to(&one, ["a"], ["c", "a"]).await.unwrap();
    layer.move_to(&other, ["c"], ["a", "c"]).await.unwrap();
    assert!(commits(&one).await && !commits(&other).await);
    // Created in, and removed; in both orders.
    let (one, other) = (database.begin(), database.begin());
    layer.create(&one, ["c", "x"], b"").await.unwrap();
    layer.remove(&other, ["c"]).await.unwrap();
    assert!(commits(&one).await && !commits(&other).await);
    let (one, other) = (database.begin(), database.begin());
    layer.remove(&one, ["c"]).await.unwrap();
    layer.create(&other, ["c", "y"], b"").await.unwrap();
    assert!(commits(&one).await && !commits(&other).await);
    // The same, created twice.
    let (one, other) = (database.begin(), database.begin());
    layer.create(&one, ["d"], b"").await.unwrap();
    layer.create(&other, ["d"], b"").await.unwrap();
    assert!(commits(&one).await && !commits(&other).await);
}

type Path = Vec<&'static str>;

#[derive(Clone, Debug)]
enum Step {
    Create(Path),
    CreateOrOpen(Path),
    Open(Path),
    Move(Path, Path),
    Remove(Path),
    List(Path),
}

fn path() -> impl Strategy<Value = Path> {
    vec(prop_oneof![Just("a"), Just("b"), Just("c\0")], 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => path().prop_map(Step::Create),
        2 => path().prop_map(Step::CreateOrOpen),
        2 => path().prop_map(Step::Open),
        3 => (path(), path()).prop_map(|(from, to)| Step::Move(from, to)),
        1 => path().prop_map(Step::Remove),
        1 => path().prop_map(Step::List),
    ]
}

/// What a step comes to: the prefix of a directory, names, or that it is refused.
type Outcome = Option<Vec<Vec<u8>>>;

async fn run(layer: &DirectoryLayer, tx: &Transaction, step: &Step) -> Outcome {
    let opened = match step {
        Step::Create(path) => layer.create(tx, path, b"").await,
        Step::CreateOrOpen(path) => layer.create_or_open(tx, path, b"").await,
        Step::Open(path) => layer.open(tx, path, b"").await,
        Step::Move(from, to) => layer.move_to(tx, from, to).await,
        Step::Remove(path) => return layer.remove(tx, path).await.ok().map(|()| Vec::new()),
        Step::List(path) => {
            let names = layer.list(tx, path).await.ok()?;
            return Some(names.into_iter().map(String::into_bytes).collect());
        }
    };
    Some(vec![opened.ok()?.subspace().prefix().to_vec()])
}

/// The directories as a map from paths to prefixes.
#[derive(Default)]
struct Model(BTreeMap<Path, Vec<u8>>);

impl Model {
    fn has(&self, path: &[&'static str]) -> bool {
        path.is_empty() || self.0.contains_key(path)
    }

    /// What the step must come to, given the prefix that a new directory got.
    fn run(&mut self, step: &Step, outcome: &Outcome) -> Outcome {
        match step {
            Step::Open(path) => self.0.get(path).map(|prefix| vec![prefix.clone()]),
            Step::CreateOrOpen(path) if self.0.contains_key(path) => {
                Some(vec![self.0[path].clone()])
            }
            Step::Create(path) | Step::CreateOrOpen(path) => {
                (!self.has(path)).then_some(())?;
                let prefix = outcome.iter().flatten().next().cloned().unwrap_or_default();
                self.0.insert(path.clone(), prefix.clone());
                Some(vec![prefix])
            }
            Step::Move(from, to) => self.rename(from, to),
            Step::Remove(path) => {
                self.0.remove(path)?;
                self.0.retain(|other, _| !other.starts_with(path));
                Some(Vec::new())
            }
            Step::List(path) => {
                self.has(path).then_some(())?;
                let inside = self.0.keys().filter(|it| it.len() == path.len() + 1);
                let inside = inside.filter(|it| it.starts_with(path));
                Some(inside.map(|it| it[path.len()].as_bytes().to_vec()).collect())
            }
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Outcome {
        let prefix = self.0.get(from)?.clone();
        let (_, parent) = to.split_last()?;
        (!self.has(to) && self.has(parent) && !to.starts_with(from)).then_some(())?;
        let moved = std::mem::take(&mut self.0).into_iter().map(|(path, prefix)| {
            match path.strip_prefix(from.as_slice()) {
                Some(rest) => ([&to[..], rest].concat(), prefix),
                None => (path, prefix),
            }
        });
        self.0 = moved.collect();
        Some(vec![prefix])
    }

    /// Fills in the directories that were created on the way.
    async fn learn(&mut self, layer: &DirectoryLayer, tx: &Transaction, path: &Path) {
        for len in 1..path.len() {
            let above = path[..len].to_vec();
            if let Ok(found) = layer.open(tx, &above, b"").await {
                let prefix = found.subspace().prefix().to_vec();
                assert_eq!(self.0.entry(above).or_insert(prefix.clone()), &prefix);
            }
        }
    }
}

async fn run_all(database: &Database, steps: &[Step]) {
    let (layer, mut model) = (DirectoryLayer::new(), Model::default());
    for (number, step) in steps.iter().enumerate() {
        let tx = database.begin();
        let outcome = run(&layer, &tx, step).await;
        assert_eq!(model.run(step, &outcome), outcome, "step {number} of {steps:?}");
        if let Step::Create(path) | Step::CreateOrOpen(path) = step {
            model.learn(&layer, &tx, path).await;
        }
        // A refused step has written nothing that the next ones could see.
        if outcome.is_some() {
            tx.commit().await.unwrap();
        }
    }
    let page = database.store().scan(ScanRequest::new(KeyRange::all())).await.unwrap();
    let ends =
        |end: &[u8]| page.entries.iter().filter(|it| it.key.as_bytes().ends_with(end)).count();
    assert_eq!(ends(b"\x01layer\0"), model.0.len(), "a node for each directory, and no other");
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn directories_equal_a_map_of_paths(steps in vec(step(), 0..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run_all(&store().1, &steps));
    }
}
