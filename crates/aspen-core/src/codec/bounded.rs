//! Sequences whose length is checked while they are decoded.
//!
//! A limit that is checked on the finished value comes too late for memory: a delete takes 3 bytes
//! in a message and about 90 as a value, so a hostile message of 10 MiB would become hundreds of
//! megabytes before anyone counts it. Here the length is known before the first element is read.
//!
//! Encoding checks the same limit, so that nothing is ever written, to a log least of all, that
//! nobody could read again. The bytes are those of a plain sequence.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{self, Serialize, Serializer};

use crate::InvalidRequest;

/// How much memory a length prefix alone may reserve, in bytes; further elements pay as they come.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Encodes a sequence of at most `max` elements.
///
/// # Errors
/// Names the limit when there are more.
pub fn serialize<S: Serializer, T: Serialize>(
    items: &[T],
    serializer: S,
    name: &str,
    max: usize,
) -> Result<S::Ok, S::Error> {
    match items.len() {
        count if count > max => Err(ser::Error::custom(InvalidRequest::limit(name, max, count))),
        _ => items.serialize(serializer),
    }
}

/// Decodes a sequence of at most `max` elements.
///
/// # Errors
/// Names the limit when there are more, without reading them.
pub fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    name: &str,
    max: usize,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Bounded { name, max, element: PhantomData })
}

struct Bounded<'a, T> {
    name: &'a str,
    max: usize,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sequence of at most {} elements ({})", self.max, self.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let announced = sequence.size_hint().unwrap_or(0);
        self.check(announced)?;
        let reserved = RESERVED_BYTES_MAX / size_of::<T>().max(1);
        let mut items = Vec::with_capacity(announced.min(reserved));
        while let Some(item) = sequence.next_element()? {
            self.check(items.len() + 1)?;
            items.push(item);
        }
        Ok(items)
    }
}

impl<T> Bounded<'_, T> {
    fn check<E: de::Error>(&self, count: usize) -> Result<(), E> {
        match count > self.max {
            true => Err(E::custom(InvalidRequest::limit(self.name, self.max, count))),
            false => Ok(()),
        }
    }
}

/// A module for `#[serde(with = "…")]` that bounds a `Vec` by a limit in scope, which errors name.
macro_rules! bounded_by {
    ($name:ident, $limit:ident $(as $cast:ty)?) => {
        mod $name {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            pub(super) fn serialize<S: Serializer, T: Serialize>(
                items: &[T],
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                let max = super::$limit $(as $cast)?;
                crate::codec::bounded::serialize(items, serializer, stringify!($limit), max)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
                deserializer: D,
            ) -> Result<Vec<T>, D::Error> {
                let max = super::$limit $(as $cast)?;
                crate::codec::bounded::deserialize(deserializer, stringify!($limit), max)
            }
        }
    };
}
pub(crate) use bounded_by;
