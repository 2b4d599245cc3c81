//! The one place where values become bytes and bytes become values.
//!
//! The format is bincode 2's `standard` configuration through serde: variable-length little-endian
//! integers, enum variants by position, lengths before sequences, no field names. Golden-byte tests
//! pin it, so that a compatible crate could take its place.

pub mod bounded;

mod borrowing;

use std::marker::PhantomData;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use borrowing::Borrowing;

/// The largest value that [`decode`] accepts, in bytes. It stays above a message so that only the
/// message limit ever speaks. Texts and byte strings take no more than the input holds of them.
pub const DECODE_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(DECODE_BYTES_MAX > crate::MESSAGE_BYTES_MAX);

/// A value that could not be encoded, or bytes that are not the value they should be.
#[derive(Debug, thiserror::Error)]
#[error("codec: {detail}")]
pub struct CodecError {
    detail: String,
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>()
}

/// Encodes a value.
///
/// # Errors
/// When the value's `Serialize` fails; ours never do.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, CodecError> {
    bincode::serde::encode_to_vec(value, config())
        .map(Bytes::from)
        .map_err(|error| CodecError { detail: error.to_string() })
}

/// Decodes exactly one value from all of `bytes`.
///
/// # Errors
/// When the bytes are malformed, too many, or followed by more bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value = Borrowing(PhantomData::<T>);
    let (value, read) = bincode::serde::seed_decode_from_slice(value, bytes, config())
        .map_err(|error| CodecError { detail: error.to_string() })?;
    match bytes.len() - read {
        0 => Ok(value),
        rest => Err(CodecError { detail: format!("{rest} bytes left over after the value") }),
    }
}

#[cfg(test)]
mod tests;
