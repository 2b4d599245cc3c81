//! The description in JSON.

use aspen_core::{
    Compare, CompareTarget, Key, KeyRange, LeaseId, Operation, Revision, SCAN_RESULTS_DEFAULT,
    Transaction, Value,
};
use data_encoding::BASE64;
use serde_json::{Map, Value as Json};

use super::TxnError;
use super::atomic::{ATOMIC, Atomic};
use super::operator;

fn error(path: &str, problem: impl Into<String>) -> TxnError {
    super::error(if path.is_empty() { "the file" } else { path }, problem)
}

/// Parses a description.
pub(super) fn parse(text: &[u8]) -> Result<Transaction, TxnError> {
    let json: Json =
        serde_json::from_slice(text).map_err(|e| error("", format!("bad JSON: {e}")))?;
    let file = Object::new("", &json, &["compare", "then", "else"])?;
    Ok(Transaction {
        compares: file.list("compare", compare)?,
        read_conflicts: Vec::new(),
        success: file.list("then", operation)?,
        failure: file.list("else", operation)?,
    })
}

/// A JSON object with the path that errors name.
struct Object<'a> {
    path: String,
    fields: &'a Map<String, Json>,
}

impl<'a> Object<'a> {
    fn new(path: &str, json: &'a Json, known: &[&str]) -> Result<Self, TxnError> {
        let fields = json.as_object().ok_or_else(|| error(path, "expected an object"))?;
        let object = Self { path: path.to_owned(), fields };
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(object),
            Some(unknown) => {
                let problem = format!("unknown field; expected {}", known.join(", "));
                Err(error(&object.path_of(unknown), problem))
            }
        }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn list<T>(
        &self,
        name: &str,
        parse: fn(&str, &Json) -> Result<T, TxnError>,
    ) -> Result<Vec<T>, TxnError> {
        let path = self.path_of(name);
        match self.fields.get(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(items)) => {
                let numbered = items.iter().enumerate();
                numbered.map(|(at, item)| parse(&format!("{path}[{at}]"), item)).collect()
            }
            Some(_) => Err(error(&path, "expected a list")),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, TxnError> {
        match self.fields.get(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(error(&self.path_of(name), "expected a string")),
        }
    }

    fn number(&self, name: &str) -> Result<u64, TxnError> {
        let number = self.fields.get(name).and_then(Json::as_u64);
        number.ok_or_else(|| error(&self.path_of(name), "expected a number from 0"))
    }

    /// The bytes of `name`, or of `name_base64`.
    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, TxnError> {
        let encoded = format!("{name}_base64");
        match (self.text(name)?, self.text(&encoded)?) {
            (Some(_), Some(_)) => {
                Err(error(&self.path_of(&encoded), format!("given beside {name:?}")))
            }
            (Some(text), None) => Ok(Some(text.as_bytes().to_vec())),
            (None, Some(text)) => BASE64
                .decode(text.as_bytes())
                .map(Some)
                .map_err(|e| error(&self.path_of(&encoded), format!("not base64: {e}"))),
            (None, None) => Ok(None),
        }
    }

    fn key(&self) -> Result<Key, TxnError> {
        let path = self.path_of("key");
        let bytes = self.bytes("key")?.ok_or_else(|| error(&path, "missing"))?;
        Key::new(bytes).map_err(|e| error(&path, e.to_string()))
    }

    fn value(&self) -> Result<Value, TxnError> {
        let path = self.path_of("value");
        let bytes = self.bytes("value")?.ok_or_else(|| error(&path, "missing"))?;
        Value::new(bytes).map_err(|e| error(&path, e.to_string()))
    }

    fn range(&self) -> Result<KeyRange, TxnError> {
        match (self.bytes("prefix")?, self.bytes("from")?, self.bytes("to")?) {
            (Some(prefix), None, None) => Ok(KeyRange::prefix(prefix)),
            (None, Some(from), Some(to)) => Ok(KeyRange::half_open(from, to)),
            (None, Some(from), None) => Ok(KeyRange::from_key(from)),
            _ => Err(error(&self.path, "expected either prefix, or from with an optional to")),
        }
    }
}

const COMPARE_FIELDS: &[&str] = &["key", "key_base64", "target", "op", "value", "value_base64"];

fn compare(path: &str, json: &Json) -> Result<Compare, TxnError> {
    let object = Object::new(path, json, COMPARE_FIELDS)?;
    let target = match object.text("target")?.unwrap_or("value") {
        "value" => CompareTarget::Value(object.value()?),
        "version" => CompareTarget::Version(object.number("value")?),
        "create_revision" => CompareTarget::CreateRevision(Revision::new(object.number("value")?)),
        "mod_revision" => CompareTarget::ModRevision(Revision::new(object.number("value")?)),
        "lease" => CompareTarget::Lease(match object.fields.get("value") {
            Some(Json::Null) => None,
            _ => Some(LeaseId::new(object.number("value")?)),
        }),
        other => {
            let problem = format!(
                "unknown target {other:?}; expected value, version, create_revision, mod_revision \
                 or lease"
            );
            return Err(error(&object.path_of("target"), problem));
        }
    };
    let operator = operator::parse(object.text("op")?.unwrap_or("="))
        .map_err(|problem| error(&object.path_of("op"), problem))?;
    Ok(Compare { key: object.key()?, target, operator })
}

const OPERATIONS: [&str; 5] = ["put", "delete", "delete_range", "get", "scan"];

fn operation(path: &str, json: &Json) -> Result<Operation, TxnError> {
    let known = [&OPERATIONS[..], &ATOMIC.map(|atomic| atomic.name)].concat();
    let outer = Object::new(path, json, &known)?;
    let mut fields = outer.fields.iter();
    let (Some((name, body)), None) = (fields.next(), fields.next()) else {
        return Err(error(path, format!("expected exactly one of {}", known.join(", "))));
    };
    let path = outer.path_of(name);
    let atomic_operation = Atomic::named(name);
    let body = |known: &[&str]| Object::new(&path, body, known);
    Ok(match name.as_str() {
        "put" => put(&body(&["key", "key_base64", "value", "value_base64", "lease", "ttl_ms"])?)?,
        "delete" => Operation::Delete { key: body(&["key", "key_base64"])?.key()? },
        "get" => Operation::Get { key: body(&["key", "key_base64"])?.key()? },
        "delete_range" => Operation::DeleteRange { range: body(RANGE_FIELDS)?.range()? },
        "scan" => scan(&body(SCAN_FIELDS)?)?,
        _ => {
            let atomic_operation = atomic_operation.ok_or_else(|| error(&path, "unknown"))?;
            let number: &[&str] = if atomic_operation.takes_number { &["number"] } else { &[] };
            atomic(atomic_operation, &body(&[ATOMIC_FIELDS, number].concat())?)?
        }
    })
}

fn put(put: &Object<'_>) -> Result<Operation, TxnError> {
    let (key, value) = (put.key()?, put.value()?);
    Ok(match (put.fields.contains_key("lease"), put.fields.contains_key("ttl_ms")) {
        (true, true) => return Err(error(&put.path, "expected a lease or a ttl_ms, not both")),
        (true, false) => {
            let lease = Some(LeaseId::new(put.number("lease")?));
            Operation::Put { key, value, lease }
        }
        (false, true) => Operation::PutTtl { key, value, ttl_ms: put.number("ttl_ms")? },
        (false, false) => Operation::put(key, value),
    })
}

fn scan(scan: &Object<'_>) -> Result<Operation, TxnError> {
    let limit = match scan.fields.contains_key("limit") {
        true => u32::try_from(scan.number("limit")?)
            .map_err(|_| error(&scan.path_of("limit"), "too large"))?,
        false => SCAN_RESULTS_DEFAULT,
    };
    Ok(Operation::Scan { range: scan.range()?, limit })
}

fn atomic(atomic: &Atomic, body: &Object<'_>) -> Result<Operation, TxnError> {
    let operand = match body.fields.get("number") {
        None => body.value()?,
        Some(number) => {
            let path = body.path_of("number");
            let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            let whole = whole.ok_or_else(|| error(&path, "expected a whole number"))?;
            if body.bytes("value")?.is_some() {
                return Err(error(&path, "given beside \"value\""));
            }
            atomic.number(whole).map_err(|problem| error(&path, problem))?
        }
    };
    Ok(Operation::Atomic { key: body.key()?, operation: atomic.with(operand) })
}

const ATOMIC_FIELDS: &[&str] = &["key", "key_base64", "value", "value_base64"];
const RANGE_FIELDS: &[&str] =
    &["prefix", "prefix_base64", "from", "from_base64", "to", "to_base64"];
const SCAN_FIELDS: &[&str] =
    &["prefix", "prefix_base64", "from", "from_base64", "to", "to_base64", "limit"];

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_target_parses() {
        let text = br#"{
            "compare": [
                {"key": "a", "target": "version", "op": ">", "value": 1},
                {"key_base64": "/w==", "target": "lease", "value": null},
                {"key": "a", "target": "mod_revision", "op": "!=", "value": 3}
            ],
            "then": [
                {"delete": {"key": "a"}}, {"delete_range": {"prefix": "p"}},
                {"scan": {"from": "a", "to": "b", "limit": 5}}, {"get": {"key": "b"}},
                {"put": {"key": "a", "value_base64": "/w=="}},
                {"put": {"key": "a", "value": "v", "lease": 7}},
                {"put": {"key": "a", "value": "v", "ttl_ms": 2000}}
            ]
        }"#;
        let transaction = parse(text).unwrap();
        assert_eq!(transaction.compares.len(), 3);
        let scan = Operation::Scan { range: KeyRange::half_open("a", "b"), limit: 5 };
        assert_eq!(transaction.success[2], scan);
        let leased = &transaction.success[5];
        assert!(matches!(leased, Operation::Put { lease: Some(lease), .. } if lease.get() == 7));
        let short = &transaction.success[6];
        assert!(matches!(short, Operation::PutTtl { ttl_ms: 2_000, .. }));
    }

    #[test]
    fn errors_name_the_field() {
        for (text, expected) in [
            ("[]", "the file: expected an object"),
            ("{", "the file: bad JSON"),
            (r#"{"if": []}"#, "if: unknown field"),
            (r#"{"then": {}}"#, "then: expected a list"),
            (r#"{"then": [{"put": {"key": "a"}}]}"#, "then[0].put.value: missing"),
            (r#"{"then": [{"put": {"key": "", "value": ""}}]}"#, "then[0].put.key: key is empty"),
            (r#"{"then": [{}]}"#, "then[0]: expected exactly one of"),
            (r#"{"else": [{"scan": {"to": "a"}}]}"#, "else[0].scan: expected either prefix"),
            (r#"{"compare": [{"key": "a", "op": "~", "value": "v"}]}"#, "compare[0].op: unknown"),
            (
                r#"{"compare": [{"key": "a", "target": "version", "value": "v"}]}"#,
                "compare[0].value: expected a number",
            ),
            (r#"{"then": [{"add": {"key": "a", "number": 1.5}}]}"#, "then[0].add.number: expected"),
            (r#"{"then": [{"max": {"key": "a", "number": -1}}]}"#, "then[0].max.number: -1 is out"),
            (r#"{"then": [{"append": {"key": "a", "number": 1}}]}"#, "then[0].append.number: unk"),
            (r#"{"compare": [{"key": "a", "value": 1}]}"#, "compare[0].value: expected a string"),
        ] {
            let found = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(found.starts_with(expected), "{text}: {found}");
        }
    }
}
