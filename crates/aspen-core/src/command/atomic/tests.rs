//! Vectors after FoundationDB's documentation of its mutation types.

use super::AtomicOperation::*;
use super::*;

fn value(bytes: &[u8]) -> Value {
    Value::new(bytes.to_vec()).unwrap()
}

type Kind = fn(Value) -> AtomicOperation;

/// Operation, value found, operand, value afterwards.
type Vector = (Kind, Option<&'static [u8]>, &'static [u8], Option<&'static [u8]>);

#[track_caller]
fn check(vectors: &[Vector]) {
    for (kind, found, operand, expected) in vectors {
        let operation = kind(value(operand));
        let after = operation.apply(found.map(value));
        assert_eq!(after, expected.map(value), "{operation:?} on {found:?}");
        assert_eq!(operation.operand(), &value(operand));
    }
}

#[test]
fn add_has_the_width_of_its_operand() {
    check(&[
        (Add, None, &[5, 0], Some(&[5, 0])),
        (Add, Some(&[]), &[5], Some(&[5])),
        (Add, Some(&[0xff, 0]), &[1, 0], Some(&[0, 1])),
        // A carry through every byte, and one that is lost.
        (Add, Some(&[0xff, 0xff, 0]), &[1, 0, 0], Some(&[0, 0, 1])),
        (Add, Some(&[0xff, 0xff]), &[1, 0], Some(&[0, 0])),
        // Minus one in two's complement.
        (Add, Some(&[7, 0]), &[0xff, 0xff], Some(&[6, 0])),
        // Shorter values are extended, longer ones cut.
        (Add, Some(&[0xff]), &[1, 0, 0], Some(&[0, 1, 0])),
        (Add, Some(&[0xff, 9]), &[1], Some(&[0])),
        (Add, Some(&[1, 2]), &[], Some(&[])),
    ]);
}

#[test]
fn bits_have_the_width_of_their_operand() {
    check(&[
        (BitAnd, None, &[0b1010], Some(&[0b1010])),
        (BitAnd, Some(&[0b0110]), &[0b1010], Some(&[0b0010])),
        (BitAnd, Some(&[0xff]), &[0xff, 0xff], Some(&[0xff, 0])),
        (BitAnd, Some(&[0xff, 0xff]), &[0xf0], Some(&[0xf0])),
        // Present and empty is not missing.
        (BitAnd, Some(&[]), &[0xff], Some(&[0])),
        (BitOr, None, &[0b1010], Some(&[0b1010])),
        (BitOr, Some(&[0b0110]), &[0b1010, 1], Some(&[0b1110, 1])),
        (BitOr, Some(&[1, 1]), &[2], Some(&[3])),
        (BitXor, None, &[0b1010], Some(&[0b1010])),
        (BitXor, Some(&[0b0110]), &[0b1010, 1], Some(&[0b1100, 1])),
        (BitXor, Some(&[1, 1]), &[1], Some(&[0])),
    ]);
}

#[test]
fn min_and_max_compare_little_endian_numbers() {
    check(&[
        (Max, None, &[3], Some(&[3])),
        (Max, None, &[0, 0], Some(&[0, 0])),
        (Max, Some(&[0xff, 0]), &[0, 1], Some(&[0, 1])),
        (Max, Some(&[0, 1]), &[0xff, 0], Some(&[0, 1])),
        (Max, Some(&[9]), &[1, 0], Some(&[9, 0])),
        (Max, Some(&[2, 7]), &[1], Some(&[2])),
        (Min, None, &[3], Some(&[3])),
        (Min, Some(&[]), &[3], Some(&[0])),
        (Min, Some(&[0xff, 0]), &[0, 1], Some(&[0xff, 0])),
        (Min, Some(&[0, 1]), &[0xff, 0], Some(&[0xff, 0])),
        (Min, Some(&[9]), &[10, 0], Some(&[9, 0])),
        (Min, Some(&[2, 7]), &[3], Some(&[2])),
    ]);
}

#[test]
fn byte_min_and_byte_max_compare_text() {
    check(&[
        (ByteMax, None, b"a", Some(b"a")),
        (ByteMax, Some(b"ab"), b"b", Some(b"b")),
        (ByteMax, Some(b"ab"), b"a", Some(b"ab")),
        (ByteMin, None, b"a", Some(b"a")),
        (ByteMin, Some(b"ab"), b"b", Some(b"ab")),
        (ByteMin, Some(b"ab"), b"a", Some(b"a")),
        (ByteMin, Some(b""), b"a", Some(b"")),
    ]);
}

#[test]
fn compare_and_clear_touches_nothing_else() {
    check(&[
        (CompareAndClear, None, b"a", None),
        (CompareAndClear, None, b"", None),
        (CompareAndClear, Some(b"a"), b"a", None),
        (CompareAndClear, Some(b"a"), b"ab", Some(b"a")),
    ]);
    let operation = CompareAndClear(value(b"a"));
    assert_eq!(operation.effect(Some(&value(b"b"))), AtomicEffect::Unchanged);
    assert_eq!(operation.effect(Some(&value(b"a"))), AtomicEffect::Delete);
    assert_eq!(operation.effect(None), AtomicEffect::Unchanged);
}

#[test]
fn append_fits_up_to_the_largest_value() {
    check(&[
        (AppendIfFits, None, b"a", Some(b"a")),
        (AppendIfFits, None, b"", Some(b"")),
        (AppendIfFits, Some(b"a"), b"b", Some(b"ab")),
    ]);
    let nearly = value(&vec![1; VALUE_BYTES_MAX - 1]);
    let full = AppendIfFits(value(&[2])).apply(Some(nearly.clone())).unwrap();
    assert_eq!((full.len(), full.as_bytes().last()), (VALUE_BYTES_MAX, Some(&2)));
    assert_eq!(AppendIfFits(value(&[2])).apply(Some(full.clone())), Some(full));
    assert_eq!(AppendIfFits(value(&[2, 3])).apply(Some(nearly.clone())), Some(nearly));
}
