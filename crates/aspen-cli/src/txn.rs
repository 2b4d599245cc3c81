//! Transactions described in a file: as a script of lines, or as JSON.

mod atomic;
mod json;
mod operator;
mod script;
mod words;

use aspen_core::Transaction;

/// Both formats, as `--help` shows them.
pub(crate) const HELP: &str = r#"The file is a script, or JSON when it begins with {. Both say what to compare, what to do when
all compares hold, and what to do otherwise.

Script: three sections with an empty line between; those at the end may be left out.
  # Comments begin so.
  value("stock") = "5"
  mod("order/1") = 0

  put stock 4
  put order/1 "two words\n" --ttl 60m

  get stock
compares: value("k") = "v"; version, create, mod or lease("k") = NUMBER (0: absent, none); also !=, <
  and >.
operations: put KEY VALUE [--lease ID | --ttl TIME], del or get KEY | FROM TO | --prefix P | --from K,
  get … --limit N,
  add, max, min KEY NUMBER (64 bits, little-endian),
  bit_and, bit_or, bit_xor, byte_max, byte_min, append, compare_and_clear KEY VALUE.
Words with spaces or quotes stand in "…", with \n, \t, \r, \0, \\, \" and \xHH.

JSON: one object; every part may be left out:
  {
    "compare": [ {"key": "k", "target": "value", "op": "=", "value": "v"} ],
    "then":    [ {"put": {"key": "k", "value": "w"}} ],
    "else":    [ {"get": {"key": "k"}} ]
  }
compare: target is value (a string), version, create_revision, mod_revision (numbers; 0 when absent)
  or lease (a number, or null for none); value when left out. op: =, !=, <, >; = when left out.
then, else: put {key, value} with an optional lease or ttl_ms (numbers), delete {key},
  delete_range {prefix} or {from, to}, get {key}, scan {prefix} or {from, to} with an optional
  limit, and the script's other operations with {key, value}, or {key, number} for add, max, min.
Bytes that are not UTF-8: write "key_base64" or "value_base64" instead of "key" or "value"."#;

/// A description that makes no sense: where, and why.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub(crate) struct TxnError {
    place: String,
    problem: String,
}

fn error(place: impl Into<String>, problem: impl Into<String>) -> TxnError {
    TxnError { place: place.into(), problem: problem.into() }
}

/// Parses a description of either format.
pub(crate) fn parse(text: &[u8]) -> Result<Transaction, TxnError> {
    match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => json::parse(text),
        _ => script::parse(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_examples_parse() {
        let part = |from: &str, to: &str| {
            let start = HELP.find(from).unwrap();
            let end = start + HELP[start..].find(to).unwrap();
            let lines = HELP[start..end].lines();
            lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
        };
        for text in [part("{\n", "\ncompare:"), part("# Comments", "\ncompares:")] {
            let transaction = parse(text.as_bytes()).unwrap();
            assert!(!transaction.compares.is_empty(), "{text}");
            assert!(!transaction.success.is_empty(), "{text}");
            assert_eq!(transaction.failure.len(), 1, "{text}");
        }
    }

    #[test]
    fn both_formats_say_the_same() {
        let json = br#" {
            "compare": [{"key": "a", "target": "version", "op": ">", "value": 1}],
            "then": [
                {"put": {"key": "a", "value": "v", "lease": 7}},
                {"put": {"key": "a", "value": "v", "ttl_ms": 2000}},
                {"add": {"key": "n", "number": -2}}, {"max": {"key": "n", "number": 9}},
                {"append": {"key": "a", "value_base64": "/w=="}},
                {"delete_range": {"prefix": "p"}}, {"scan": {"from": "a", "to": "b", "limit": 5}}
            ],
            "else": [{"delete": {"key": "a"}}, {"get": {"key": "a"}}]
        }"#;
        let script = br#"version(a) > 1

            put a v --lease 7
            put a v --ttl 2s
            add n -2
            max n 9
            append a "\xff"
            del --prefix p
            get a b --limit=5

            del a
            get a"#;
        let (json, script) = (parse(json).unwrap(), parse(script).unwrap());
        assert_eq!(json, script);
        assert_eq!((json.success.len(), json.failure.len()), (7, 2));
    }
}
