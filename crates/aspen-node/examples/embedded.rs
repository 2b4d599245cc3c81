//! A node inside your own program: set, get and scan, stop, and find everything again.
//!
//! `cargo run -p aspen-node --example embedded`

use std::time::Duration;

use aspen_core::{Key, KeyRange, ScanRequest, Value};
use aspen_node::{Node, NodeBuilder};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let dir = std::env::temp_dir().join(format!("aspen-embedded-{}", std::process::id()));
    write(&dir).await?;
    read_after_restart(&dir).await?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

async fn start(dir: &std::path::Path) -> Outcome<Node> {
    // `bootstrap` has an effect only while the directory is empty.
    let node = NodeBuilder::new(1, dir).cookie("an example's secret").bootstrap().start().await?;
    node.wait_until_serving(Duration::from_secs(30)).await?;
    Ok(node)
}

async fn write(dir: &std::path::Path) -> Outcome<()> {
    let node = start(dir).await?;
    let store = node.store();
    for (city, country) in [("lisbon", "portugal"), ("oslo", "norway"), ("riga", "latvia")] {
        let key = Key::try_from(format!("city/{city}").as_str())?;
        store.set(key, Value::try_from(country)?).await?;
    }
    let found = store.get(Key::try_from("city/oslo")?).await?.ok_or("oslo is missing")?;
    println!("oslo is in {}", found.value.as_bytes().escape_ascii());
    node.shutdown().await;
    Ok(())
}

async fn read_after_restart(dir: &std::path::Path) -> Outcome<()> {
    let node = start(dir).await?;
    let page = node.store().scan(ScanRequest::new(KeyRange::prefix("city/"))).await?;
    println!("{} cities are still there after a restart:", page.count);
    for entry in &page.entries {
        println!("  {} = {}", entry.key, entry.value.as_bytes().escape_ascii());
    }
    node.shutdown().await;
    if page.entries.len() == 3 { Ok(()) } else { Err("cities were lost".into()) }
}
