//! `aspen kv get`

use aspen_core::{Key, KeyValue, KeyValueStore, ReadReply, ReadRequest};
use serde_json::{Value as Json, json};

use crate::args::kv::GetArgs;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

/// How many characters of a value a table shows.
const VALUE_CHARS_MAX: usize = 80;

/// The columns of a table of entries.
pub(super) const ENTRY_COLUMNS: &[&str] = &["key", "value", "version", "created", "modified"];

pub(super) async fn get(
    store: &dyn KeyValueStore,
    args: GetArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let keys = args.key.keys(&args.keys)?;
    let request = ReadRequest { keys: keys.clone(), consistency: args.consistency.consistency() };
    let reply = store.read(request).await?;
    match (output.is_json(), args.meta) {
        (true, _) => output.json(&reply_json(&keys, &reply, args.hex))?,
        (false, true) => print_table(&keys, &reply, args.hex, output)?,
        (false, false) => print_values(&reply, args.hex, output)?,
    }
    match keys.iter().zip(&reply.values).find(|(_, value)| value.is_none()) {
        None => Ok(()),
        Some((key, _)) => {
            eprintln!("aspen: key not found: {}", text::excerpt(key.as_bytes(), 200));
            Err(CliError::Negative)
        }
    }
}

/// Values alone, one a line: what a pipe wants.
fn print_values(reply: &ReadReply, hex: bool, output: &mut Output) -> Result<(), CliError> {
    reply.values.iter().flatten().try_for_each(|entry| match hex {
        true => output.line(text::hex(entry.value.as_bytes())),
        false => output.raw_line(entry.value.as_bytes()),
    })
}

fn print_table(
    keys: &[Key],
    reply: &ReadReply,
    hex: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    let rows = keys.iter().zip(&reply.values).map(|(key, value)| match value {
        Some(entry) => entry_row(entry, hex),
        None => vec![text::escape(key.as_bytes()), "(not found)".to_owned()],
    });
    output.table(ENTRY_COLUMNS, rows)?;
    output.line(format!("revision {}", reply.revision))
}

/// One entry as a table's row.
pub(super) fn entry_row(entry: &KeyValue, hex: bool) -> Vec<String> {
    let value = entry.value.as_bytes();
    vec![
        text::escape(entry.key.as_bytes()),
        if hex { text::hex(value) } else { text::excerpt(value, VALUE_CHARS_MAX) },
        entry.version.to_string(),
        entry.create_revision.to_string(),
        entry.mod_revision.to_string(),
    ]
}

fn reply_json(keys: &[Key], reply: &ReadReply, hex: bool) -> Json {
    let entries: Vec<Json> = keys
        .iter()
        .zip(&reply.values)
        .map(|(key, value)| match value {
            Some(entry) => {
                let mut json = text::entry_json(entry);
                json["found"] = json!(true);
                if hex {
                    json["value_hex"] = json!(text::hex(entry.value.as_bytes()));
                }
                json
            }
            None => {
                let mut json = text::key_json(key);
                json["found"] = json!(false);
                json
            }
        })
        .collect();
    json!({"revision": reply.revision.get(), "entries": entries})
}
