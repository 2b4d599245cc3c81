#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use super::{Config, ConfigError, Kind, Layers, LogFormat, ReachSetting, SETTINGS, SecretText};

fn valid() -> Config {
    Config {
        id: 1,
        dir: std::env::temp_dir().join("aspen-config-test-absent"),
        cookie: SecretText::new("secret"),
        ..Config::default()
    }
}

/// Changes a valid configuration and answers the setting that the error names and its text.
fn refused(change: impl FnOnce(&mut Config)) -> (&'static str, String) {
    let mut config = valid();
    change(&mut config);
    let error = config.validate().unwrap_err();
    match &error {
        ConfigError::Invalid { name, .. } => (name, error.to_string()),
        other => panic!("{other}"),
    }
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn later_layers_override_earlier_ones() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("aspen.toml");
    std::fs::write(&file, "id = 1\nheartbeat_ms = 100\nlog_format = \"json\"\n").unwrap();
    let config = Layers::new()
        .file(&file)
        .unwrap()
        .environment([variable("ASPEN_ID", "2"), variable("ASPEN_HISTORY_MS", "7_000")])
        .unwrap()
        .texts("flag", [("id", "3"), ("bootstrap", "true")])
        .unwrap()
        .build()
        .unwrap();
    assert_eq!((config.id, config.heartbeat_ms, config.history_ms), (3, 100, 7_000));
    assert_eq!((config.log_format, config.bootstrap), (LogFormat::Json, true));
    assert_eq!(config.append_timeout_ms, Config::default().append_timeout_ms);
}

#[test]
fn unknown_names_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("aspen.toml");
    std::fs::write(&file, "hartbeat_ms = 100\n").unwrap();
    let error = Layers::new().file(&file).unwrap_err().to_string();
    assert!(error.contains("hartbeat_ms") && error.contains("aspen.toml"), "{error}");
    let error = Layers::new().environment([variable("ASPEN_COKIE", "x")]).unwrap_err().to_string();
    assert!(error.contains("ASPEN_COKIE"), "{error}");
    assert!(Layers::new().texts("flag", [("nonsense", "1")]).is_err());
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [("PATH", "/bin"), ("ASPEN_TICKET", "aspen…"), ("ASPEN_LOG", "debug")];
    let others = others.map(|(name, value)| variable(name, value));
    assert_eq!(Layers::new().environment(others).unwrap().build().unwrap(), Config::default());
}

#[test]
fn a_bad_value_names_its_layer_and_setting() {
    let error = Layers::new().environment([variable("ASPEN_ID", "one")]).unwrap_err().to_string();
    assert!(error.contains("environment") && error.contains("`id`"), "{error}");
    let error = Layers::new().texts("flag", [("listen", "nowhere")]).unwrap_err().to_string();
    assert!(error.contains("flag") && error.contains("`listen`"), "{error}");
    let error = Layers::new().texts("flag", [("reach", "everywhere")]).unwrap_err().to_string();
    assert!(error.contains("`reach`") && error.contains("loopback"), "{error}");
    let error = Layers::new().texts("flag", [("id", "-1")]).unwrap_err().to_string();
    assert!(error.contains("`id`"), "{error}");
    assert!(Layers::new().texts("flag", [("bootstrap", "maybe")]).is_err());
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("absent.toml");
    assert!(Layers::new().file(&file).unwrap_err().to_string().contains("absent.toml"));
    std::fs::write(&file, "id = = 1").unwrap();
    assert!(Layers::new().file(&file).unwrap_err().to_string().contains("absent.toml"));
    std::fs::write(&file, "[raft]\nheartbeat_ms = 1\n").unwrap();
    assert!(Layers::new().file(&file).unwrap_err().to_string().contains("raft"));
}

#[test]
fn a_valid_configuration_has_no_warnings() {
    assert_eq!(valid().validate().unwrap(), Vec::<String>::new());
}

#[test]
fn identity_settings_are_required() {
    assert_eq!(refused(|config| config.id = 0).0, "id");
    let (name, text) = refused(|config| config.cookie = SecretText::default());
    assert!(name == "cookie" && text.contains("ASPEN_COOKIE"), "{text}");
    assert_eq!(refused(|config| config.cookie_file = Some("c".into())).0, "cookie_file");
}

#[test]
fn the_directory_must_be_usable() {
    assert_eq!(refused(|config| config.dir = PathBuf::new()).0, "dir");
    let file = tempfile::NamedTempFile::new().unwrap();
    let (name, text) = refused(|config| config.dir = file.path().to_owned());
    assert!(name == "dir" && text.contains("no directory"), "{text}");
    let (name, text) = refused(|config| config.dir = file.path().join("absent/node"));
    assert!(name == "dir" && text.contains("parent"), "{text}");
}

#[test]
fn a_node_starts_a_cluster_or_joins_one() {
    let both = |config: &mut Config| {
        config.bootstrap = true;
        config.join = Some("aspen".into());
    };
    assert_eq!(refused(both).0, "bootstrap");
    let twice = |config: &mut Config| {
        config.join = Some("aspen".into());
        config.join_file = Some("ticket".into());
    };
    assert_eq!(refused(twice).0, "join_file");
}

#[test]
fn the_network_is_private_unless_asked() {
    let (name, text) = refused(|config| config.listen = "0.0.0.0:4000".parse().unwrap());
    assert!(name == "reach" && text.contains("lan"), "{text}");
    assert_eq!(refused(|config| config.relay_url = Some("https://r".into())).0, "relay_url");
    assert_eq!(refused(|config| config.reach = ReachSetting::Relay).0, "relay_url");
    let open = |config: &mut Config| config.ops_listen = Some("0.0.0.0:9000".parse().unwrap());
    let (name, text) = refused(open);
    assert!(name == "ops_listen" && text.contains("ops_public"), "{text}");
    let mut config = valid();
    open(&mut config);
    config.ops_public = true;
    config.validate().unwrap();
}

#[test]
fn timings_must_be_positive_and_in_order() {
    assert_eq!(refused(|config| config.heartbeat_ms = 0).0, "heartbeat_ms");
    assert_eq!(refused(|config| config.vote_timeout_ms = 0).0, "vote_timeout_ms");
    assert_eq!(refused(|config| config.append_timeout_ms = 0).0, "append_timeout_ms");
    assert_eq!(refused(|config| config.join_timeout_ms = 0).0, "join_timeout_ms");
    assert_eq!(refused(|config| config.history_ms = 0).0, "history_ms");
    assert_eq!(refused(|config| config.disk_check_ms = 0).0, "disk_check_ms");
    assert_eq!(refused(|config| config.drain_ms = 0).0, "drain_ms");
    assert_eq!(refused(|c| c.operations_in_flight_max = 0).0, "operations_in_flight_max");
    assert_eq!(refused(|config| config.heartbeat_ms = 1_500).0, "heartbeat_ms");
    assert_eq!(refused(|config| config.election_ms_max = 1_500).0, "election_ms_min");
    assert_eq!(refused(|config| config.heartbeat_ms = 1_200).0, "election_ms_max");
}

#[test]
fn disk_limits_must_be_in_order() {
    assert_eq!(refused(|config| config.disk_refuse_percent = 101).0, "disk_refuse_percent");
    assert_eq!(refused(|config| config.disk_warn_percent = 95).0, "disk_warn_percent");
}

#[test]
fn unwise_values_warn() {
    let mut config = valid();
    config.heartbeat_ms = 600;
    config.listen = "127.0.0.1:8080".parse().unwrap();
    config.ops_listen = Some("127.0.0.1:26000".parse().unwrap());
    let warnings = config.validate().unwrap();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("heartbeat_ms"), "{warnings:?}");
    assert!(warnings[1].contains("8080") && warnings[2].contains("26000"), "{warnings:?}");
}

#[test]
fn the_printed_configuration_gives_itself_again_without_the_cookie() {
    let config = Config { ops_listen: Some("127.0.0.1:1".parse().unwrap()), ..valid() };
    let text = config.to_toml().unwrap();
    assert!(!text.contains("secret"), "{text}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("printed.toml");
    std::fs::write(&file, &text).unwrap();
    let again = Layers::new().file(&file).unwrap().build().unwrap();
    assert_eq!(Config { cookie: config.cookie.clone(), ..again }, config);
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn every_setting_documents_itself_and_its_kind_fits() {
    let table = toml::Table::try_from(Config::default()).unwrap();
    for setting in SETTINGS {
        assert!(!setting.doc.trim().is_empty(), "{}", setting.name);
        let kind = match table.get(setting.name) {
            Some(toml::Value::Integer(_)) => Kind::Integer,
            Some(toml::Value::Boolean(_)) => Kind::Flag,
            _ => Kind::Text,
        };
        assert_eq!(kind, setting.kind, "{}", setting.name);
    }
}
