//! File transfer with OpenSSH's `scp` and `sftp`.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::process::Output;

use crate::support::{Space, bytes, digest, feed, shown};

/// Runs `sftp` with these commands. It stops at the first that fails.
fn sftp(space: &Space, commands: &str) -> Output {
    feed(space.client("sftp").args(["-b", "-", "my-space"]), commands.as_bytes())
}

fn works(space: &Space, commands: &str) -> String {
    let output = sftp(space, commands);
    assert!(output.status.success(), "{commands}\n{}", shown(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(space: &Space, commands: &str) -> String {
    let output = sftp(space, commands);
    assert!(!output.status.success(), "{commands}\n{}", shown(&output));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn copies_both_ways() {
    let space = Space::new();
    let (here, back) = (space.path("here"), space.path("back"));
    let data = bytes(20_000_000);
    std::fs::write(&here, &data).unwrap();
    for options in [&[][..], &["-O"]] {
        let mut up = space.client("scp");
        let output = up.args(options).arg(&here).arg("my-space:there").output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        assert!(digest(&std::fs::read(space.home().join("there")).unwrap()) == digest(&data));
        let mut down = space.client("scp");
        let output = down.args(options).arg("my-space:there").arg(&back).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        assert!(digest(&std::fs::read(&back).unwrap()) == digest(&data));
        std::fs::remove_file(&back).unwrap();
        std::fs::remove_file(space.home().join("there")).unwrap();
    }
}

#[test]
fn a_tree_with_its_modes_and_times() {
    let space = Space::new();
    let tree = space.path("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    // Names are bytes: this one is not UTF-8.
    let odd = std::os::unix::ffi::OsStringExt::from_vec(b"n\xe4me".to_vec());
    let odd: std::ffi::OsString = odd;
    std::fs::write(tree.join("a").join(&odd), b"x").unwrap();
    std::fs::write(tree.join("a/b/run"), b"#!/bin/sh\n").unwrap();
    std::fs::set_permissions(tree.join("a/b/run"), PermissionsExt::from_mode(0o751)).unwrap();
    let touched = std::process::Command::new("touch")
        .args(["-d", "2001-02-03 04:05:06 UTC"])
        .arg(tree.join("a/b/run"))
        .status()
        .unwrap();
    assert!(touched.success());
    let mut scp = space.client("scp");
    let output = scp.arg("-rp").arg(&tree).arg("my-space:").output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let copy = space.home().join("tree");
    assert_eq!(std::fs::read(copy.join("a").join(&odd)).unwrap(), b"x");
    let run = std::fs::metadata(copy.join("a/b/run")).unwrap();
    assert_eq!((run.mode() & 0o7777, run.mtime()), (0o751, 981_173_106));
}

#[test]
fn an_interrupted_transfer_goes_on() {
    let space = Space::new();
    let data = bytes(3_000_000);
    let (here, there) = (space.path("here"), space.home().join("there"));
    std::fs::write(&here, &data).unwrap();
    std::fs::write(&there, &data[..1_234_567]).unwrap();
    works(&space, &format!("reput {} there\n", here.display()));
    assert!(std::fs::read(&there).unwrap() == data);
    std::fs::write(&here, &data[..7_654]).unwrap();
    works(&space, &format!("reget there {}\n", here.display()));
    assert!(std::fs::read(&here).unwrap() == data);
    std::fs::write(&here, b"end").unwrap();
    works(&space, &format!("put -f {} there\n", here.display()));
    assert_eq!(std::fs::read(&there).unwrap(), b"end");
}

#[test]
fn what_commands_do() {
    let space = Space::new();
    let home = space.home();
    std::fs::write(home.join("one"), b"1").unwrap();
    std::fs::write(home.join("two"), b"2").unwrap();
    works(
        &space,
        "mkdir dir\nrename one dir/three\nrename dir/three two\nln two hard\nln -s two soft\n\
         chmod 640 two\nrename two dir/two\n",
    );
    assert_eq!(std::fs::read(home.join("dir/two")).unwrap(), b"1", "an existing file is replaced");
    let two = std::fs::metadata(home.join("dir/two")).unwrap();
    assert_eq!((two.mode() & 0o7777, two.nlink()), (0o640, 2));
    assert_eq!(std::fs::read_link(home.join("soft")).unwrap(), std::path::Path::new("two"));
    let text = works(&space, "pwd\nls -la\ndf\n");
    assert!(text.contains(&format!("Remote working directory: {}", home.display())), "{text}");
    assert!(text.contains("hard"), "{text}");
    works(&space, "rm hard\nrm soft\nrm dir/two\nrmdir dir\n");
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
    assert!(fails(&space, "rm nothing\n").contains("No such file"));
    assert!(fails(&space, "get nothing\n").contains("not found"));
    std::fs::create_dir(home.join("full")).unwrap();
    std::fs::write(home.join("full/file"), b"").unwrap();
    assert!(fails(&space, "rmdir full\n").contains("Failure"));
}

#[test]
fn a_directory_with_many_files() {
    let space = Space::new();
    for number in 0..5_000 {
        std::fs::write(space.home().join(format!("file-{number:04}")), b"").unwrap();
    }
    let text = works(&space, "ls -1\n");
    assert_eq!(text.lines().filter(|line| line.starts_with("file-")).count(), 5_000);
}

#[test]
fn the_kernel_decides() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let space = Space::of(&["65533", "65532"]);
    for path in [space.directory.path(), &space.home()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o711)).unwrap();
    }
    std::os::unix::fs::chown(space.home(), Some(65533), Some(65532)).unwrap();
    std::fs::write(space.home().join("secret"), b"of root").unwrap();
    std::fs::set_permissions(space.home().join("secret"), PermissionsExt::from_mode(0o600))
        .unwrap();
    assert_eq!(space.output(&[], &["id -u; id -g; id -G"]), "65533\n65532\n65532\n");
    assert!(fails(&space, "get secret /dev/null\n").contains("ermission denied"));
    works(&space, "mkdir mine\n");
    let mine = std::fs::metadata(space.home().join("mine")).unwrap();
    assert_eq!((mine.uid(), mine.gid()), (65533, 65532));
    let terminal = space.ssh(&["-tt"], &["stat -c %u $(tty)"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&terminal.stdout).trim(), "65533", "{}", shown(&terminal));
}
