//! `aspen watch`

use aspen_core::{
    KeyRange, KeyValue, Revision, Watch, WatchChange, WatchEvent, WatchFilter, WatchRequest,
    WatchUpdate,
};
use serde_json::{Value as Json, json};

use crate::args::watch::WatchArgs;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

/// How many characters of a value a line shows.
const WATCHED_VALUE_CHARS_MAX: usize = 200;

/// Prints what changes, a line for each change, until as many as asked for were printed.
pub(super) async fn run(
    store: &dyn Watch,
    args: WatchArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut stream = store.watch(request(&args)?).await?;
    let mut left = args.events.unwrap_or(u64::MAX);
    while left > 0 {
        let update = stream.next().await?;
        match &update {
            WatchUpdate::Events { events, .. } => {
                for event in events.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                    print_event(event, &args, output)?;
                    left -= 1;
                }
            }
            WatchUpdate::Progress { revision } => match output.is_json() {
                true => output.json(&json!({"type": "progress", "revision": revision.get()}))?,
                false => output.line(format!("{revision} progress"))?,
            },
            // What was dropped comes again; a terminal need not know.
            WatchUpdate::Lagging { .. } => {}
        }
        output.finish()?;
    }
    Ok(())
}

fn request(args: &WatchArgs) -> Result<WatchRequest, CliError> {
    let range = match &args.key {
        Some(key) => KeyRange::single(&args.encoding.key(key)?),
        None => args.range.range(args.encoding)?,
    };
    let filter = match (args.puts, args.deletes) {
        (true, _) => WatchFilter::Puts,
        (_, true) => WatchFilter::Deletes,
        _ => WatchFilter::All,
    };
    let (from, previous, progress) = (args.rev.map(Revision::new), args.previous, args.progress);
    Ok(WatchRequest { range, from, filter, previous, progress })
}

fn print_event(event: &WatchEvent, args: &WatchArgs, output: &mut Output) -> Result<(), CliError> {
    if output.is_json() {
        return output.json(&event_json(event));
    }
    let value = |entry: &KeyValue| match args.hex {
        true => text::hex(entry.value.as_bytes()),
        false => text::excerpt(entry.value.as_bytes(), WATCHED_VALUE_CHARS_MAX),
    };
    let key = text::escape(event.key().as_bytes());
    let line = match &event.change {
        WatchChange::Put(entry) => format!("{} put {key} {}", entry.mod_revision, value(entry)),
        WatchChange::Delete { revision, .. } => format!("{revision} delete {key}"),
    };
    match &event.previous {
        Some(before) => output.line(format!("{line} (before: {})", value(before))),
        None => output.line(line),
    }
}

fn event_json(event: &WatchEvent) -> Json {
    let mut json = match &event.change {
        WatchChange::Put(entry) => text::entry_json(entry),
        WatchChange::Delete { key, .. } => text::key_json(key),
    };
    json["type"] = json!(if event.is_delete() { "delete" } else { "put" });
    json["revision"] = json!(event.revision().get());
    json["created"] = json!(event.is_create());
    if let Some(before) = &event.previous {
        json["previous"] = text::entry_json(before);
    }
    json
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use aspen_core::{Key, KeyValueStore, MemoryStore, Value};
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::output::tests::Captured;

    async fn watched(arguments: &[&str], json: bool) -> String {
        let store = MemoryStore::new();
        let key = || Key::try_from("k/1").unwrap();
        store.set(key(), Value::try_from("one").unwrap()).await.unwrap();
        store.set(key(), Value::try_from("two").unwrap()).await.unwrap();
        store.delete(key()).await.unwrap();
        let line = ["aspen", "watch", "--rev", "1"].iter().chain(arguments);
        let Command::Watch(args) = Cli::try_parse_from(line).unwrap().command else {
            unreachable!("the arguments begin with watch")
        };
        let sink = Captured::default();
        let mut output = Output::new(json, Box::new(sink.clone()));
        run(&store, args, &mut output).await.unwrap();
        sink.text()
    }

    #[tokio::test]
    async fn a_line_tells_revision_kind_key_and_value() {
        let told = watched(&["--prefix", "k/", "--events", "3", "--previous"], false).await;
        let expected = "1 put k/1 one\n2 put k/1 two (before: one)\n3 delete k/1 (before: two)\n";
        assert_eq!(told, expected);
        let told = watched(&["k/1", "--deletes", "--events", "1"], false).await;
        assert_eq!(told, "3 delete k/1\n");
    }

    #[tokio::test]
    async fn json_holds_the_whole_entry() {
        let told = watched(&["--events", "2"], true).await;
        let second: Json = serde_json::from_str(told.lines().nth(1).unwrap()).unwrap();
        assert_eq!((&second["type"], &second["created"]), (&json!("put"), &json!(false)));
        assert_eq!((&second["revision"], &second["value"]), (&json!(2), &json!("two")));
    }
}
