//! What the launcher and the first process of a space owe each other.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, flock};
use sagegate_agent::COMMAND;
use sagegate_agent::plan::{Launch, Plan, Walls};

/// Runs the stage of the first process over a directory whose launcher is still at work; gives what it
/// says once the launcher is gone, having left this in the directory.
fn first_process(left: Option<&str>) -> String {
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    let launch = Launch {
        walls: Walls::None,
        groups: Vec::new(),
        pid_file: pid_file.clone(),
        home: directory.path().to_owned(),
        home_too: None,
        // What would be started next is not there, and that is told.
        executable: directory.path().join("next"),
        hostname: "space".to_owned(),
        needs: Vec::new(),
        metadata: String::new(),
        scratch: 1 << 20,
        processes: 4096,
        probe: false,
        joins: false,
        files: BTreeMap::new(),
        plan: Plan {
            home: directory.path().to_owned(),
            tmp: directory.path().to_owned(),
            command: Vec::new(),
            env: BTreeMap::new(),
            port: 8888,
            probe: String::new(),
            activity: None,
            lifecycle_scripts: Vec::new(),
            relays: BTreeMap::new(),
            alone: None,
            sweep: false,
        },
    };
    let path = directory.path().join("launch.json");
    std::fs::write(&path, serde_json::to_vec(&launch).unwrap()).unwrap();
    let launcher = File::open(&path).unwrap();
    flock(&launcher, FlockOperation::LockExclusive).unwrap();
    let stage = Command::new(env!("CARGO_BIN_EXE_sagegate-test-space"))
        .args([COMMAND, "enter"])
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(left) = left {
        std::fs::write(&pid_file, left).unwrap();
    }
    drop(launcher);
    let output = stage.wait_with_output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_first_process_that_nobody_could_find_again_does_not_run() {
    let said = first_process(None);
    assert!(said.contains("the launcher did not write down its first process"), "{said}");
}

#[test]
fn a_first_process_goes_on_once_it_is_written_down() {
    let said = first_process(Some("1 2 3"));
    assert!(said.contains("/next: No such file or directory"), "{said}");
}
