//! `aspen kv scan`

use aspen_core::{
    KeyValue, KeyValueStore, Projection, SCAN_RESULTS_DEFAULT, SCAN_RESULTS_MAX, ScanOrder,
    ScanPage, ScanRequest,
};
use serde_json::{Value as Json, json};

use super::kv_read::{ENTRY_COLUMNS, entry_row};
use crate::args::kv::ScanArgs;
use crate::exit::CliError;
use crate::output::Output;
use crate::text;

pub(super) async fn scan(
    store: &dyn KeyValueStore,
    args: ScanArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let request = first_request(&args)?;
    if args.count {
        return count(store, request, output).await;
    }
    if args.all {
        return scan_all(store, request, &args, output).await;
    }
    let page = store.scan(request).await?;
    match output.is_json() {
        true => output.json(&page_json(&page, args.keys_only))?,
        false => print_entries(&page.entries, args.keys_only, output)?,
    }
    if page.cursor.is_some() && !output.is_json() {
        eprintln!("aspen: there are more keys; use --all or a larger --limit");
    }
    Ok(())
}

fn first_request(args: &ScanArgs) -> Result<ScanRequest, CliError> {
    let mut request = ScanRequest::new(args.range.range(args.key)?);
    request.consistency = args.consistency.consistency();
    if args.reverse {
        request.order = ScanOrder::Reverse;
    }
    if args.keys_only {
        request.projection = Projection::KeysOnly;
    }
    if args.count {
        request.projection = Projection::CountOnly;
    }
    request.limit = match args.limit {
        None => SCAN_RESULTS_DEFAULT,
        Some(limit) if args.all => page_limit(limit),
        Some(limit) => u32::try_from(limit).unwrap_or(u32::MAX),
    };
    request.validate()?;
    Ok(request)
}

/// As many results as are left, at most a page.
fn page_limit(left: u64) -> u32 {
    u32::try_from(left).unwrap_or(u32::MAX).min(SCAN_RESULTS_MAX)
}

async fn count(
    store: &dyn KeyValueStore,
    request: ScanRequest,
    output: &mut Output,
) -> Result<(), CliError> {
    let page = store.scan(request).await?;
    match output.is_json() {
        true => output.json(&json!({"revision": page.revision.get(), "count": page.count})),
        false => output.line(page.count),
    }
}

/// Goes through every page at the first one's revision; as JSON, one entry a line.
async fn scan_all(
    store: &dyn KeyValueStore,
    mut request: ScanRequest,
    args: &ScanArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    let mut left = args.limit.unwrap_or(u64::MAX);
    loop {
        request.limit = page_limit(left).min(request.limit.max(SCAN_RESULTS_DEFAULT));
        let page = store.scan(request.clone()).await?;
        match output.is_json() {
            true => page
                .entries
                .iter()
                .try_for_each(|entry| output.json(&entry_json(entry, args.keys_only)))?,
            false => print_entries(&page.entries, args.keys_only, output)?,
        }
        left = left.saturating_sub(page.entries.len() as u64);
        match page.cursor {
            Some(cursor) if left > 0 => request.cursor = Some(cursor),
            _ => return Ok(()),
        }
    }
}

fn print_entries(
    entries: &[KeyValue],
    keys_only: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    if keys_only {
        return entries.iter().try_for_each(|entry| output.line(&entry.key));
    }
    output.table(ENTRY_COLUMNS, entries.iter().map(|entry| entry_row(entry, false)))
}

fn page_json(page: &ScanPage, keys_only: bool) -> Json {
    let entries: Vec<Json> =
        page.entries.iter().map(|entry| entry_json(entry, keys_only)).collect();
    json!({
        "revision": page.revision.get(),
        "count": page.count,
        "more": page.cursor.is_some(),
        "entries": entries,
    })
}

fn entry_json(entry: &KeyValue, keys_only: bool) -> Json {
    let mut json = text::entry_json(entry);
    if let (true, Json::Object(fields)) = (keys_only, &mut json) {
        fields.remove("value");
    }
    json
}
