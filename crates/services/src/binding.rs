//! Whether an address that stands for something is listened on.

use serde::{Deserialize, Serialize};

/// What became of an address that should be listened on. The server writes it at every start and
/// whenever it changes; nothing names an address to a client that is not [`Binding::Bound`], since
/// what answers there may be anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// Not tried yet.
    #[default]
    Waiting,
    /// Listened on.
    Bound,
    /// Could not be bound; the text names the address and the cause.
    Failed(String),
}

impl Binding {
    /// Why a client cannot be sent to the address; `None` if it can.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        match self {
            Self::Waiting => Some("its address is not listened on yet"),
            Self::Bound => None,
            Self::Failed(reason) => Some(reason),
        }
    }
}
