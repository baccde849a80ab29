//! What still has to be done on images and notebook instances after a call. Noted in the call's own
//! transaction, done by the [`lifecycle`] as soon as it is committed.

use sagegate_gate::env::Env;
use sagegate_gate::{Fault, Scope};
use sagegate_store::{Read, StoreError, Table, Tx};

use super::lifecycle::{self, Work};
use super::{image, image_version, notebook_records};

/// The work: `(account, region, kind, name in lower case)`.
pub const RESOURCE_WORK: Table<Work, ()> = Table::new("sagemaker.resource-work");

/// What the work is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An image.
    Image,
    /// The versions of an image.
    ImageVersion,
    /// A notebook instance.
    Notebook,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Image, Self::ImageVersion, Self::Notebook];

    fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::ImageVersion => "image-version",
            Self::Notebook => "notebook-instance",
        }
    }
}

/// Notes work on a resource.
pub(super) fn note(tx: &mut Tx, scope: &Scope, kind: Kind, name: &str) -> Result<(), StoreError> {
    let name = name.to_ascii_lowercase();
    let (account, region) = (scope.account.as_str(), scope.region.as_str());
    RESOURCE_WORK.put(tx, &(account, region, kind.as_str(), name.as_str()), &())
}

/// All work that is noted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn noted(state: &dyn Read) -> Result<Vec<Work>, Fault> {
    lifecycle::noted_in(state, RESOURCE_WORK)
}

/// Does a piece of work, unless it was done meanwhile.
///
/// # Errors
/// A [`Fault`] of the store; nothing is written then.
pub fn advance(tx: &mut Tx, env: &Env, work: &Work) -> Result<(), Fault> {
    let (account, region, kind, name) = work;
    let key = (account.as_str(), region.as_str(), kind.as_str(), name.as_str());
    if !RESOURCE_WORK.contains(tx, &key)? {
        return Ok(());
    }
    let scope = lifecycle::scope_of(work)?;
    match Kind::ALL.into_iter().find(|it| it.as_str() == kind) {
        Some(Kind::Image) => image::advance(tx, env, &scope, name)?,
        Some(Kind::ImageVersion) => image_version::advance(tx, env, &scope, name)?,
        Some(Kind::Notebook) => notebook_records::advance(tx, env, &scope, name)?,
        None => return Err(Fault::internal("work is noted for what is no kind of resource")),
    }
    RESOURCE_WORK.delete(tx, &key);
    Ok(())
}
