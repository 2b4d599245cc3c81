//! Conditions of a transaction.

use serde::{Deserialize, Serialize};

use crate::{Key, KeyRange, KeyValue, LeaseId, Revision, Value};

/// A condition on one key, as in etcd: `target of key` `operator` `operand`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    pub key: Key,
    /// What is compared, and with which operand.
    pub target: CompareTarget,
    /// How the key's state (left) relates to the operand (right).
    pub operator: CompareOperator,
}

/// The compared property with its operand. An absent key has version and revisions 0, no lease,
/// and fails every compare of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareTarget {
    /// `KeyValue::version`.
    Version(u64),
    /// `KeyValue::create_revision`.
    CreateRevision(Revision),
    /// `KeyValue::mod_revision`.
    ModRevision(Revision),
    /// `KeyValue::value`, ordered as bytes.
    Value(Value),
    /// `KeyValue::lease`; no lease sorts before every lease.
    Lease(Option<LeaseId>),
}

/// The relation that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareOperator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `>`
    Greater,
}

impl CompareOperator {
    fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::Greater => left > right,
        }
    }
}

impl Compare {
    /// The key must not exist.
    pub fn absent(key: Key) -> Self {
        Self { key, target: CompareTarget::Version(0), operator: CompareOperator::Equal }
    }

    /// The key must hold exactly this value.
    pub fn value(key: Key, value: Value) -> Self {
        Self { key, target: CompareTarget::Value(value), operator: CompareOperator::Equal }
    }

    /// The key must not have changed since `revision` (0: must not exist).
    pub fn mod_revision(key: Key, revision: Revision) -> Self {
        Self { key, target: CompareTarget::ModRevision(revision), operator: CompareOperator::Equal }
    }

    /// Whether the condition holds for the key's current state.
    pub fn holds(&self, current: Option<&KeyValue>) -> bool {
        let operator = self.operator;
        match &self.target {
            CompareTarget::Version(operand) => {
                operator.holds(&current.map_or(0, |kv| kv.version), operand)
            }
            CompareTarget::CreateRevision(operand) => {
                let left = current.map_or(Revision::ZERO, |kv| kv.create_revision);
                operator.holds(&left, operand)
            }
            CompareTarget::ModRevision(operand) => {
                let left = current.map_or(Revision::ZERO, |kv| kv.mod_revision);
                operator.holds(&left, operand)
            }
            CompareTarget::Value(operand) => {
                current.is_some_and(|kv| operator.holds(&kv.value, operand))
            }
            CompareTarget::Lease(operand) => {
                operator.holds(&current.and_then(|kv| kv.lease), operand)
            }
        }
    }
}

/// Something a transaction has read and that must be unchanged when it commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadConflict {
    /// The key must still have this `mod_revision`; [`Revision::ZERO`] for a key read as absent.
    ///
    /// The version would not do: a key deleted and created again is back at version 1.
    Key {
        /// The key that was read.
        key: Key,
        /// Its `mod_revision` when it was read.
        expected: Revision,
    },
    /// No key of the range may have been created, changed or deleted after `read_revision`, so that
    /// a repeated range read would see no phantom.
    Range {
        /// The range that was read.
        range: KeyRange,
        /// The revision at which it was read.
        read_revision: Revision,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_value() -> KeyValue {
        KeyValue {
            key: Key::try_from("k").unwrap(),
            value: Value::try_from("v").unwrap(),
            version: 2,
            create_revision: Revision::new(3),
            mod_revision: Revision::new(5),
            lease: None,
        }
    }

    #[test]
    fn an_absent_key_has_zero_counters_and_fails_value_compares() {
        let key = Key::try_from("k").unwrap();
        assert!(Compare::absent(key.clone()).holds(None));
        assert!(Compare::mod_revision(key.clone(), Revision::ZERO).holds(None));
        let different = Compare {
            key,
            target: CompareTarget::Value(Value::default()),
            operator: CompareOperator::NotEqual,
        };
        assert!(!different.holds(None));
    }

    #[test]
    fn operators_relate_the_state_to_the_operand() {
        let current = key_value();
        let compare = |target, operator| {
            Compare { key: current.key.clone(), target, operator }.holds(Some(&current))
        };
        assert!(compare(CompareTarget::Version(1), CompareOperator::Greater));
        assert!(compare(CompareTarget::Version(3), CompareOperator::Less));
        assert!(compare(CompareTarget::CreateRevision(Revision::new(3)), CompareOperator::Equal));
        assert!(!compare(CompareTarget::ModRevision(Revision::new(5)), CompareOperator::NotEqual));
        assert!(compare(CompareTarget::Lease(Some(LeaseId::new(1))), CompareOperator::Less));
    }
}
