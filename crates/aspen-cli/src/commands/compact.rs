//! `aspen compact`

use aspen_client::Client;
use aspen_core::Revision;
use serde_json::json;

use crate::exit::CliError;
use crate::output::Output;

pub(super) async fn run(
    client: &Client,
    revision: u64,
    output: &mut Output,
) -> Result<(), CliError> {
    let horizon = client.compact(Revision::new(revision)).await?;
    match output.is_json() {
        true => output.json(&json!({"horizon": horizon.get()})),
        false => output.line(format!("the oldest readable revision is {horizon}")),
    }
}
