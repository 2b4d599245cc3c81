//! What can be unpacked.

use bytes::Bytes;

use super::unpacker::at;
use super::{
    Element, Integer, Tuple, TupleVersionstamp, UnpackError, UnpackReason, Unpacker, Uuid,
};

/// A value that one element of a tuple can be unpacked to: the owned types of
/// [`super::PackElement`].
pub trait UnpackElement: Sized {
    /// Takes the next element.
    ///
    /// # Errors
    /// Names the offset and what is wrong there.
    fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError>;
}

/// A value that a whole tuple can be unpacked to: a Rust tuple of up to 12 elements, which must be
/// as many, or a [`Tuple`].
pub trait UnpackTuple: Sized {
    /// Takes the elements.
    ///
    /// # Errors
    /// Names the offset and what is wrong there.
    fn unpack_elements(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError>;
}

/// Takes the next element, if it is what is expected.
fn expect<T>(
    unpacker: &mut Unpacker<'_>,
    expected: &'static str,
    convert: impl FnOnce(Element) -> Result<T, Element>,
) -> Result<T, UnpackError> {
    let offset = unpacker.offset();
    let Some(element) = unpacker.element()? else {
        return Err(at(offset, UnpackReason::Missing { expected }));
    };
    convert(element)
        .map_err(|other| at(offset, UnpackReason::OtherType { expected, found: other.type_name() }))
}

macro_rules! leaves {
    ($($type:ty: $variant:ident, $expected:literal;)*) => {
        $(impl UnpackElement for $type {
            fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
                expect(unpacker, $expected, |element| match element {
                    Element::$variant(value) => Ok(value.into()),
                    other => Err(other),
                })
            }
        })*
    };
}

leaves! {
    Integer: Integer, "an integer";
    f32: Float, "a 32-bit float";
    f64: Double, "a 64-bit float";
    bool: Bool, "a bool";
    String: String, "text";
    Bytes: Bytes, "bytes";
    Vec<u8>: Bytes, "bytes";
    Uuid: Uuid, "a UUID";
    TupleVersionstamp: Versionstamp, "a versionstamp";
}

macro_rules! integers {
    ($($type:ident)*) => {
        $(impl UnpackElement for $type {
            fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
                let offset = unpacker.offset();
                let expected = stringify!($type);
                let integer = Integer::unpack_element(unpacker)?;
                Self::try_from(&integer)
                    .map_err(|()| at(offset, UnpackReason::OutOfRange { expected }))
            }
        })*
    };
}

integers!(i8 i16 i32 i64 i128 u8 u16 u32 u64 u128);

impl UnpackElement for Element {
    fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        expect(unpacker, "an element", Ok)
    }
}

impl<T: UnpackElement> UnpackElement for Option<T> {
    fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        match unpacker.take_null() {
            true => Ok(None),
            false => T::unpack_element(unpacker).map(Some),
        }
    }
}

impl UnpackElement for Tuple {
    fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        unpacker.nested(Unpacker::elements)
    }
}

impl UnpackTuple for Tuple {
    fn unpack_elements(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        unpacker.elements()
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(
            impl<$($name: UnpackElement),*> UnpackTuple for ($($name,)*) {
                #[allow(unused_variables, clippy::unused_unit)]
                fn unpack_elements(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
                    Ok(($($name::unpack_element(unpacker)?,)*))
                }
            }

            impl<$($name: UnpackElement),*> UnpackElement for ($($name,)*) {
                fn unpack_element(unpacker: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
                    unpacker.nested(Self::unpack_elements)
                }
            }
        )*
    };
}

tuples! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}
