//! Configuration files and variables.
#![no_main]

use aspen_node::Layers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("aspen.toml");
    if std::fs::write(&path, bytes).is_ok() {
        let _ = Layers::new().file(&path).and_then(Layers::build).map(|config| config.validate());
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some((name, value)) = text.split_once('=') {
        let variable = (format!("ASPEN_{name}"), value.to_owned());
        let _ = Layers::new().environment([variable]).and_then(Layers::build);
    }
});
