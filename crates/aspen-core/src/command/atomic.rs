//! Operations that work out a key's new value from its old one where the data is.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{VALUE_BYTES_MAX, Value};

/// How many bytes of values the [`crate::Operation::Atomic`] steps of a transaction may find,
/// together. A step may find, and leave behind, much more than it carries; every replica applies a
/// transaction in one go, so this bounds its memory and how long all other writes wait.
pub const ATOMIC_BYTES_MAX: usize = 16 * 1024 * 1024;

const _: () = assert!(VALUE_BYTES_MAX < ATOMIC_BYTES_MAX);

/// What an atomic operation does to the value of a key, after FoundationDB's mutation types.
///
/// The operand decides the width of a number and of a bit string: the value found is cut to the
/// operand's length, or extended to it with zero bytes. Numbers are little-endian and unsigned;
/// [`AtomicOperation::Add`] serves two's complement as well. A key that does not exist counts as
/// zero bytes where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AtomicOperation {
    /// Adds; what exceeds the width is lost.
    Add(Value),
    /// Ands bit by bit. A missing key is set to the operand.
    BitAnd(Value),
    /// Ors bit by bit.
    BitOr(Value),
    /// Xors bit by bit.
    BitXor(Value),
    /// Keeps the larger number.
    Max(Value),
    /// Keeps the smaller number. A missing key is set to the operand.
    Min(Value),
    /// Keeps what sorts last as bytes, at its own length. A missing key is set to the operand.
    ByteMax(Value),
    /// Keeps what sorts first as bytes, at its own length. A missing key is set to the operand.
    ByteMin(Value),
    /// Appends, unless the value would exceed [`VALUE_BYTES_MAX`]: then it stays as it is.
    AppendIfFits(Value),
    /// Removes the key if its value is exactly the operand; otherwise changes nothing.
    CompareAndClear(Value),
}

/// What becomes of a key by an [`AtomicOperation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtomicEffect {
    /// It is set; its lease stays.
    Put(Value),
    /// It is removed.
    Delete,
    /// Nothing.
    Unchanged,
}

impl AtomicOperation {
    /// The operand.
    pub fn operand(&self) -> &Value {
        match self {
            Self::Add(operand)
            | Self::BitAnd(operand)
            | Self::BitOr(operand)
            | Self::BitXor(operand)
            | Self::Max(operand)
            | Self::Min(operand)
            | Self::ByteMax(operand)
            | Self::ByteMin(operand)
            | Self::AppendIfFits(operand)
            | Self::CompareAndClear(operand) => operand,
        }
    }

    /// What becomes of a key with this value (`None`: it does not exist). Everyone who must know
    /// asks here: replicas when they apply, clients when they read what they have not yet written.
    pub fn effect(&self, current: Option<&Value>) -> AtomicEffect {
        let zero = Value::default();
        let found = current.unwrap_or(&zero);
        let present_or = |operand: &Value| current.unwrap_or(operand).clone();
        let next = match self {
            Self::Add(operand) => sum(found, operand),
            Self::BitAnd(operand) => zip(&present_or(operand), operand, |a, b| a & b),
            Self::BitOr(operand) => zip(found, operand, |a, b| a | b),
            Self::BitXor(operand) => zip(found, operand, |a, b| a ^ b),
            Self::Max(operand) => number(found, operand, Ordering::Greater),
            Self::Min(operand) => number(&present_or(operand), operand, Ordering::Less),
            Self::ByteMax(operand) => present_or(operand).max(operand.clone()),
            Self::ByteMin(operand) => present_or(operand).min(operand.clone()),
            Self::AppendIfFits(operand) => appended(found, operand),
            Self::CompareAndClear(operand) => {
                return match current == Some(operand) {
                    true => AtomicEffect::Delete,
                    false => AtomicEffect::Unchanged,
                };
            }
        };
        AtomicEffect::Put(next)
    }

    /// The value afterwards; `None` when the key does not exist then.
    pub fn apply(&self, current: Option<Value>) -> Option<Value> {
        match self.effect(current.as_ref()) {
            AtomicEffect::Put(value) => Some(value),
            AtomicEffect::Delete => None,
            AtomicEffect::Unchanged => current,
        }
    }
}

/// The bytes found at the operand's width.
fn widened(found: &Value, width: usize) -> impl DoubleEndedIterator<Item = u8> + '_ {
    (0..width).map(|at| found.as_bytes().get(at).copied().unwrap_or(0))
}

fn value_of(bytes: Vec<u8>) -> Value {
    Value::new(bytes).expect("as long as an operand, or checked before")
}

fn zip(found: &Value, operand: &Value, combine: impl Fn(u8, u8) -> u8) -> Value {
    let pairs = widened(found, operand.len()).zip(operand.as_bytes());
    value_of(pairs.map(|(a, b)| combine(a, *b)).collect())
}

fn sum(found: &Value, operand: &Value) -> Value {
    let mut carry = 0;
    let pairs = widened(found, operand.len()).zip(operand.as_bytes());
    let digits = pairs.map(|(a, b)| {
        let digit = u16::from(a) + u16::from(*b) + carry;
        carry = digit >> 8;
        digit.to_le_bytes()[0]
    });
    value_of(digits.collect())
}

/// The number found when it relates to the operand as wanted, otherwise the operand.
fn number(found: &Value, operand: &Value, wanted: Ordering) -> Value {
    let most_significant_first = operand.as_bytes().iter().rev().copied();
    match widened(found, operand.len()).rev().cmp(most_significant_first) {
        order if order == wanted => value_of(widened(found, operand.len()).collect()),
        _ => operand.clone(),
    }
}

fn appended(found: &Value, operand: &Value) -> Value {
    if found.len() + operand.len() > VALUE_BYTES_MAX {
        return found.clone();
    }
    value_of([found.as_bytes(), operand.as_bytes()].concat())
}

#[cfg(test)]
mod tests;
