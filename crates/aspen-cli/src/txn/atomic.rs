//! Atomic operations by name.

use aspen_core::{AtomicOperation, Value};

/// An atomic operation that lacks its operand.
pub(super) struct Atomic {
    /// Its name, in scripts and JSON.
    pub(super) name: &'static str,
    /// Whether the operand may be given as a number.
    pub(super) takes_number: bool,
    make: fn(Value) -> AtomicOperation,
}

const fn atomic(
    name: &'static str,
    takes_number: bool,
    make: fn(Value) -> AtomicOperation,
) -> Atomic {
    Atomic { name, takes_number, make }
}

/// All of them.
pub(super) const ATOMIC: [Atomic; 10] = [
    atomic("add", true, AtomicOperation::Add),
    atomic("max", true, AtomicOperation::Max),
    atomic("min", true, AtomicOperation::Min),
    atomic("bit_and", false, AtomicOperation::BitAnd),
    atomic("bit_or", false, AtomicOperation::BitOr),
    atomic("bit_xor", false, AtomicOperation::BitXor),
    atomic("byte_max", false, AtomicOperation::ByteMax),
    atomic("byte_min", false, AtomicOperation::ByteMin),
    atomic("append", false, AtomicOperation::AppendIfFits),
    atomic("compare_and_clear", false, AtomicOperation::CompareAndClear),
];

impl Atomic {
    /// The one of a name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ATOMIC.iter().find(|atomic| atomic.name == name)
    }

    /// The operation with an operand.
    pub(super) fn with(&self, operand: Value) -> AtomicOperation {
        (self.make)(operand)
    }

    /// A number as an operand of 64 bits. Only what is added may be negative: the others compare
    /// numbers without a sign.
    pub(super) fn number(&self, number: i128) -> Result<Value, String> {
        let bytes = match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => number.to_le_bytes(),
            (_, Ok(number)) if self.name == "add" => number.to_le_bytes(),
            _ => return Err(format!("{number} is out of range for {}", self.name)),
        };
        Value::new(bytes.to_vec()).map_err(|error| error.to_string())
    }
}
