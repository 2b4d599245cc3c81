//! What a person can do with a cluster that has just begun to serve.

use super::{Client, Running};
use std::path::Path;

/// The ticket and a few commands, as they can be pasted into another terminal here.
pub(super) fn next_steps(running: &Running, client: &Client) -> String {
    let aspen = near(&running.binaries.cli);
    let dir = near(running.layout.dir());
    let ticket_file = near(&running.layout.ticket());
    let ticket = client.ticket();
    format!(
        "
The cluster serves. Its ticket, also in {ticket_file}:

{ticket}

Try, in another terminal in this directory:

  export ASPEN_TICKET=$(cat {ticket_file})
  {aspen} cluster status
  {aspen} kv set greeting hello
  {aspen} kv get greeting
  cargo xtask cluster kill-node 2 --dir {dir}
  cargo xtask cluster restart-node 2 --dir {dir}

Ctrl-C stops the cluster. Its state follows whenever it changes.
"
    )
}

/// The path from the current directory, when it lies below.
fn near(path: &Path) -> String {
    let current = std::env::current_dir().ok();
    let below = current.and_then(|current| path.strip_prefix(current).ok().map(Path::to_path_buf));
    below.as_deref().unwrap_or(path).display().to_string()
}
