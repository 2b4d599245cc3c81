//! The one replicated transaction form.

use serde::ser::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::bounded;
use crate::error::InvalidRequest;
use crate::{Compare, Operation, ReadConflict};

/// How many compares, read conflicts and operations a transaction may have, together.
pub const TRANSACTION_OPERATIONS_MAX: usize = 10_000;

/// How many bytes of keys, values and ranges a transaction may carry. It leaves room for framing
/// below the message limit, so that every legal transaction fits one message.
pub const TRANSACTION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many keys a transaction's [`Operation::DeleteRange`] steps may remove, together. Every
/// replica applies a transaction in one go, so it bounds how long all other writes wait for one;
/// larger ranges are deleted in several transactions. What a transaction reads is bounded as a scan
/// page is: [`crate::SCAN_RESULTS_MAX`] results and [`crate::SCAN_BYTES_MAX`] bytes, together.
pub const DELETE_RANGE_KEYS_MAX: usize = 100_000;

const _: () = assert!(TRANSACTION_BYTES_MAX + 1024 * 1024 < crate::MESSAGE_BYTES_MAX);
const _: () = assert!(crate::VALUE_BYTES_MAX + crate::KEY_BYTES_MAX < TRANSACTION_BYTES_MAX);

/// Compares, read conflicts, the operations to run when the compares hold and those to run when
/// they do not; all of it atomic, at one revision.
///
/// Order: every read conflict is checked first and one that fails rejects the transaction
/// ([`crate::Rejection::Conflict`]); then the compares choose the branch.
///
/// One with more than [`TRANSACTION_OPERATIONS_MAX`] parts is neither encoded nor decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Transaction {
    /// Conditions; all must hold for `success`, none given means they hold.
    pub compares: Vec<Compare>,
    /// What was read and must be unchanged.
    pub read_conflicts: Vec<ReadConflict>,
    /// Run when every compare holds.
    pub success: Vec<Operation>,
    /// Run when a compare does not hold.
    pub failure: Vec<Operation>,
}

impl Transaction {
    /// Checks every limit of the transaction.
    ///
    /// # Errors
    /// Names the limit that is exceeded.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        self.check_count()?;
        let bytes = self.len_bytes();
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(InvalidRequest::limit(
                "TRANSACTION_BYTES_MAX",
                TRANSACTION_BYTES_MAX,
                bytes,
            ));
        }
        self.success.iter().chain(&self.failure).try_for_each(Operation::validate)
    }

    fn check_count(&self) -> Result<(), InvalidRequest> {
        let (limit, name) = (TRANSACTION_OPERATIONS_MAX, "TRANSACTION_OPERATIONS_MAX");
        let conditions = self.compares.len() + self.read_conflicts.len();
        match conditions + self.success.len() + self.failure.len() {
            count if count > limit => Err(InvalidRequest::limit(name, limit, count)),
            _ => Ok(()),
        }
    }

    /// The bytes of keys, values and ranges: what the limit counts.
    pub fn len_bytes(&self) -> usize {
        let compares: usize = self.compares.iter().map(compare_len_bytes).sum();
        let conflicts: usize = self.read_conflicts.iter().map(conflict_len_bytes).sum();
        let operations: usize =
            self.success.iter().chain(&self.failure).map(Operation::len_bytes).sum();
        compares + conflicts + operations
    }
}

/// A transaction while it is decoded: no part is too long by itself.
#[derive(Deserialize)]
struct Parts {
    #[serde(deserialize_with = "some")]
    compares: Vec<Compare>,
    #[serde(deserialize_with = "some")]
    read_conflicts: Vec<ReadConflict>,
    #[serde(deserialize_with = "some")]
    success: Vec<Operation>,
    #[serde(deserialize_with = "some")]
    failure: Vec<Operation>,
}

fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(decoder: D) -> Result<Vec<T>, D::Error> {
    bounded::deserialize(decoder, "TRANSACTION_OPERATIONS_MAX", TRANSACTION_OPERATIONS_MAX)
}

impl TryFrom<Parts> for Transaction {
    type Error = InvalidRequest;

    fn try_from(parts: Parts) -> Result<Self, InvalidRequest> {
        let Parts { compares, read_conflicts, success, failure } = parts;
        let transaction = Self { compares, read_conflicts, success, failure };
        transaction.check_count()?;
        Ok(transaction)
    }
}

impl Serialize for Transaction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.check_count().map_err(S::Error::custom)?;
        let mut parts = serializer.serialize_struct("Transaction", 4)?;
        parts.serialize_field("compares", &self.compares)?;
        parts.serialize_field("read_conflicts", &self.read_conflicts)?;
        parts.serialize_field("success", &self.success)?;
        parts.serialize_field("failure", &self.failure)?;
        parts.end()
    }
}

fn compare_len_bytes(compare: &Compare) -> usize {
    let operand = match &compare.target {
        crate::CompareTarget::Value(value) => value.len(),
        _ => 8,
    };
    compare.key.as_bytes().len() + operand
}

fn conflict_len_bytes(conflict: &ReadConflict) -> usize {
    match conflict {
        ReadConflict::Key { key, .. } => key.as_bytes().len(),
        ReadConflict::Range { range, .. } => {
            range.start.len() + range.end.as_ref().map_or(0, |end| end.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Value};

    #[test]
    fn too_many_operations_name_the_limit() {
        let key = Key::try_from("k").unwrap();
        let delete = Operation::Delete { key };
        let transaction = Transaction {
            success: vec![delete; TRANSACTION_OPERATIONS_MAX + 1],
            ..Transaction::default()
        };
        let error = transaction.validate().unwrap_err().to_string();
        assert!(error.contains("TRANSACTION_OPERATIONS_MAX"), "{error}");
    }

    #[test]
    fn too_many_bytes_name_the_limit() {
        let put = Operation::put(
            Key::try_from("k").unwrap(),
            Value::new(vec![0; crate::VALUE_BYTES_MAX]).unwrap(),
        );
        let transaction = Transaction { success: vec![put; 9], ..Transaction::default() };
        let error = transaction.validate().unwrap_err().to_string();
        assert!(error.contains("TRANSACTION_BYTES_MAX"), "{error}");
    }
}
