//! Rust types as elements and tuples, and what is refused.

use aspen_core::{Key, StampPosition};
use aspen_layers::subspace::Subspace;
use aspen_layers::tuple::{
    Element, PackError, TUPLE_DEPTH_MAX, Tuple, TupleVersionstamp, UnpackTuple, Uuid, pack,
    pack_with_versionstamp, unpack,
};
use bytes::Bytes;

fn error_of<T: UnpackTuple + std::fmt::Debug>(bytes: &[u8]) -> String {
    unpack::<T>(bytes).unwrap_err().to_string()
}

#[test]
fn rust_values_come_back() {
    type Row = (i8, u64, Option<String>, Option<bool>, (f64, Vec<u8>, ()), Uuid, Bytes, i128);
    let uuid = Uuid::from_bytes([7; 16]);
    let row: Row =
        (-1, u64::MAX, None, Some(true), (-0.5, vec![0], ()), uuid, "b".into(), i128::MIN);
    assert_eq!(unpack::<Row>(&pack(&row).unwrap()).unwrap(), row);
    let nested: ((Option<i32>, Option<i32>),) = ((None, Some(4)),);
    assert_eq!(pack(&nested).unwrap(), b"\x05\x00\xff\x15\x04\x00");
    assert_eq!(
        unpack::<((Option<i32>, Option<i32>),)>(b"\x05\x00\xff\x15\x04\x00").unwrap(),
        nested
    );
    assert_eq!(pack(&(b"raw", [1_u8, 2])).unwrap(), b"\x01raw\x00\x01\x01\x02\x00");
    let (first, rest): (Element, Tuple) = unpack(&pack(&("a", (1, 2))).unwrap()).unwrap();
    assert_eq!((first, rest.to_string().as_str()), ("a".into(), "(1, 2)"));
    unpack::<()>(b"").unwrap();
}

#[test]
fn another_type_than_asked_for_is_told_with_its_offset() {
    let packed = pack(&("ab", 300, (1, None::<i64>))).unwrap();
    assert_eq!(packed, b"\x02ab\x00\x16\x01\x2c\x05\x15\x01\x00\xff\x00");
    let cases = [
        (error_of::<(i64,)>(&packed), "at offset 0, an integer expected, text found"),
        (error_of::<(String, u8)>(&packed), "at offset 4, the integer does not fit u8"),
        (error_of::<(String, i32)>(&packed), "at offset 7, the end of the tuple expected"),
        (error_of::<(String, i32, (i32, i32))>(&packed), "at offset 10, an integer expected, null"),
        (error_of::<(String, i32, (i32,))>(&packed), "at offset 10, the end of the tuple expected"),
        (error_of::<(String, i32, i32)>(&packed), "at offset 7, an integer expected, a nested"),
        (error_of::<(String, i32, Tuple, f64)>(&packed), "at offset 13, a 64-bit float expected"),
        (error_of::<(Tuple,)>(&packed), "at offset 0, a nested tuple expected, text found"),
        (
            error_of::<((i8, i8),)>(b"\x05\x15\x01\x00"),
            "at offset 3, an integer expected, the tuple",
        ),
        (error_of::<((i8,),)>(b"\x05\x15\x01"), "at offset 3, the bytes end within a nested tuple"),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn what_nests_too_deep_is_refused_both_ways() {
    let nest = |depth: usize| (0..depth).fold(Tuple::new(), |inner, _| Tuple::new().with(inner));
    let deepest = nest(TUPLE_DEPTH_MAX);
    assert_eq!(unpack::<Tuple>(&pack(&deepest).unwrap()).unwrap(), deepest);
    assert_eq!(pack(&nest(TUPLE_DEPTH_MAX + 1)), Err(PackError::TooDeep));
    let error = error_of::<Tuple>(&[0x05; 10_000]);
    assert!(error.contains("at offset 64") && error.contains("TUPLE_DEPTH_MAX"), "{error}");
}

#[test]
fn incomplete_versionstamps_are_packed_on_request_only() {
    let stamp = TupleVersionstamp::incomplete(1);
    let (packed, offset) = pack_with_versionstamp(&("x", (stamp,))).unwrap();
    assert_eq!(packed, b"\x02x\x00\x05\x33\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00");
    assert_eq!(offset, 5);
    assert_eq!(pack(&(stamp,)), Err(PackError::Incomplete));
    let count = |found| Err(PackError::VersionstampCount { found });
    assert_eq!(pack_with_versionstamp(&(1,)), count(0));
    assert_eq!(pack_with_versionstamp(&(stamp, (stamp,))), count(2));
    let subspace = Subspace::new("log/");
    let (key, position) = subspace.pack_with_versionstamp(&(stamp,)).unwrap();
    assert_eq!((key.as_bytes().len(), position), (17, StampPosition::Key(5)));
}

#[test]
fn a_subspace_refuses_the_keys_of_others() {
    let subspace = Subspace::new("app/").nested(&(1,)).unwrap();
    let other = Key::try_from("app!").unwrap();
    let error = subspace.unpack::<Tuple>(&other).unwrap_err().to_string();
    assert!(error.contains("at offset 3, the key leaves the subspace"), "{error}");
    let short = Key::try_from("app").unwrap();
    assert!(!subspace.contains(&short));
    assert_eq!(subspace.unpack::<Tuple>(&short).unwrap_err().offset, 3);
    let damaged = Key::new(&b"app/\x15\x01\x16\x01"[..]).unwrap();
    let error = subspace.unpack::<Tuple>(&damaged).unwrap_err();
    assert_eq!(error.offset, 8, "{error}");
    let long = subspace.pack(&("x".repeat(9_000),)).unwrap_err().to_string();
    assert!(long.contains("KEY_BYTES_MAX"), "{long}");
    assert!(Subspace::default().pack(&()).is_err());
}
