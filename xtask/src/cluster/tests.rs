//! The life of a cluster, with scripts for programs.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::node_command::NodeCommand;
use super::scene::{NODE, Scene};
use super::{Action, Interrupt, NodePlace};
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_cluster_starts_serves_and_stops() {
    let scene = Scene::new("serves", NODE);
    let interrupt = Interrupt::install().unwrap();
    let mut running = scene.start();
    let client = running.wait_until_serving(&interrupt).unwrap();
    assert_eq!(client.ticket(), "all-nodes");
    let layout = running.layout.clone();
    assert_eq!(std::fs::read_to_string(layout.ticket()).unwrap(), "all-nodes");
    let mode = std::fs::metadata(layout.cookie()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(layout.running().len(), 2);
    running.stop(&interrupt).unwrap();
    assert!(layout.running().is_empty());
}

#[test]
fn a_killed_node_is_restarted_with_its_command_and_stopped_with_the_rest() {
    let scene = Scene::new("restart", NODE);
    let interrupt = Interrupt::install().unwrap();
    let mut running = scene.start();
    running.wait_until_serving(&interrupt).unwrap();
    let layout = running.layout.clone();
    let at = || NodePlace { node: 2, place: scene.place() };
    assert!(super::run(Action::RestartNode(at())).is_err(), "it runs already");
    let command = NodeCommand::load(&layout, 2).unwrap();
    assert!(command.arguments.contains(&"--join-file".to_string()));
    super::run(Action::KillNode(at())).unwrap();
    assert_eq!(layout.running_pid(2), None);
    super::run(Action::RestartNode(at())).unwrap();
    assert!(layout.running_pid(2).is_some());
    assert_eq!(NodeCommand::load(&layout, 2).unwrap(), command);
    running.stop(&interrupt).unwrap();
    assert!(layout.running().is_empty());
}

#[test]
fn stop_from_another_shell_ends_the_nodes() {
    let scene = Scene::new("stop", NODE);
    let interrupt = Interrupt::install().unwrap();
    let mut running = scene.start();
    running.wait_until_serving(&interrupt).unwrap();
    super::run(Action::Stop(scene.place())).unwrap();
    running.reap();
    assert!(running.layout.running().is_empty());
}

#[test]
fn a_node_that_ends_early_is_a_failure_with_its_last_words() {
    let scene = Scene::new("early", "#!/bin/sh\necho 'the disk is full'\nexit 1\n");
    let failure = scene.start().wait_until_serving(&Interrupt::install().unwrap());
    let failure = failure.err().unwrap().to_string();
    assert!(
        failure.contains(" ended; the end of ") && failure.contains("the disk is full"),
        "{failure}"
    );
}

#[test]
fn an_interrupted_start_leaves_no_process() {
    let scene = Scene::new("interrupted", NODE);
    let running = scene.start();
    let layout = running.layout.clone();
    drop(running);
    assert!(layout.running().is_empty());
}

#[test]
fn a_directory_without_a_cluster_is_named() {
    let scene = Scene::new("absent", NODE);
    let failure = super::run(Action::Stop(scene.place())).unwrap_err().to_string();
    assert!(failure.contains("there is no cluster"), "{failure}");
}
