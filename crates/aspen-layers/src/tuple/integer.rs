//! Integers of any size.

use std::cmp::Ordering;
use std::fmt;

/// The most bytes of an integer's magnitude: their number is one byte.
pub const INTEGER_BYTES_MAX: usize = 255;

/// The bytes of a `u128`, up to which magnitudes are kept as a number.
const SMALL_BYTES: usize = 16;

/// An integer of up to [`INTEGER_BYTES_MAX`] bytes and its sign. It converts from every integer of
/// Rust, and to those that it fits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Integer {
    /// Never set for zero.
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Magnitude {
    Small(u128),
    /// More than 16 bytes, big-endian, the first not zero.
    Large(Box<[u8]>),
}

/// An integer of more than [`INTEGER_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("integer of {len} bytes exceeds the limit of {INTEGER_BYTES_MAX} (INTEGER_BYTES_MAX)")]
pub struct IntegerTooLarge {
    /// The length that was given, in bytes, without leading zeros.
    pub len: usize,
}

impl Integer {
    /// The integer with this sign and magnitude, which is big-endian and may begin with zeros.
    ///
    /// # Errors
    /// When the magnitude has more than [`INTEGER_BYTES_MAX`] bytes.
    pub fn from_magnitude(negative: bool, magnitude: &[u8]) -> Result<Self, IntegerTooLarge> {
        let bytes = without_zeros(magnitude);
        match bytes.len() {
            0..=SMALL_BYTES => Ok(Self::small(negative, number(bytes))),
            len if len > INTEGER_BYTES_MAX => Err(IntegerTooLarge { len }),
            _ => Ok(Self { negative, magnitude: Magnitude::Large(bytes.into()) }),
        }
    }

    pub(super) fn small(negative: bool, magnitude: u128) -> Self {
        Self { negative: negative && magnitude > 0, magnitude: Magnitude::Small(magnitude) }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The magnitude: big-endian, without leading zeros, empty for zero.
    pub fn magnitude(&self) -> Vec<u8> {
        match &self.magnitude {
            Magnitude::Small(number) => without_zeros(&number.to_be_bytes()).to_vec(),
            Magnitude::Large(bytes) => bytes.to_vec(),
        }
    }

    /// The sign and the magnitude, if that fits.
    pub(super) fn as_small(&self) -> Option<(bool, u128)> {
        match self.magnitude {
            Magnitude::Small(magnitude) => Some((self.negative, magnitude)),
            Magnitude::Large(_) => None,
        }
    }
}

/// The bytes without the zeros that they begin with.
pub(super) fn without_zeros(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    &bytes[first..]
}

/// The number of at most 16 big-endian bytes.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

impl Ord for Magnitude {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(this), Self::Small(other)) => this.cmp(other),
            (Self::Small(_), Self::Large(_)) => Ordering::Less,
            (Self::Large(_), Self::Small(_)) => Ordering::Greater,
            (Self::Large(this), Self::Large(other)) => {
                this.len().cmp(&other.len()).then_with(|| this.cmp(other))
            }
        }
    }
}

impl PartialOrd for Magnitude {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (negative, _) => {
                if negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Integer {
    /// Decimal; beyond 16 bytes hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.negative { "-" } else { "" })?;
        match &self.magnitude {
            Magnitude::Small(number) => write!(f, "{number}"),
            Magnitude::Large(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Integer({self})")
    }
}

macro_rules! convert {
    (signed: $($signed:ty)*; unsigned: $($unsigned:ty)*) => {
        $(impl From<$signed> for Integer {
            fn from(number: $signed) -> Self {
                Self::small(number < 0, number.unsigned_abs().into())
            }
        })*
        $(impl From<$unsigned> for Integer {
            fn from(number: $unsigned) -> Self {
                Self::small(false, number.into())
            }
        })*
        $(impl TryFrom<&Integer> for $signed {
            type Error = ();
            fn try_from(integer: &Integer) -> Result<Self, ()> {
                let (negative, magnitude) = integer.as_small().ok_or(())?;
                let number = match negative {
                    true => 0_i128.checked_sub_unsigned(magnitude),
                    false => 0_i128.checked_add_unsigned(magnitude),
                };
                number.and_then(|number| number.try_into().ok()).ok_or(())
            }
        })*
        $(impl TryFrom<&Integer> for $unsigned {
            type Error = ();
            fn try_from(integer: &Integer) -> Result<Self, ()> {
                match integer.as_small() {
                    Some((false, magnitude)) => magnitude.try_into().map_err(drop),
                    _ => Err(()),
                }
            }
        })*
    };
}

convert!(signed: i8 i16 i32 i64 i128; unsigned: u8 u16 u32 u64 u128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_converts_to_what_it_fits() {
        let integer = Integer::from(-129_i64);
        assert_eq!(i16::try_from(&integer), Ok(-129));
        assert!(i8::try_from(&integer).is_err() && u128::try_from(&integer).is_err());
        assert_eq!(i128::try_from(&Integer::from(i128::MIN)), Ok(i128::MIN));
        assert!(i128::try_from(&Integer::from(u128::MAX)).is_err());
        assert_eq!(u128::try_from(&Integer::from(u128::MAX)), Ok(u128::MAX));
        assert_eq!(u8::try_from(&Integer::from(255)), Ok(255));
    }

    #[test]
    fn there_is_one_zero_and_one_form_of_every_number() {
        let zero = Integer::from_magnitude(true, &[0; 300]).unwrap();
        assert_eq!(zero, Integer::from(0));
        assert!(!zero.is_negative() && zero.magnitude().is_empty());
        let padded = Integer::from_magnitude(false, &[0, 0, 1, 0]).unwrap();
        assert_eq!((padded.clone(), padded.to_string()), (256.into(), "256".into()));
    }

    #[test]
    fn an_integer_beyond_its_limit_names_it() {
        assert!(Integer::from_magnitude(false, &[1; INTEGER_BYTES_MAX]).is_ok());
        let error = Integer::from_magnitude(false, &[1; INTEGER_BYTES_MAX + 1]).unwrap_err();
        assert!(error.to_string().contains("INTEGER_BYTES_MAX"), "{error}");
    }

    #[test]
    fn integers_sort_by_value() {
        let large = |negative, len| Integer::from_magnitude(negative, &vec![7; len]).unwrap();
        let sorted = [
            large(true, 18),
            large(true, 17),
            i128::MIN.into(),
            (-256).into(),
            (-1).into(),
            0.into(),
            1.into(),
            u128::MAX.into(),
            large(false, 17),
            large(false, 18),
        ];
        assert!(sorted.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(sorted[1].to_string(), format!("-0x{}", "07".repeat(17)));
    }
}
