//! The server as a process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use sagegate_gate::Env;
use sagegate_wire::sigv4::SecretKey;

use crate::client::{Client, Credentials};
use crate::writers::Round;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    data: PathBuf,
    /// Kept open, so that the server can write to it.
    _output: BufReader<ChildStdout>,
}

fn spawn(data: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sagegate"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Server {
    /// Starts a server and waits until it says where it serves.
    pub(crate) fn start(data: &Path) -> Server {
        let mut child = spawn(data);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "it ended by itself: {said}");
            let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
            if let Some(address) = url.and_then(|url| url.parse().ok()) {
                break address;
            }
            said.push_str(&line);
        };
        Server { child, address, data: data.to_owned(), _output: output }
    }

    /// Kills a server about when it starts: as soon as it has looked at its files `looks` times.
    pub(crate) fn start_and_kill(data: &Path, looks: u64) {
        let mut child = spawn(data);
        for _ in 0..looks {
            // What it has done until then depends on the machine; any moment will do.
            let _ = std::fs::read_dir(data).map(Iterator::count);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A client of the root user.
    pub(crate) fn client(&self) -> Client {
        let text = std::fs::read_to_string(self.data.join("root-credentials.env")).unwrap();
        let variables: BTreeMap<_, _> = text
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name, value.trim_matches(['"', '\''])))
            .collect();
        let credentials = Credentials {
            access_key_id: variables["AWS_ACCESS_KEY_ID"].to_owned(),
            secret: SecretKey::new(variables["AWS_SECRET_ACCESS_KEY"].to_owned()),
            token: None,
        };
        let region = variables["AWS_DEFAULT_REGION"].to_owned();
        Client { server: self.address, region, credentials, env: Env::system() }
    }

    /// Kills it while the round's writers write.
    pub(crate) fn kill(mut self, round: &Round) {
        round.killing();
        self.child.kill().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
