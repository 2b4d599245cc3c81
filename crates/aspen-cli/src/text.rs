//! Bytes as people and JSON see them, and back.

use aspen_core::{Key, KeyValue};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde_json::{Map, Value as Json, json};

/// Bytes as text: UTF-8 as it is but for control characters, anything else escaped (`\xff`).
pub(crate) fn escape(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// As [`escape`], cut after `max` characters.
pub(crate) fn excerpt(bytes: &[u8], max: usize) -> String {
    let text = escape(&bytes[..bytes.len().min(4 * max + 4)]);
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Parses hexadecimal digits of either case.
pub(crate) fn parse_hex(text: &[u8]) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text).ok()
}

/// Adds `name` to a JSON object when the bytes are UTF-8, `name_base64` when they are not.
pub(crate) fn insert_bytes(object: &mut Map<String, Json>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), json!(text)),
        Err(_) => object.insert(format!("{name}_base64"), json!(BASE64.encode(bytes))),
    };
}

/// A key with its value and counters as JSON.
pub(crate) fn entry_json(entry: &KeyValue) -> Json {
    let mut object = Map::new();
    insert_bytes(&mut object, "key", entry.key.as_bytes());
    insert_bytes(&mut object, "value", entry.value.as_bytes());
    object.insert("version".to_owned(), json!(entry.version));
    object.insert("create_revision".to_owned(), json!(entry.create_revision.get()));
    object.insert("mod_revision".to_owned(), json!(entry.mod_revision.get()));
    if let Some(lease) = entry.lease {
        object.insert("lease".to_owned(), json!(lease.get()));
    }
    Json::Object(object)
}

/// A key alone as JSON.
pub(crate) fn key_json(key: &Key) -> Json {
    let mut object = Map::new();
    insert_bytes(&mut object, "key", key.as_bytes());
    Json::Object(object)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_the_rest_is_escaped() {
        assert_eq!(escape("grün".as_bytes()), "grün");
        assert_eq!(escape(b"a\xff\n"), "a\\xff\\n");
        assert_eq!(escape(b"orders\x001"), "orders\\x001");
        assert_eq!(excerpt("äöü".as_bytes(), 2), "äö…");
        assert_eq!(excerpt(b"ab", 2), "ab");
    }

    #[test]
    fn json_names_the_encoding_of_what_is_not_text() {
        let mut object = Map::new();
        insert_bytes(&mut object, "key", b"\xff");
        insert_bytes(&mut object, "value", b"v");
        assert_eq!(Json::Object(object), json!({"key_base64": "/w==", "value": "v"}));
    }
}
