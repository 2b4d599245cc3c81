//! What directories store: the bytes of FoundationDB's directory layer.

use aspen_core::{ErrorKind, Key, KeyValueStore, Value};
use aspen_layers::directory::{DirectoryError, DirectoryLayer};
use aspen_layers::subspace::Subspace;

use crate::support::{create, key, store, stored};

#[tokio::test]
async fn the_keys_are_those_of_foundationdb() {
    let (store, database) = store();
    let layer = DirectoryLayer::new().allow_prefixes_by_hand();
    let tx = database.begin();
    layer.create_with_prefix(&tx, ["app"], b"shop", &b"A\0B"[..]).await.unwrap();
    let users = layer.create(&tx, ["app", "users"], b"").await.unwrap();
    tx.commit().await.unwrap();
    let prefix = &users.subspace().prefix()[..];
    let recent = [&b"\xfe\x01\xfe\x00\x01hca\x00\x15\x01"[..], prefix].concat();
    let layer_key = [&b"\xfe\x01"[..], prefix, b"\x00\x01layer\x00"].concat();
    let expected: [(Key, &[u8]); 7] = [
        (key(b"\xfe\x01\xfe\x00\x01version\x00"), b"\x01\0\0\0\0\0\0\0\0\0\0\0"),
        (key(b"\xfe\x01\xfe\x00\x01hca\x00\x14\x14"), b"\x01\0\0\0\0\0\0\0"),
        (key(&recent), b""),
        (key(b"\xfe\x01\xfe\x00\x14\x02app\x00"), b"A\0B"),
        (key(b"\xfe\x01A\x00\xffB\x00\x01layer\x00"), b"shop"),
        (key(b"\xfe\x01A\x00\xffB\x00\x14\x02users\x00"), prefix),
        (key(&layer_key), b""),
    ];
    let mut expected = expected.map(|(key, value)| (key, Value::new(value.to_vec()).unwrap()));
    expected.sort();
    assert_eq!(stored(&store).await, expected);
}

#[tokio::test]
async fn directories_keep_to_their_subspaces() {
    let (store, database) = store();
    let (nodes, content) = (Subspace::new("dirs/n/"), Subspace::new("dirs/c/"));
    let layer = DirectoryLayer::within(nodes, content).unwrap();
    let directory = create(&database, &layer, &["a", "b"]).await.unwrap();
    assert!(directory.subspace().prefix().starts_with(b"dirs/c/"));
    assert!(stored(&store).await.iter().all(|(key, _)| key.as_bytes().starts_with(b"dirs/n/")));
}

#[tokio::test]
async fn a_newer_version_is_read_only_or_refused() {
    let (store, database) = store();
    let layer = DirectoryLayer::new();
    create(&database, &layer, &["a"]).await.unwrap();
    let version_key = key(b"\xfe\x01\xfe\x00\x01version\x00");
    for (version, readable, writable) in
        [([1_u32, 0, 7], true, true), ([1, 1, 0], true, false), ([2, 0, 0], false, false)]
    {
        let bytes: Vec<u8> = version.iter().flat_map(|part| part.to_le_bytes()).collect();
        store.set(version_key.clone(), Value::new(bytes).unwrap()).await.unwrap();
        let tx = database.begin();
        let (read, write) =
            (layer.open(&tx, ["a"], b"").await, layer.create(&tx, ["b"], b"").await);
        assert_eq!((read.is_ok(), write.is_ok()), (readable, writable));
        for error in read.err().into_iter().chain(write.err()) {
            let named = format!("{}.{}.{}", version[0], version[1], version[2]);
            assert!(error.to_string().contains(&named), "{error}");
        }
    }
    store.set(version_key, Value::try_from("1.0.0").unwrap()).await.unwrap();
    let error = layer.exists(&database.begin(), ["a"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn damaged_nodes_are_told() {
    let (store, database) = store();
    let layer = DirectoryLayer::new();
    let directory = create(&database, &layer, &["a"]).await.unwrap();
    let prefix = &directory.subspace().prefix()[..];
    let layer_key = key(&[&b"\xfe\x01"[..], prefix, b"\x00\x01layer\x00"].concat());
    store.delete(layer_key).await.unwrap();
    store.set(key(b"\xfe\x01\xfe\x00\x14\x02b"), Value::default()).await.unwrap();
    let tx = database.begin();
    for error in [
        layer.open(&tx, ["a"], b"").await.unwrap_err(),
        layer.list(&tx, [""; 0]).await.unwrap_err(),
    ] {
        assert!(matches!(error, DirectoryError::Corrupt { .. }), "{error}");
    }
}
