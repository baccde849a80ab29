//! Why something in a sandbox could not be done, as text for a person.

use std::fmt;

/// A cause in words.
#[derive(Debug)]
pub(crate) struct Trouble(String);

/// What can fail with a [`Trouble`].
pub(crate) type Done<T = ()> = Result<T, Trouble>;

impl Trouble {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being done when an error came.
pub(crate) trait While<T> {
    /// The error with what was being done before it.
    fn doing(self, what: impl fmt::Display) -> Done<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Done<T> {
        self.map_err(|error| Trouble(format!("{what}: {error}")))
    }
}
