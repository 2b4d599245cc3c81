//! Keys that are packed tuples.

use aspen_layers::tuple::{Element, Tuple, TupleVersionstamp, Uuid, pack, unpack};

use crate::hostile::{Hostile, bombard};

fn good() -> Vec<Vec<u8>> {
    let stamp = TupleVersionstamp::complete(aspen_core::Versionstamp::from_bytes([7; 10]), 3);
    let leaves: Tuple = [
        Element::Null,
        vec![0, 0xff, 0].into(),
        "te\0xt".into(),
        (-5_551_212).into(),
        (1_u128 << 100).into(),
        (-0.5_f32).into(),
        f64::NAN.into(),
        true.into(),
        Uuid::from_bytes([9; 16]).into(),
        stamp.into(),
    ]
    .into_iter()
    .collect();
    let nested = (0..40).fold(leaves.clone(), |inner, _| Tuple::new().with(inner).with("after"));
    [leaves, nested].iter().map(|tuple| pack(tuple).unwrap()).collect()
}

#[test]
fn tuples() {
    bombard(&mut Hostile::new(60, good()), 4_000, |bytes| {
        let tuple = unpack::<Tuple>(bytes).map_err(|error| {
            assert!(error.offset <= bytes.len(), "{error}");
            error
        })?;
        assert_eq!(pack(&tuple).unwrap(), bytes);
        Ok::<_, aspen_layers::tuple::UnpackError>(())
    });
}
