//! The texts that travel in frames, and before the first of them.
//!
//! Names and spelling are those of the Session Manager plugin and agent. What is ours is the member
//! `SagegateResume`: other clients neither send nor read it.

use serde::{Deserialize, Deserializer, Serialize};

/// The version of the agent that we act as. Clients choose by it what they use of the protocol.
pub const AGENT_VERSION: &str = "3.3.1142.0";
/// The version of the plugin that our client acts as.
pub const CLIENT_VERSION: &str = "1.2.677.0";

/// The first message of a client, as text: who it is by its token. It is answered by the handshake.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Open {
    /// `1.0`.
    #[serde(default)]
    pub message_schema_version: String,
    /// A UUID.
    #[serde(default)]
    pub request_id: String,
    /// What `StartSession` has given as `TokenValue`; empty where a session is resumed.
    #[serde(default)]
    pub token_value: String,
    /// A UUID.
    #[serde(default)]
    pub client_id: String,
    /// The plugin's version.
    #[serde(default)]
    pub client_version: String,
    /// Ours: resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sagegate_resume: Option<Resume>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the token nor a ticket.
        f.debug_struct("Open").field("client_version", &self.client_version).finish_non_exhaustive()
    }
}

/// A client that can resume says so at first with an empty ticket, and later with the one that it
/// was given in the handshake.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub struct Resume {
    /// Base64url; empty at first.
    #[serde(default)]
    pub ticket: String,
    /// How many frames of the server have arrived in order, which is the next sequence number.
    #[serde(default)]
    pub received: i64,
    /// At first: the client can do with light frames, see [`Offer::light`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub light: bool,
}

impl std::fmt::Debug for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume").field("received", &self.received).finish_non_exhaustive()
    }
}

/// The server's answer, as text, to an [`Open`] with a ticket that it has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resumed {
    /// How many frames of the client have arrived in order.
    pub sagegate_received: i64,
}

/// What the server offers in the handshake to a client that can resume.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Offer {
    /// Base64url.
    pub ticket: String,
    /// For how long the session waits for its client, in seconds.
    pub seconds: u64,
    /// The most bytes in each direction that are sent and not acknowledged.
    pub window: usize,
    /// Frames of data are light, both ways: without a digest, up to [`LIGHT`](crate::limits::LIGHT)
    /// bytes, and what has arrived is acknowledged by the last frame of several.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub light: bool,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Offer");
        shown.field("seconds", &self.seconds).field("window", &self.window);
        shown.field("light", &self.light).finish_non_exhaustive()
    }
}

/// The server's first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    /// See [`AGENT_VERSION`].
    #[serde(default)]
    pub agent_version: String,
    /// What the client shall do.
    #[serde(default, deserialize_with = "null_is_none")]
    pub requested_client_actions: Vec<RequestedAction>,
    /// Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sagegate_resume: Option<Offer>,
}

/// One thing that the client shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// `SessionType`.
    pub action_type: String,
    /// Depends on the type.
    #[serde(default)]
    pub action_parameters: serde_json::Value,
}

impl HandshakeRequest {
    /// Asks for a stream of bytes on the client's standard input and output: a session of type
    /// `Port` that does not say anything about a local port.
    #[must_use]
    pub fn stream(offer: Option<Offer>) -> Self {
        let parameters = serde_json::json!({
            "SessionType": "Port",
            "Properties": { "portNumber": "22" },
        });
        let action = RequestedAction {
            action_type: "SessionType".to_owned(),
            action_parameters: parameters,
        };
        Self {
            agent_version: AGENT_VERSION.to_owned(),
            requested_client_actions: vec![action],
            sagegate_resume: offer,
        }
    }
}

/// The client's first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    /// The plugin's version.
    #[serde(default)]
    pub client_version: String,
    /// What it has done.
    #[serde(default, deserialize_with = "null_is_none")]
    pub processed_client_actions: Vec<ProcessedAction>,
    /// What went wrong.
    #[serde(default, deserialize_with = "null_is_none")]
    pub errors: Vec<String>,
}

/// What became of a [`RequestedAction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    /// The type that was asked for.
    #[serde(default)]
    pub action_type: String,
    /// 1 done, 2 failed, 3 not supported.
    #[serde(default)]
    pub action_status: i64,
    /// Depends on the type; absent for `SessionType`.
    #[serde(default)]
    pub action_result: serde_json::Value,
    /// What went wrong.
    #[serde(default, deserialize_with = "null_is_none")]
    pub error: String,
}

impl HandshakeResponse {
    /// Done: the session's type is taken.
    #[must_use]
    pub fn done() -> Self {
        let action = ProcessedAction {
            action_type: "SessionType".to_owned(),
            action_status: 1,
            action_result: serde_json::Value::Null,
            error: String::new(),
        };
        Self {
            client_version: CLIENT_VERSION.to_owned(),
            processed_client_actions: vec![action],
            errors: Vec::new(),
        }
    }

    /// Whether the client has taken the session's type.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.processed_client_actions
            .iter()
            .any(|action| action.action_type == "SessionType" && action.action_status == 1)
    }
}

/// The server's second frame: the client may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeComplete {
    /// In nanoseconds.
    #[serde(default)]
    pub handshake_time_to_complete: u64,
    /// Shown to the user, so always empty: it would go into the stream.
    #[serde(default, deserialize_with = "null_is_none")]
    pub customer_message: String,
}

/// A frame has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Acknowledge {
    /// The kind of the frame, by its name.
    #[serde(default)]
    pub acknowledged_message_type: String,
    /// Its id.
    #[serde(default)]
    pub acknowledged_message_id: String,
    /// Its sequence number.
    pub acknowledged_message_sequence_number: i64,
    /// Always true.
    #[serde(default)]
    pub is_sequential_message: bool,
}

/// The session is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChannelClosed {
    /// `channel_closed`.
    #[serde(default)]
    pub message_type: String,
    /// A UUID.
    #[serde(default)]
    pub message_id: String,
    /// Milliseconds since 1970, as text.
    #[serde(default)]
    pub created_date: String,
    /// Empty.
    #[serde(default)]
    pub destination_id: String,
    /// The session.
    #[serde(default)]
    pub session_id: String,
    /// 1.
    #[serde(default)]
    pub schema_version: i64,
    /// What the client tells its user.
    #[serde(default, deserialize_with = "null_is_none")]
    pub output: String,
}

/// Go writes an empty list or text as `null`.
fn null_is_none<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Our own messages can always be written.
pub(crate) fn write(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}
