//! Unpacking, element by element.

use aspen_core::{VERSIONSTAMP_BYTES, Versionstamp};

use super::{
    Element, Integer, TUPLE_DEPTH_MAX, Tuple, TupleVersionstamp, UnpackError, UnpackReason, Uuid,
    code,
};

/// Takes elements off bytes; what implementations of [`super::UnpackElement`] read from.
#[derive(Debug)]
pub struct Unpacker<'a> {
    bytes: &'a [u8],
    offset: usize,
    depth: usize,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset, depth: 0 }
    }

    /// Where the next element begins, in the bytes given.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The next element; `None` where the tuple, or the nested one, ends.
    ///
    /// # Errors
    /// Names the offset and what is wrong there.
    pub fn element(&mut self) -> Result<Option<Element>, UnpackError> {
        if self.at_end() {
            return Ok(None);
        }
        let start = self.offset;
        let code = self.take::<1>("a nested tuple")?[0];
        Ok(Some(match code {
            code::NULL => {
                self.offset += usize::from(self.depth > 0);
                Element::Null
            }
            code::BYTES => Element::Bytes(self.terminated("bytes")?.into()),
            code::STRING => {
                let text = String::from_utf8(self.terminated("text")?);
                Element::String(text.map_err(|_| at(start, UnpackReason::NotUtf8))?)
            }
            code::NESTED => {
                self.offset = start;
                Element::Tuple(self.nested(Self::elements)?)
            }
            code::FLOAT => Element::Float(self.float()?),
            code::DOUBLE => Element::Double(self.double()?),
            code::FALSE => Element::Bool(false),
            code::TRUE => Element::Bool(true),
            code::UUID => Element::Uuid(Uuid::from_bytes(self.take("a UUID")?)),
            code::VERSIONSTAMP => Element::Versionstamp(self.versionstamp()?),
            code::INTEGER_NEGATIVE_LARGE..=code::INTEGER_POSITIVE_LARGE => {
                Element::Integer(self.integer(code, start)?)
            }
            code => return Err(at(start, unknown(code))),
        }))
    }

    /// All elements up to the end of the tuple, or of the nested one.
    pub(super) fn elements(&mut self) -> Result<Tuple, UnpackError> {
        let mut tuple = Tuple::new();
        while let Some(element) = self.element()? {
            tuple.push(element);
        }
        Ok(tuple)
    }

    /// Goes through a nested tuple, which the closure must take to its end.
    ///
    /// # Errors
    /// When the next element is none, or nests deeper than [`TUPLE_DEPTH_MAX`]; the closure's own.
    pub fn nested<T>(
        &mut self,
        elements: impl FnOnce(&mut Self) -> Result<T, UnpackError>,
    ) -> Result<T, UnpackError> {
        let start = self.offset;
        if self.bytes.get(start) != Some(&code::NESTED) {
            return Err(self.other_type("a nested tuple"));
        }
        if self.depth == TUPLE_DEPTH_MAX {
            return Err(at(start, UnpackReason::TooDeep));
        }
        self.offset += 1;
        self.depth += 1;
        let nested = elements(self)?;
        if !self.at_end() && self.offset < self.bytes.len() {
            return Err(at(self.offset, UnpackReason::Trailing));
        }
        self.take::<1>("a nested tuple")?;
        self.depth -= 1;
        Ok(nested)
    }

    /// Takes the next element if it is null.
    pub(super) fn take_null(&mut self) -> bool {
        let is_null = !self.at_end() && self.bytes.get(self.offset) == Some(&code::NULL);
        if is_null {
            self.offset += 1 + usize::from(self.depth > 0);
        }
        is_null
    }

    /// Says that the next element is not of the type asked for, or is not good.
    fn other_type(&mut self, expected: &'static str) -> UnpackError {
        let offset = self.offset;
        match self.element() {
            Ok(Some(element)) => {
                let found = element.type_name();
                at(offset, UnpackReason::OtherType { expected, found })
            }
            Ok(None) => at(offset, UnpackReason::Missing { expected }),
            Err(error) => error,
        }
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(&self) -> Result<(), UnpackError> {
        match self.at_end() {
            true => Ok(()),
            false => Err(at(self.offset, UnpackReason::Trailing)),
        }
    }

    /// Whether the tuple, or the nested one, ends here. A nested one ends with a zero, since a null
    /// in it is escaped; without one, whoever takes the next byte finds the bytes truncated.
    fn at_end(&self) -> bool {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        match (self.depth, rest) {
            (0, rest) => rest.is_empty(),
            (_, [code::NULL, next, ..]) => *next != code::ESCAPE,
            (_, rest) => rest == [code::NULL],
        }
    }

    fn take<const N: usize>(&mut self, within: &'static str) -> Result<[u8; N], UnpackError> {
        let found = self.bytes.get(self.offset..).and_then(|rest| rest.first_chunk::<N>());
        let taken = found.ok_or(at(self.bytes.len(), UnpackReason::Truncated { within }))?;
        self.offset += N;
        Ok(*taken)
    }

    /// The bytes up to the first zero that is not escaped.
    fn terminated(&mut self, within: &'static str) -> Result<Vec<u8>, UnpackError> {
        let mut found = Vec::new();
        loop {
            let rest = self.bytes.get(self.offset..).unwrap_or_default();
            let Some(zero) = rest.iter().position(|byte| *byte == 0) else {
                return Err(at(self.bytes.len(), UnpackReason::Truncated { within }));
            };
            found.extend_from_slice(&rest[..zero]);
            self.offset += zero + 1;
            if rest.get(zero + 1) != Some(&code::ESCAPE) {
                return Ok(found);
            }
            found.push(0);
            self.offset += 1;
        }
    }

    /// The integer after its code.
    fn integer(&mut self, code: u8, start: usize) -> Result<Integer, UnpackError> {
        let within = "an integer";
        let negative = code < code::INTEGER_ZERO;
        let flip = if negative { 0xff } else { 0x00 };
        let is_large = matches!(code, code::INTEGER_NEGATIVE_LARGE | code::INTEGER_POSITIVE_LARGE);
        let len = match is_large {
            true => usize::from(self.take::<1>(within)?[0] ^ flip),
            false => usize::from(code.abs_diff(code::INTEGER_ZERO)),
        };
        let end = self.offset + len;
        let packed = self.bytes.get(self.offset..end);
        let packed = packed.ok_or(at(self.bytes.len(), UnpackReason::Truncated { within }))?;
        self.offset = end;
        let magnitude: Vec<u8> = packed.iter().map(|byte| byte ^ flip).collect();
        let fits_small = is_large && len <= code::SMALL_INTEGER_BYTES_MAX;
        if fits_small || magnitude.first() == Some(&0) {
            return Err(at(start, UnpackReason::PaddedInteger));
        }
        // The length is one byte, so the limit of integers holds.
        Integer::from_magnitude(negative, &magnitude)
            .map_err(|_| at(start, UnpackReason::OutOfRange { expected: "an integer" }))
    }

    fn float(&mut self) -> Result<f32, UnpackError> {
        let packed = u32::from_be_bytes(self.take("a 32-bit float")?);
        let mask = if packed >> 31 == 0 { u32::MAX } else { 1 << 31 };
        Ok(f32::from_bits(packed ^ mask))
    }

    fn double(&mut self) -> Result<f64, UnpackError> {
        let packed = u64::from_be_bytes(self.take("a 64-bit float")?);
        let mask = if packed >> 63 == 0 { u64::MAX } else { 1 << 63 };
        Ok(f64::from_bits(packed ^ mask))
    }

    fn versionstamp(&mut self) -> Result<TupleVersionstamp, UnpackError> {
        let within = "a versionstamp";
        let transaction = Versionstamp::from_bytes(self.take::<VERSIONSTAMP_BYTES>(within)?);
        let user = u16::from_be_bytes(self.take(within)?);
        Ok(TupleVersionstamp::complete(transaction, user))
    }
}

pub(super) fn at(offset: usize, reason: UnpackReason) -> UnpackError {
    UnpackError { offset, reason }
}

fn unknown(code: u8) -> UnpackReason {
    match code::reserved_for(code) {
        Some(purpose) => UnpackReason::ReservedCode { code, purpose },
        None => UnpackReason::UnknownCode { code },
    }
}
