//! JSON Lines: `{"key": …, "value": …}`; holds every key and value.

use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Record, RecordError};

/// The fields of an object in their order, values as their text.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with \"key\" and \"value\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

pub(super) fn parse(line: &[u8]) -> Result<Record, RecordError> {
    let text = std::str::from_utf8(line).map_err(|_| RecordError::NotUtf8)?;
    let Fields(fields) =
        serde_json::from_str(text).map_err(|error| RecordError::Json(error.to_string()))?;
    let mut names = BTreeSet::new();
    if let Some((twice, _)) = fields.iter().find(|(name, _)| !names.insert(name.clone())) {
        return Err(field(twice, "given twice"));
    }
    let (mut key, mut value, mut rest) = (None, None, Vec::new());
    for (name, raw) in fields {
        let slot = match name.as_str() {
            "key" => (&mut key, string(&name, &raw)?),
            "key_base64" => (&mut key, base64(&name, &raw)?),
            "value" => (&mut value, text_of(&raw)),
            "value_base64" => (&mut value, base64(&name, &raw)?),
            _ => {
                rest.push((name, raw));
                continue;
            }
        };
        if slot.0.replace(slot.1).is_some() {
            return Err(field(&name, "given both as text and as base64"));
        }
    }
    let key = key.ok_or_else(|| field("key", "missing"))?;
    Ok(Record { key, value: value_or_rest(value, &rest)? })
}

/// Without a value field, the other fields are the value; beside one, they would be lost.
fn value_or_rest(
    value: Option<Vec<u8>>,
    rest: &[(String, Box<RawValue>)],
) -> Result<Vec<u8>, RecordError> {
    match (value, rest.first()) {
        (Some(value), None) => Ok(value),
        (Some(_), Some((name, _))) => Err(field(name, "unknown beside \"value\"")),
        (None, None) => Err(field("value", "missing")),
        (None, Some(_)) => {
            let fields: Vec<_> =
                rest.iter().map(|(name, raw)| format!("{}:{}", quoted(name), raw.get())).collect();
            Ok(format!("{{{}}}", fields.join(",")).into_bytes())
        }
    }
}

fn field(name: &str, problem: &str) -> RecordError {
    RecordError::Field { field: name.to_owned(), problem: problem.to_owned() }
}

fn string(name: &str, raw: &RawValue) -> Result<Vec<u8>, RecordError> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| field(name, "not a string"))?;
    Ok(text.into_bytes())
}

fn base64(name: &str, raw: &RawValue) -> Result<Vec<u8>, RecordError> {
    BASE64.decode(&string(name, raw)?).map_err(|error| field(name, &format!("not base64: {error}")))
}

/// A string's content, or the text of any other JSON.
fn text_of(raw: &RawValue) -> Vec<u8> {
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => text.into_bytes(),
        Err(_) => raw.get().as_bytes().to_vec(),
    }
}

pub(super) fn write(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
    let key = named("key", key);
    let value = match as_json(value) {
        Some(json) => format!("\"value\":{json}"),
        None => named("value", value),
    };
    out.extend_from_slice(format!("{{{key},{value}}}\n").as_bytes());
    Ok(())
}

fn named(name: &str, bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("\"{name}\":{}", quoted(text)),
        Err(_) => format!("\"{name}_base64\":\"{}\"", BASE64.encode(bytes)),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The value's text when it is a JSON object or array on one line: it can stand for itself, and
/// importing it gives the same bytes. Other JSON is left a string, as most such values are text.
fn as_json(value: &[u8]) -> Option<&str> {
    let looks_like_json = matches!(
        (value.first(), value.last()),
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
    );
    if !looks_like_json || value.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    serde_json::from_str::<&RawValue>(text).ok()?;
    Some(text)
}
