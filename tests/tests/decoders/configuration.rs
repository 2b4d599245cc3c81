//! Configuration files and variables.

use std::path::Path;

use aspen_node::{Config, Layers};

use crate::heap::watch;
use crate::hostile::{BYTES_PER_BYTE, FIXED_BYTES, Hostile, bombard};

const GOOD: &str = r#"
id = 3
dir = "data"
cookie = "the secret of the cluster"
listen = "127.0.0.1:4711"
reach = "loopback"
heartbeat_ms = 500
election_ms_min = 1_500
ops_listen = "127.0.0.1:9090"
bootstrap = true
log_filter = "info"
"#;

fn parse(path: &Path, bytes: &[u8]) -> Result<Config, String> {
    std::fs::write(path, bytes).unwrap();
    let config = Layers::new().file(path).and_then(Layers::build);
    let config = config.map_err(|error| error.to_string())?;
    config.validate().map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aspen.toml");
    assert_eq!(parse(&path, GOOD.as_bytes()).unwrap().id, 3);
    let mut hostile = Hostile::new(50, vec![GOOD.as_bytes().to_vec()]);
    bombard(&mut hostile, 800, |bytes| {
        let parsed = parse(&path, bytes);
        if let Err(error) = &parsed {
            assert!(error.contains("setting") || error.contains("aspen.toml"), "{error}");
        }
        parsed.map(drop)
    });
}

#[test]
fn deep_and_long_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aspen.toml");
    let deep = format!("id = {}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let tables = format!("[{}a]", "a.".repeat(100_000));
    let inline = format!("id = {}1", "{a=".repeat(100_000));
    let long = format!("cookie = \"{}\"", "x".repeat(1 << 20));
    let open = format!("cookie = '''{}", "\n".repeat(1 << 20));
    let keys: String = (0..50_000).map(|number| format!("k{number} = 1\n")).collect();
    for text in [deep, tables, inline, long, open, keys] {
        let taken = watch(|| parse(&path, text.as_bytes()));
        let error = taken.result.unwrap_err();
        assert!(error.len() > 8, "{error}");
        let allowed = FIXED_BYTES + 4 * BYTES_PER_BYTE * text.len();
        assert!(taken.peak_bytes < allowed, "{} bytes", taken.peak_bytes);
    }
}

#[test]
fn variables() {
    let names =
        ["ASPEN_ID", "ASPEN_LISTEN", "ASPEN_REACH", "ASPEN_BOOTSTRAP", "ASPEN_DISK_WARN_PERCENT"];
    let good = ["3", "[::1]:1", "relay", "true", "80"].map(|text| text.as_bytes().to_vec());
    let mut hostile = Hostile::new(51, good.to_vec());
    for number in 0..4_000 {
        let name = names[number % names.len()].to_owned();
        let text = String::from_utf8_lossy(&hostile.next()).into_owned();
        let layers = Layers::new().environment([(name.clone(), text.clone())]);
        if let Err(error) = layers.and_then(Layers::build) {
            let setting = name.trim_start_matches("ASPEN_").to_ascii_lowercase();
            assert!(error.to_string().contains(&setting), "{name}={text:?}: {error}");
        }
    }
}
