//! Tab-separated: `key<TAB>value`, both verbatim.
//!
//! Nothing is escaped, so that a line comes out as it went in; what a line cannot hold is refused.

use super::{Record, RecordError};

pub(super) fn parse(line: &[u8]) -> Result<Record, RecordError> {
    let tab = line.iter().position(|byte| *byte == b'\t');
    let tab = tab.ok_or(RecordError::MissingColumn { separator: "tab" })?;
    Ok(Record { key: line[..tab].to_vec(), value: line[tab + 1..].to_vec() })
}

pub(super) fn write(key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
    if key.contains(&b'\t') || key.contains(&b'\n') {
        let what = "a key with a tab or a line feed";
        return Err(RecordError::CannotHold { format: "tsv", what });
    }
    if value.contains(&b'\n') {
        let what = "a value with a line feed";
        return Err(RecordError::CannotHold { format: "tsv", what });
    }
    out.extend_from_slice(key);
    out.push(b'\t');
    out.extend_from_slice(value);
    out.push(b'\n');
    Ok(())
}
