//! Tuples as bytes that sort as the tuples do, byte for byte as FoundationDB's tuple layer packs
//! them (its specification: `design/tuple.md` of apple/foundationdb).
//!
//! [`pack`] takes Rust tuples of up to 12 elements, or a [`Tuple`] put together at run time;
//! [`unpack`] gives them back.
//!
//! ```
//! use aspen_layers::tuple::{self, Tuple};
//!
//! let packed = tuple::pack(&("orders", 7, None::<i64>))?;
//! assert_eq!(packed, b"\x02orders\0\x15\x07\0");
//!
//! let (table, id, note): (String, u32, Option<i64>) = tuple::unpack(&packed)?;
//! assert_eq!((table.as_str(), id, note), ("orders", 7, None));
//!
//! let any: Tuple = tuple::unpack(&packed)?;
//! assert_eq!(any.to_string(), r#"("orders", 7, null)"#);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order
//!
//! Tuples sort element by element, a tuple before those that it begins. Elements of different types
//! sort as null < bytes < text < nested tuple < integer < `f32` < `f64` < bool < UUID <
//! versionstamp; integers by their value, whatever Rust type they had; floats by IEEE 754's total
//! order, so that `-0.0 < 0.0` and NaNs are at both ends; text by its UTF-8 bytes. [`Tuple`] and
//! [`Element`] compare the same way.
//!
//! # What is refused
//!
//! [`unpack`] accepts exactly what [`pack`] makes, so that no two keys are one tuple: an integer
//! with a leading zero, which no binding writes, is refused. So are the type codes that the
//! specification only reserves. Nothing nests deeper than [`TUPLE_DEPTH_MAX`].

mod code;
mod dynamic;
mod element;
mod error;
mod integer;
mod pack;
mod packer;
mod uuid;
mod versionstamp;

mod unpack;
mod unpacker;

use aspen_core::KeyRange;

pub use dynamic::Tuple;
pub use element::Element;
pub use error::{PackError, UnpackError, UnpackReason};
pub use integer::{INTEGER_BYTES_MAX, Integer, IntegerTooLarge};
pub use pack::{PackElement, PackTuple};
pub use packer::{Packer, TUPLE_DEPTH_MAX};
pub use unpack::{UnpackElement, UnpackTuple};
pub use unpacker::Unpacker;
pub use uuid::Uuid;
pub use versionstamp::TupleVersionstamp;

/// The bytes of a tuple.
///
/// # Errors
/// When it nests too deep, or holds an incomplete versionstamp, for which there is
/// [`pack_with_versionstamp`].
pub fn pack<T: PackTuple + ?Sized>(tuple: &T) -> Result<Vec<u8>, PackError> {
    let mut packer = Packer::default();
    tuple.pack_elements(&mut packer)?;
    packer.finish()
}

/// The bytes of a tuple that holds one incomplete versionstamp, and the offset at which the 10
/// zero bytes are that the commit replaces: what [`aspen_core::StampPosition`] wants.
///
/// ```
/// use aspen_core::StampPosition;
/// use aspen_layers::tuple::{self, TupleVersionstamp};
///
/// let (packed, offset) =
///     tuple::pack_with_versionstamp(&("log", TupleVersionstamp::incomplete(7)))?;
/// assert_eq!(packed, b"\x02log\0\x33\0\0\0\0\0\0\0\0\0\0\0\x07");
/// let position = StampPosition::Value(offset);
/// # assert_eq!(position, StampPosition::Value(6));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When it nests too deep, or the incomplete versionstamps in it are not exactly one.
pub fn pack_with_versionstamp<T: PackTuple + ?Sized>(
    tuple: &T,
) -> Result<(Vec<u8>, u32), PackError> {
    let mut packer = Packer::default();
    tuple.pack_elements(&mut packer)?;
    packer.finish_with_versionstamp()
}

/// The tuple that packs to these bytes: a Rust tuple, or a [`Tuple`] of whatever is there.
///
/// # Errors
/// Names the offset and what is wrong there.
pub fn unpack<T: UnpackTuple>(bytes: &[u8]) -> Result<T, UnpackError> {
    unpack_after(bytes, 0)
}

/// The tuple that packs to the bytes from an offset on.
pub(crate) fn unpack_after<T: UnpackTuple>(bytes: &[u8], offset: usize) -> Result<T, UnpackError> {
    let mut unpacker = Unpacker::new(bytes, offset);
    let tuple = T::unpack_elements(&mut unpacker)?;
    unpacker.finish()?;
    Ok(tuple)
}

/// The keys of all tuples that begin with this one and have more elements.
///
/// # Errors
/// As [`pack`].
pub fn range<T: PackTuple + ?Sized>(tuple: &T) -> Result<KeyRange, PackError> {
    Ok(range_after(&pack(tuple)?))
}

/// The keys that are these bytes and then a tuple of at least one element: every type code lies
/// between `00` and `ff`.
pub(crate) fn range_after(prefix: &[u8]) -> KeyRange {
    KeyRange::half_open([prefix, &[0x00]].concat(), [prefix, &[0xff]].concat())
}
