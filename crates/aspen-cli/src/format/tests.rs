#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn parse(format: Format, text: &str) -> (String, String) {
    let record = format.parse(text.as_bytes()).unwrap();
    (String::from_utf8(record.key).unwrap(), String::from_utf8(record.value).unwrap())
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn written(format: Format, key: &[u8], value: &[u8]) -> String {
    let mut out = Vec::new();
    format.write(key, value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn tsv_takes_the_rest_of_the_line_verbatim() {
    assert_eq!(parse(Format::Tsv, "a\tb\tc\\t \r"), pair("a", "b\tc\\t \r"));
    assert_eq!(parse(Format::Tsv, "a\t"), pair("a", ""));
    assert!(Format::Tsv.parse(b"no tab").is_err());
}

#[test]
fn csv_unquotes_the_key_and_keeps_the_rest() {
    assert_eq!(parse(Format::Csv, "a,1,\"x, y\""), pair("a", "1,\"x, y\""));
    assert_eq!(parse(Format::Csv, "\"a,\"\"b\"\"\",v\r"), pair("a,\"b\"", "v"));
    assert_eq!(parse(Format::Csv, "a,\"two\nlines\""), pair("a", "\"two\nlines\""));
    assert_eq!(parse(Format::Csv, "a,5\" disk"), pair("a", "5\" disk"));
    assert_eq!(Format::Csv.parse(b"a,\"open"), Err(RecordError::UnclosedQuote));
    assert_eq!(Format::Csv.parse(b"\"a\"b,c"), Err(RecordError::AfterQuote { found: 'b' }));
    assert!(Format::Csv.parse(b"alone").is_err());
    assert!(Format::Csv.parse(b"\"alone\"").is_err());
}

#[test]
fn jsonl_keeps_other_json_as_its_text() {
    assert_eq!(parse(Format::Jsonl, r#"{"key":"a","value":"b\n"}"#), pair("a", "b\n"));
    assert_eq!(
        parse(Format::Jsonl, r#" {"value": {"x": [1,  2]}, "key": "a"} "#),
        pair("a", r#"{"x": [1,  2]}"#)
    );
    assert_eq!(parse(Format::Jsonl, r#"{"key":"a","value":1.50}"#), pair("a", "1.50"));
    assert_eq!(
        parse(Format::Jsonl, r#"{"key":"a","version":"1","n":2}"#),
        pair("a", r#"{"version":"1","n":2}"#)
    );
    let binary = Format::Jsonl.parse(br#"{"key_base64":"/w==","value_base64":"AA=="}"#).unwrap();
    assert_eq!((binary.key, binary.value), (vec![0xff], vec![0]));
}

#[test]
fn jsonl_errors_name_the_field() {
    for (line, expected) in [
        (r#"{"value":"v"}"#, "\"key\": missing"),
        (r#"{"key":"k"}"#, "\"value\": missing"),
        (r#"{"key":1,"value":"v"}"#, "\"key\": not a string"),
        (r#"{"key":"a","key":"b","value":"v"}"#, "\"key\": given twice"),
        (r#"{"key":"a","key_base64":"YQ==","value":"v"}"#, "both as text"),
        (r#"{"key":"a","value":"v","ttl":1}"#, "\"ttl\": unknown"),
        (r#"{"key_base64":"!","value":"v"}"#, "\"key_base64\": not base64"),
        (r#"["key"]"#, "an object with"),
        ("", "bad JSON"),
        (r#"{"key":"a","value":"v"} x"#, "trailing"),
    ] {
        let error = Format::Jsonl.parse(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn jsonl_writes_structures_as_such_and_the_rest_as_strings() {
    assert_eq!(written(Format::Jsonl, b"k", b"5"), "{\"key\":\"k\",\"value\":\"5\"}\n");
    assert_eq!(written(Format::Jsonl, b"k", b"[1]"), "{\"key\":\"k\",\"value\":[1]}\n");
    assert_eq!(written(Format::Jsonl, b"k", b"{no}"), "{\"key\":\"k\",\"value\":\"{no}\"}\n");
    assert_eq!(
        written(Format::Jsonl, b"k", b"\xff"),
        "{\"key\":\"k\",\"value_base64\":\"/w==\"}\n"
    );
}

#[test]
fn what_a_format_cannot_hold_is_refused_and_names_the_one_that_can() {
    let mut out = Vec::new();
    for (format, key, value) in [
        (Format::Tsv, &b"a\tb"[..], &b"v"[..]),
        (Format::Tsv, b"a", b"v\n"),
        (Format::Csv, b"a", b"two\nlines"),
        (Format::Csv, b"a", b"\"open"),
        (Format::Csv, b"a", b"v\r"),
    ] {
        let error = format.write(key, value, &mut out).unwrap_err();
        assert!(error.to_string().contains("jsonl"), "{error}");
    }
    assert!(out.is_empty());
}

proptest! {
    /// Whatever a format accepts for writing comes back the same; jsonl accepts everything.
    #[test]
    fn what_is_written_is_read_back(
        key in proptest::collection::vec(any::<u8>(), 1..20),
        value in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[\\[{\",:}\\]\r\n 0-9a]{0,20}".prop_map(String::into_bytes),
        ],
    ) {
        for format in [Format::Tsv, Format::Csv, Format::Jsonl] {
            let mut out = Vec::new();
            match format.write(&key, &value, &mut out) {
                Ok(()) => {
                    let line = out.strip_suffix(b"\n").unwrap();
                    let record = Record { key: key.clone(), value: value.clone() };
                    prop_assert_eq!(format.parse(line), Ok(record));
                }
                Err(_) => prop_assert!(format != Format::Jsonl),
            }
        }
    }

    /// A TSV or CSV line comes out as it went in; but for a bare quote in a CSV key, which RFC 4180
    /// does not allow and which comes out quoted.
    #[test]
    fn lines_survive_byte_for_byte(line in "[a-z]{1,5}[,\t][ -~\t]{0,20}") {
        for format in [Format::Tsv, Format::Csv] {
            if let Ok(record) = format.parse(line.as_bytes())
                && (format == Format::Tsv || !record.key.contains(&b'"'))
            {
                let mut out = Vec::new();
                format.write(&record.key, &record.value, &mut out).unwrap();
                prop_assert_eq!(&out[..out.len() - 1], line.as_bytes());
            }
        }
    }

    #[test]
    fn parsers_survive_any_bytes(text in proptest::collection::vec(any::<u8>(), 0..60)) {
        for format in [Format::Tsv, Format::Csv, Format::Jsonl] {
            let _ = format.parse(&text);
        }
    }
}
