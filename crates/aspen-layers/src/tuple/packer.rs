//! Packing, element by element.

use aspen_core::Versionstamp;

use super::integer::without_zeros;
use super::{Integer, PackError, TupleVersionstamp, Uuid, code};

/// How deep tuples may nest: deeper than any use, shallow enough for a small stack.
pub const TUPLE_DEPTH_MAX: usize = 64;

/// Appends elements to bytes; what implementations of [`super::PackElement`] write to.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
    depth: usize,
    /// How many incomplete versionstamps there are, and where the last one is.
    incomplete: usize,
    stamp_offset: usize,
}

impl Packer {
    /// A packer whose bytes begin with a prefix.
    pub(crate) fn after(prefix: &[u8]) -> Self {
        Self { bytes: prefix.to_vec(), ..Self::default() }
    }

    /// Appends null.
    pub fn null(&mut self) {
        self.bytes.push(code::NULL);
        // A bare zero ends a nested tuple.
        if self.depth > 0 {
            self.bytes.push(code::ESCAPE);
        }
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.terminated(code::BYTES, bytes);
    }

    /// Appends text.
    pub fn string(&mut self, text: &str) {
        self.terminated(code::STRING, text.as_bytes());
    }

    /// Appends an integer.
    pub fn integer(&mut self, integer: &Integer) {
        match integer.as_small() {
            Some((negative, magnitude)) => {
                self.magnitude(negative, without_zeros(&magnitude.to_be_bytes()));
            }
            None => self.magnitude(integer.is_negative(), &integer.magnitude()),
        }
    }

    /// Appends a float of 32 bits.
    pub fn float(&mut self, float: f32) {
        let bits = float.to_bits();
        let mask = if float.is_sign_negative() { u32::MAX } else { 1 << 31 };
        self.coded(code::FLOAT, &(bits ^ mask).to_be_bytes());
    }

    /// Appends a float of 64 bits.
    pub fn double(&mut self, double: f64) {
        let bits = double.to_bits();
        let mask = if double.is_sign_negative() { u64::MAX } else { 1 << 63 };
        self.coded(code::DOUBLE, &(bits ^ mask).to_be_bytes());
    }

    /// Appends a truth value.
    pub fn bool(&mut self, truth: bool) {
        self.bytes.push(if truth { code::TRUE } else { code::FALSE });
    }

    /// Appends a UUID.
    pub fn uuid(&mut self, uuid: &Uuid) {
        self.coded(code::UUID, uuid.as_bytes());
    }

    /// Appends a versionstamp; an incomplete one is packed as the placeholder that the commit
    /// replaces.
    pub fn versionstamp(&mut self, stamp: TupleVersionstamp) {
        if stamp.transaction().is_none() {
            self.incomplete += 1;
            self.stamp_offset = self.bytes.len() + 1;
        }
        let transaction =
            stamp.transaction().map_or(Versionstamp::PLACEHOLDER, |it| *it.as_bytes());
        self.coded(code::VERSIONSTAMP, &transaction);
        self.bytes.extend_from_slice(&stamp.user().to_be_bytes());
    }

    /// Appends a nested tuple of the elements that the closure appends.
    ///
    /// # Errors
    /// When it nests deeper than [`TUPLE_DEPTH_MAX`], and the closure's own.
    pub fn nested(
        &mut self,
        elements: impl FnOnce(&mut Self) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        if self.depth == TUPLE_DEPTH_MAX {
            return Err(PackError::TooDeep);
        }
        self.bytes.push(code::NESTED);
        self.depth += 1;
        elements(self)?;
        self.depth -= 1;
        self.bytes.push(code::NULL);
        Ok(())
    }

    /// The bytes of a tuple without incomplete versionstamps.
    pub(crate) fn finish(self) -> Result<Vec<u8>, PackError> {
        match self.incomplete {
            0 => Ok(self.bytes),
            _ => Err(PackError::Incomplete),
        }
    }

    /// The bytes of a tuple with one incomplete versionstamp, and the offset of its placeholder.
    pub(crate) fn finish_with_versionstamp(self) -> Result<(Vec<u8>, u32), PackError> {
        match self.incomplete {
            // What is longer than a `u32` counts is beyond the limits of keys and values.
            1 => Ok((self.bytes, u32::try_from(self.stamp_offset).unwrap_or(u32::MAX))),
            found => Err(PackError::VersionstampCount { found }),
        }
    }

    fn coded(&mut self, code: u8, bytes: &[u8]) {
        self.bytes.push(code);
        self.bytes.extend_from_slice(bytes);
    }

    fn terminated(&mut self, code: u8, bytes: &[u8]) {
        self.bytes.push(code);
        for part in bytes.split_inclusive(|byte| *byte == 0) {
            self.bytes.extend_from_slice(part);
            if part.ends_with(&[0]) {
                self.bytes.push(code::ESCAPE);
            }
        }
        self.bytes.push(0);
    }

    /// Appends an integer by its magnitude without leading zeros. A negative one is its one's
    /// complement, so that a larger magnitude sorts first.
    fn magnitude(&mut self, negative: bool, magnitude: &[u8]) {
        let flip = if negative { 0xff } else { 0x00 };
        let len = magnitude.len() as u8;
        match (magnitude.len() <= code::SMALL_INTEGER_BYTES_MAX, negative) {
            (true, true) => self.bytes.push(code::INTEGER_ZERO - len),
            (true, false) => self.bytes.push(code::INTEGER_ZERO + len),
            (false, true) => self.bytes.extend([code::INTEGER_NEGATIVE_LARGE, len ^ flip]),
            (false, false) => self.bytes.extend([code::INTEGER_POSITIVE_LARGE, len]),
        }
        self.bytes.extend(magnitude.iter().map(|byte| byte ^ flip));
    }
}
