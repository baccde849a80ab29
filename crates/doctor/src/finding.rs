//! What a check says.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something that is documented to be needed does not work.
    Error,
    /// It works, but not in all the ways that are documented, or only for now.
    Warning,
    /// Good to know.
    Info,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which check says so.
    pub check: &'static str,
    /// The requirement: a number of the specification, or the title of AWS's page.
    pub requirement: &'static str,
    /// What is concerned, by id or ARN; the first is what is wrong.
    pub objects: Vec<String>,
    /// What is wrong, in a sentence.
    pub text: String,
    /// The command that mends it, for a shell; nothing where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    pub(crate) fn new(
        level: Level,
        (check, requirement): (&'static str, &'static str),
        objects: &[&str],
        text: String,
        mend: Option<String>,
    ) -> Self {
        let objects = objects.iter().map(|it| (*it).to_owned()).collect();
        Self { level, check, requirement, objects, text, mend }
    }
}
