//! Random elements and tuples.

use aspen_core::Versionstamp;
use aspen_layers::tuple::{Element, Integer, Tuple, TupleVersionstamp, Uuid};
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Bytes of few kinds, so that one string often begins another and zeros and escapes meet.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0x00), Just(0x01), Just(0x05), Just(0xfe), Just(0xff), any::<u8>()];
    vec(byte, 0..5)
}

fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![Just('\0'), Just('\u{1}'), Just('a'), Just('\u{ffff}'), any::<char>()];
    vec(char, 0..5).prop_map(String::from_iter)
}

/// Near powers of two, where lengths change, of every size.
fn integer() -> impl Strategy<Value = Integer> {
    let near_power = (any::<bool>(), 0_u32..72, -2_i128..3).prop_map(|(negative, bits, near)| {
        let number = (1_i128 << bits) + near;
        Integer::from(if negative { -number } else { number })
    });
    let large = (any::<bool>(), vec(any::<u8>(), 0..=255))
        .prop_map(|(negative, bytes)| Integer::from_magnitude(negative, &bytes).unwrap());
    prop_oneof![
        4 => near_power,
        1 => any::<i64>().prop_map(Integer::from),
        1 => any::<u128>().prop_map(Integer::from),
        2 => large,
    ]
}

fn float() -> impl Strategy<Value = f32> {
    let edge = [0.0, f32::INFINITY, f32::NAN, f32::MIN_POSITIVE, f32::MAX, 1.0];
    let edge = (0..edge.len(), any::<bool>())
        .prop_map(move |(at, negative)| if negative { -edge[at] } else { edge[at] });
    prop_oneof![edge, any::<u32>().prop_map(f32::from_bits)]
}

fn double() -> impl Strategy<Value = f64> {
    let edge = [0.0, f64::INFINITY, f64::NAN, f64::MIN_POSITIVE, f64::MAX, 1.0];
    let edge = (0..edge.len(), any::<bool>())
        .prop_map(move |(at, negative)| if negative { -edge[at] } else { edge[at] });
    prop_oneof![edge, any::<u64>().prop_map(f64::from_bits)]
}

fn versionstamp() -> impl Strategy<Value = TupleVersionstamp> {
    (any::<[u8; 10]>(), any::<u16>()).prop_map(|(transaction, user)| {
        TupleVersionstamp::complete(Versionstamp::from_bytes(transaction), user)
    })
}

pub(crate) fn element() -> impl Strategy<Value = Element> {
    let leaf = prop_oneof![
        Just(Element::Null),
        bytes().prop_map(Element::from),
        text().prop_map(Element::from),
        integer().prop_map(Element::from),
        float().prop_map(Element::from),
        double().prop_map(Element::from),
        any::<bool>().prop_map(Element::from),
        any::<[u8; 16]>().prop_map(|bytes| Element::from(Uuid::from_bytes(bytes))),
        versionstamp().prop_map(Element::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        vec(inner, 0..4).prop_map(|elements| Element::from(Tuple::from_iter(elements)))
    })
}

pub(crate) fn tuple() -> impl Strategy<Value = Tuple> {
    vec(element(), 0..5).prop_map(Tuple::from_iter)
}

/// Two tuples that are often alike.
pub(crate) fn pair() -> impl Strategy<Value = (Tuple, Tuple)> {
    let shared = (tuple(), tuple(), tuple()).prop_map(|(first, one, other)| {
        let after = |rest: Tuple| -> Tuple {
            first.elements().iter().cloned().chain(rest.into_elements()).collect()
        };
        (after(one), after(other))
    });
    let same_type = (integer(), integer())
        .prop_map(|(one, other)| (Tuple::new().with(one), Tuple::new().with(other)));
    let floats = (double(), double())
        .prop_map(|(one, other)| (Tuple::new().with(one), Tuple::new().with(other)));
    prop_oneof![4 => shared, 2 => same_type, 1 => floats, 1 => (tuple(), tuple())]
}
