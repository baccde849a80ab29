//! What is said on an agent's control socket.
//!
//! A unix stream socket that the launcher makes outside of the sandbox. Each connection begins with
//! one JSON line, an [`Open`], to which the agent answers with one JSON line, an [`Answer`]. After
//! [`Answer::Opened`]:
//!
//! - [`Open::Ssh`]: the bytes of an SSH connection;
//! - [`Open::App`], [`Open::Tcp`]: the bytes of a TCP connection to 127.0.0.1 inside the space;
//! - [`Open::Accept`]: the bytes of the connection that a [`FromAgent::Dial`] announced;
//! - [`Open::Control`]: JSON lines in both directions, [`FromAgent`] and [`ToAgent`].
//!
//! The host always dials: the sandbox reaches nothing outside but through [`FromAgent::Dial`].
//! After [`Answer::Refused`] the agent closes the connection.

use serde::{Deserialize, Serialize};

/// Bytes that a line may have, its line feed included. Who sends a longer one is not listened to.
pub const LINE: usize = 4 * 1024;

/// Bytes that a line on a control connection may have: a status carries the app's last output.
pub const CONTROL_LINE: usize = 64 * 1024;

/// The first line of a connection: what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "open", rename_all = "kebab-case")]
pub enum Open {
    /// An SSH connection to the space.
    Ssh,
    /// A TCP connection to the port on which the app serves, whichever that is.
    App,
    /// A TCP connection to a port of 127.0.0.1 inside the space.
    Tcp {
        /// The port.
        port: u16,
    },
    /// Statuses and orders.
    Control,
    /// The host's end of a connection that [`FromAgent::Dial`] announced.
    Accept {
        /// The dial's number.
        id: u64,
    },
}

/// The agent's answer to [`Open`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// What was asked for begins with the next byte.
    Opened,
    /// It cannot be had.
    Refused {
        /// Why, in a sentence for the person who asked.
        message: String,
    },
}

/// A line that the agent sends on a control connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum FromAgent {
    /// How the space is. The first line of every control connection, and again on every change.
    Status(Status),
    /// Something in the space has connected to a relay's port. Whoever holds a control connection may
    /// open it with [`Open::Accept`]; where none is open, or nobody accepts in time, it is closed.
    Dial {
        /// The number to accept it with.
        id: u64,
        /// Which relay.
        relay: Relay,
    },
    /// It is there: the answer to [`ToAgent::Ping`].
    Pong,
}

/// A line that the host sends on a control connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum ToAgent {
    /// End the app and then the sandbox: a request to end, and after the grace the end.
    Stop {
        /// Milliseconds between the request and the end.
        grace_ms: u64,
    },
    /// What the agent needs and the sandbox's files must not hold. SSH is refused until it is there.
    Configure(Configure),
    /// Say [`FromAgent::Pong`].
    Ping,
}

/// What an agent is told after its start, and again by every host process that finds it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Configure {
    /// The space's SSH host key.
    pub ssh_host_key: Option<HostKey>,
}

/// The seed of an Ed25519 key (RFC 8032, section 5.1.5) as 64 hexadecimal digits; never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostKey(pub String);

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostKey(…)")
    }
}

/// How a space is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The app.
    pub app: App,
    /// When somebody was last at work in the space, in seconds since the epoch: what the app says,
    /// what the file `.sagemaker-last-active-timestamp` says, or now while a session is open.
    pub last_active: Option<u64>,
    /// Open SSH connections.
    pub ssh: u32,
}

/// How the app of a space is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum App {
    /// It has been started, or its lifecycle script is running; it does not answer yet.
    Starting,
    /// It answers.
    Serving,
    /// It is not there: it could not be started, its lifecycle script failed, or it ended.
    Ended {
        /// What happened, as a sentence.
        reason: String,
        /// The code with which it exited, where it did.
        code: Option<i32>,
        /// The signal that ended it, where one did.
        signal: Option<i32>,
        /// The last lines that it wrote, oldest first.
        lines: Vec<String>,
    },
}

/// What code in a space can reach on the host's side, each at a port of 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relay {
    /// The container-credentials endpoint: HTTP, answered by the host's side.
    Credentials,
    /// The API of this installation.
    Api,
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn line<T: Serialize>(value: &T) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn the_lines_are_as_both_sides_expect() {
        let lines = [
            line(&Open::Ssh),
            line(&Open::Tcp { port: 8080 }),
            line(&Open::Accept { id: 7 }),
            line(&Answer::Opened),
            line(&Answer::Refused { message: "no".to_owned() }),
            line(&FromAgent::Dial { id: 7, relay: Relay::Credentials }),
            line(&FromAgent::Status(Status { app: App::Serving, last_active: Some(1), ssh: 0 })),
            line(&FromAgent::Pong),
            line(&ToAgent::Stop { grace_ms: 500 }),
            line(&ToAgent::Ping),
        ];
        expect![[r#"
            {"open":"ssh"}
            {"open":"tcp","port":8080}
            {"open":"accept","id":7}
            {"answer":"opened"}
            {"answer":"refused","message":"no"}
            {"say":"dial","id":7,"relay":"credentials"}
            {"say":"status","app":{"is":"serving"},"last_active":1,"ssh":0}
            {"say":"pong"}
            {"do":"stop","grace_ms":500}
            {"do":"ping"}"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_host_key_is_not_printed() {
        let configure = Configure { ssh_host_key: Some(HostKey("secret".to_owned())) };
        assert!(!format!("{configure:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_open_is_refused_by_the_reader() {
        for text in ["", "{}", r#"{"open":"tcp"}"#, r#"{"open":"tcp","port":70000}"#, "[1]"] {
            assert!(serde_json::from_str::<Open>(text).is_err(), "{text}");
        }
    }
}
