//! Packed tuples sort as tuples do, and come back as they were.

use aspen_core::Versionstamp;
use aspen_layers::subspace::Subspace;
use aspen_layers::tuple::{Element, Tuple, TupleVersionstamp, Uuid, pack, range, unpack};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generated::{cases, element, pair, tuple};

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn what_is_packed_comes_back(tuple in tuple()) {
        prop_assert_eq!(unpack::<Tuple>(&pack(&tuple).unwrap()).unwrap(), tuple);
    }

    #[test]
    fn bytes_sort_as_the_tuples((one, other) in pair()) {
        prop_assert_eq!(pack(&one).unwrap().cmp(&pack(&other).unwrap()), one.cmp(&other));
    }

    #[test]
    fn a_range_holds_what_begins_with_its_tuple(
        (one, other) in pair(),
        more in vec(element(), 1..3),
    ) {
        let inside = range(&one).unwrap();
        prop_assert!(!inside.contains(&pack(&one).unwrap()));
        let longer: Tuple = one.elements().iter().cloned().chain(more).collect();
        prop_assert!(inside.contains(&pack(&longer).unwrap()));
        let begins = other.elements().starts_with(one.elements()) && other != one;
        prop_assert_eq!(inside.contains(&pack(&other).unwrap()), begins);
    }

    #[test]
    fn a_subspace_adds_its_prefix(prefix in vec(any::<u8>(), 1..4), (outer, inner) in pair()) {
        let subspace = Subspace::new(prefix.clone()).nested(&outer).unwrap();
        let Ok(key) = subspace.pack(&inner) else { return Ok(()) };
        prop_assert!(key.as_bytes().starts_with(&prefix));
        prop_assert_eq!(subspace.unpack::<Tuple>(&key).unwrap(), inner.clone());
        let whole: Tuple = Subspace::new(prefix).unpack(&key).unwrap();
        let both = outer.elements().iter().chain(inner.elements()).cloned();
        prop_assert_eq!(whole, both.collect::<Tuple>());
        prop_assert_eq!(subspace.range().contains(key.as_bytes()), !inner.elements().is_empty());
    }

    #[test]
    fn all_keys_of_one_partition_share_it(prefix in tuple(), inner in tuple()) {
        let subspace = Subspace::new("p").nested(&prefix).unwrap().in_one_partition();
        let Ok(key) = subspace.pack(&inner) else { return Ok(()) };
        let partition = key.as_bytes().split(|byte| *byte == 0).next();
        prop_assert_eq!(partition, subspace.partition());
    }
}

/// The order that the specification defines, spelled out.
#[test]
fn types_and_edges_in_order() {
    let nested = |elements: &[Element]| Element::from(elements.iter().cloned().collect::<Tuple>());
    let stamp = |last| Versionstamp::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let sorted: Vec<Element> = vec![
        Element::Null,
        vec![].into(),
        vec![0].into(),
        vec![0, 0].into(),
        vec![0, 1].into(),
        vec![1].into(),
        "".into(),
        "\0".into(),
        "a".into(),
        "a\0".into(),
        "ab".into(),
        nested(&[]),
        nested(&[Element::Null]),
        nested(&[Element::Null, Element::Null]),
        nested(&[Element::Null, 1.into()]),
        nested(&[vec![].into()]),
        nested(&[nested(&[])]),
        nested(&[nested(&[]), Element::Null]),
        nested(&[nested(&[Element::Null])]),
        i128::MIN.into(),
        (-(1_i128 << 64)).into(),
        (-i128::from(u64::MAX)).into(),
        i64::MIN.into(),
        (-256).into(),
        (-255).into(),
        (-1).into(),
        0.into(),
        1.into(),
        255.into(),
        256.into(),
        u64::MAX.into(),
        (1_u128 << 64).into(),
        u128::MAX.into(),
        f32::from_bits(u32::MAX).into(),
        (-f32::NAN).into(),
        f32::NEG_INFINITY.into(),
        (-1_f32).into(),
        (-0.0_f32).into(),
        0.0_f32.into(),
        f32::MIN_POSITIVE.into(),
        f32::INFINITY.into(),
        f32::NAN.into(),
        f64::NEG_INFINITY.into(),
        (-0.0).into(),
        0.0.into(),
        f64::INFINITY.into(),
        f64::NAN.into(),
        false.into(),
        true.into(),
        Uuid::from_bytes([0; 16]).into(),
        Uuid::from_bytes([0xff; 16]).into(),
        TupleVersionstamp::complete(stamp(1), 9).into(),
        TupleVersionstamp::complete(stamp(2), 0).into(),
        TupleVersionstamp::complete(stamp(2), 1).into(),
    ];
    let packed: Vec<_> = sorted.iter().map(|it| pack(&(it,)).unwrap()).collect();
    for (elements, packed) in sorted.windows(2).zip(packed.windows(2)) {
        let (one, other) = (&elements[0], &elements[1]);
        assert!(one < other, "{one} before {other}");
        assert!(packed[0] < packed[1], "{one} before {other} when packed");
    }
    let incomplete: Element = TupleVersionstamp::incomplete(0).into();
    assert!(sorted.iter().all(|element| *element < incomplete));
}
