//! The type codes of the specification (`design/tuple.md` of apple/foundationdb). None is ever
//! reused.

pub(super) const NULL: u8 = 0x00;
pub(super) const BYTES: u8 = 0x01;
pub(super) const STRING: u8 = 0x02;
pub(super) const NESTED: u8 = 0x05;
/// A negative integer of 9 to 255 bytes.
pub(super) const INTEGER_NEGATIVE_LARGE: u8 = 0x0b;
/// The integer zero; `n` codes above it are positive integers of `n` bytes, below it negative ones.
pub(super) const INTEGER_ZERO: u8 = 0x14;
/// A positive integer of 9 to 255 bytes.
pub(super) const INTEGER_POSITIVE_LARGE: u8 = 0x1d;
pub(super) const FLOAT: u8 = 0x20;
pub(super) const DOUBLE: u8 = 0x21;
pub(super) const FALSE: u8 = 0x26;
pub(super) const TRUE: u8 = 0x27;
pub(super) const UUID: u8 = 0x30;
pub(super) const VERSIONSTAMP: u8 = 0x33;

/// What follows a `00` that is part of bytes or text, or a null inside a nested tuple.
pub(super) const ESCAPE: u8 = 0xff;

/// The most bytes of an integer whose type code tells its length.
pub(super) const SMALL_INTEGER_BYTES_MAX: usize = 8;

/// What a type code that cannot be unpacked is reserved for; `None` when it means nothing.
pub(super) fn reserved_for(code: u8) -> Option<&'static str> {
    Some(match code {
        0x03 | 0x04 => "the deprecated nested tuple",
        0x0a | 0x1e => "integers beyond 255 bytes",
        0x22 => "80-bit floats",
        0x23 | 0x24 => "decimals",
        0x25 => "the deprecated true",
        0x31 => "64-bit identifiers",
        0x32 => "80-bit versionstamps",
        0x40..=0x4f => "users' own types",
        _ => return None,
    })
}
