//! Errors as services answer them: AWS's code, the text, the HTTP status. The wire turns them into
//! the bytes of the client's own protocol.

use std::borrow::Cow;

use sagegate_store::StoreError;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// AWS's error code, such as `NoSuchEntity`.
    pub code: Cow<'static, str>,
    /// The text for a human.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whether the client is to blame.
    pub sender: bool,
    /// For the log: the reason of an internal fault, or what exactly was wrong where AWS's own text
    /// does not tell; never shown to a client.
    pub detail: Option<String>,
    /// For the record: whether it says that something was denied which the operation asked of
    /// another service.
    pub denied: bool,
}

impl Fault {
    /// A client's error: `status` is 4xx.
    #[must_use]
    pub fn client(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status,
            sender: true,
            detail: None,
            denied: false,
        }
    }

    /// A failure of ours. The client is told that it was ours and nothing more; `detail` goes to
    /// the log.
    #[must_use]
    pub fn internal(detail: impl Into<String>) -> Self {
        Self {
            code: "InternalFailure".into(),
            message: "The request processing has failed because of an unknown error, exception or \
                      failure."
                .into(),
            status: 500,
            sender: false,
            detail: Some(detail.into()),
            denied: false,
        }
    }
}

impl Fault {
    /// Too many others wrote the same things at the same time; the client may try again, and SDKs
    /// do by themselves.
    #[must_use]
    pub fn contention() -> Self {
        Self {
            code: "ServiceUnavailable".into(),
            message: "The request met too many other writers of the same resources. Try again."
                .into(),
            status: 503,
            sender: false,
            detail: None,
            denied: false,
        }
    }
}

impl Fault {
    /// Credentials that are not good (any more), or not for this service.
    #[must_use]
    pub fn unknown_key() -> Self {
        Self::client(
            "InvalidClientTokenId",
            403,
            "The security token included in the request is invalid",
        )
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::internal(format!("store: {error}"))
    }
}
