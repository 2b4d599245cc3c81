//! The keys of one workload.

use std::borrow::Cow;
use std::fmt::Display;

use aspen_core::{Key, KeyRange, Value};

/// The keys below a prefix that ends with a NUL byte. The bytes before the first NUL name a key's
/// partition, so that all keys of a workload live together and one transaction may touch them all.
#[derive(Clone, Debug)]
pub(super) struct KeySpace {
    prefix: String,
}

impl KeySpace {
    pub(super) fn new(partition: String) -> Self {
        Self { prefix: partition + "\0" }
    }

    /// The key of a name.
    pub(super) fn key(&self, name: impl Display) -> Key {
        let text = format!("{}{name}", self.prefix);
        Key::new(text.into_bytes()).expect("names are short")
    }

    /// Every key whose name begins so.
    pub(super) fn range(&self, name_prefix: impl Display) -> KeyRange {
        KeyRange::prefix(format!("{}{name_prefix}", self.prefix).into_bytes())
    }

    /// The keys whose names lie in `[start, end)`.
    pub(super) fn between(&self, start: impl Display, end: impl Display) -> KeyRange {
        KeyRange::half_open(self.key(start).into_bytes(), self.key(end).into_bytes())
    }

    /// The name of a key of this space.
    pub(super) fn name<'a>(&self, key: &'a Key) -> Cow<'a, str> {
        let bytes = key.as_bytes();
        String::from_utf8_lossy(bytes.strip_prefix(self.prefix.as_bytes()).unwrap_or(bytes))
    }
}

/// A value that people can read.
pub(super) fn text(value: impl Display) -> Value {
    Value::new(value.to_string().into_bytes()).expect("texts are short")
}

/// The number that a value holds as text.
pub(super) fn number(value: &Value) -> Option<u64> {
    std::str::from_utf8(value.as_bytes()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_translate_both_ways() {
        let space = KeySpace::new("bank".to_owned());
        let key = space.key("account/3");
        assert_eq!(key.as_bytes(), b"bank\0account/3");
        assert_eq!(space.name(&key), "account/3");
        assert!(space.range("account/").contains(key.as_bytes()));
        assert!(!space.range("transfer/").contains(key.as_bytes()));
        assert!(!space.between("account/1", "account/3").contains(key.as_bytes()));
        assert_eq!(number(&text(17)), Some(17));
    }
}
