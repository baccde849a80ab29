//! A space, and OpenSSH's programs on the way to it.

#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]
#![expect(clippy::disallowed_methods, reason = "a deadline for what a test waits for")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) const PEER: &str = env!("CARGO_BIN_EXE_sagegate-ssh-peer");

/// A server on a socket in a directory of its own.
pub(crate) struct Space {
    pub(crate) directory: tempfile::TempDir,
    server: Child,
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Space {
    pub(crate) fn new() -> Self {
        Self::of(&[])
    }

    /// A server for this user and group.
    pub(crate) fn of(user: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("sg").tempdir().unwrap();
        let home = directory.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let mut server = Command::new(PEER)
            .arg("serve")
            .args([directory.path().join("ssh"), home])
            .args(user)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { directory, server }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("ssh")
    }

    /// What the server said about connections that have ended.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// The options that lead any of OpenSSH's programs here.
    pub(crate) fn options(&self) -> Vec<String> {
        let option = |text: String| ["-o".to_owned(), text];
        [
            format!("ProxyCommand={PEER} connect {}", self.socket().display()),
            format!("UserKnownHostsFile={}", self.path("known_hosts").display()),
            "StrictHostKeyChecking=accept-new".into(),
            "BatchMode=yes".into(),
            "LogLevel=INFO".into(),
            "IdentityAgent=none".into(),
            "ExitOnForwardFailure=yes".into(),
        ]
        .into_iter()
        .flat_map(option)
        .collect()
    }

    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-F", "none"]).args(self.options()).stdin(Stdio::null());
        command
    }

    /// `ssh OPTIONS my-space COMMAND`.
    pub(crate) fn ssh(&self, options: &[&str], command: &[&str]) -> Command {
        let mut ssh = self.client("ssh");
        ssh.args(options).arg("my-space").args(command);
        ssh
    }

    /// What a command writes; it must succeed.
    pub(crate) fn output(&self, options: &[&str], command: &[&str]) -> String {
        let output = self.ssh(options, command).output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

pub(crate) fn shown(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a command with this input.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The other side may have read enough.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// Bytes that do not repeat and are the same each time.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
