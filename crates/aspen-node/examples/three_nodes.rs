//! A cluster of three nodes in one program: write, lose a node, read all the same.
//!
//! `cargo run -p aspen-node --example three_nodes`

use std::path::Path;
use std::time::Duration;

use aspen_core::{Key, Rights, Value, runtime};
use aspen_node::{Node, NodeBuilder};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Outcome<()> {
    let dir = std::env::temp_dir().join(format!("aspen-three-nodes-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let mut nodes = start(&dir).await?;

    let key = Key::try_from("greeting")?;
    nodes[0].store().set(key.clone(), Value::try_from("hello")?).await?;
    println!("written through node 1");

    nodes.remove(0).shutdown().await;
    println!("node 1 is gone; the other two elect a leader");

    let found = nodes[0].store().get(key).await?.ok_or("the greeting is lost")?;
    println!("read through node 2: {}", found.value.as_bytes().escape_ascii());

    for node in nodes {
        node.shutdown().await;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

async fn start(dir: &Path) -> Outcome<Vec<Node>> {
    let builder = |id: u64| {
        NodeBuilder::new(id, dir.join(format!("node-{id}"))).cookie("an example's secret")
    };
    let first = builder(1).bootstrap().start().await?;
    first.wait_until_serving(PATIENCE).await?;
    let ticket = first.ticket(Rights::Admin)?;
    let second = builder(2).join(ticket.clone()).start().await?;
    let third = builder(3).join(ticket).start().await?;
    runtime::timeout(PATIENCE, all_vote(&first)).await??;
    println!("three nodes vote");
    Ok(vec![first, second, third])
}

/// A cluster survives the loss of a node once that node is not needed for a majority.
async fn all_vote(node: &Node) -> Outcome<()> {
    loop {
        let status = node.status().await?;
        if status.groups.iter().all(|group| group.metrics.voters.len() == 3) {
            return Ok(());
        }
        runtime::sleep(Duration::from_millis(100)).await;
    }
}
