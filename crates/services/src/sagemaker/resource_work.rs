//! What still has to be done on images and notebook instances after a call. Noted in the call's own
//! transaction, done by the life-cycle as soon as it is committed.

use std::pin::Pin;

use sagegate_gate::env::Env;
use sagegate_gate::{AccountId, Fault, Gate, Reaction, Region, Scope};
use sagegate_store::{Read, StoreError, Table, Tx};

use super::{image, image_version, notebook_records};

/// The work: `(account, region, kind, name in lower case)`.
pub const RESOURCE_WORK: Table<(String, String, String, String), ()> =
    Table::new("sagemaker.resource-work");

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

/// Brings images and notebook instances forward whenever work on them has been noted.
#[derive(Debug, Default, Clone, Copy)]
pub struct Resources;

impl Reaction for Resources {
    fn tables(&self) -> &'static [&'static str] {
        const TABLES: &[&str] = &[RESOURCE_WORK.name()];
        TABLES
    }

    fn react<'a>(&'a self, gate: &'a Gate) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let pieces = gate.store().snapshot().map_err(Fault::from).and_then(|it| noted(&it));
            let pieces = match pieces {
                Ok(pieces) => pieces,
                Err(fault) => return gate.report("the work on resources cannot be read", &fault),
            };
            let mut written = Vec::new();
            for piece in &pieces {
                // What fails stays noted, and keeps nothing else from being done.
                match gate.commit(|tx| advance(tx, gate.env(), piece)).await {
                    Ok(done) => written.extend(done.tables),
                    Err(fault) => {
                        let (.., kind, name) = piece;
                        gate.report(&format!("the work on {kind} {name} failed"), &fault);
                    }
                }
            }
            // That work is done is no news to whoever did it.
            written.retain(|table| *table != RESOURCE_WORK.name());
            gate.tell(&written).await;
        })
    }
}

/// A piece of work, as its key in the table.
pub type ResourceWork = (String, String, String, String);

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
pub fn noted(state: &dyn Read) -> Result<Vec<ResourceWork>, Fault> {
    let found = RESOURCE_WORK.scan(state, &(), None, usize::MAX)?;
    Ok(found.into_iter().map(|(work, ())| work).collect())
}

/// Does a piece of work, unless it was done meanwhile.
///
/// # Errors
/// A [`Fault`] of the store; nothing is written then.
pub fn advance(tx: &mut Tx, env: &Env, work: &ResourceWork) -> Result<(), Fault> {
    let (account, region, kind, name) = work;
    let key = (account.as_str(), region.as_str(), kind.as_str(), name.as_str());
    if !RESOURCE_WORK.contains(tx, &key)? {
        return Ok(());
    }
    let scope = Scope {
        account: AccountId::parse(account).map_err(|it| Fault::internal(it.to_string()))?,
        region: Region::parse(region).map_err(|it| Fault::internal(it.to_string()))?,
    };
    match Kind::ALL.into_iter().find(|it| it.as_str() == kind) {
        Some(Kind::Image) => image::advance(tx, env, &scope, name)?,
        Some(Kind::ImageVersion) => image_version::advance(tx, env, &scope, name)?,
        Some(Kind::Notebook) => notebook_records::advance(tx, env, &scope, name)?,
        None => return Err(Fault::internal("work is noted for what is no kind of resource")),
    }
    RESOURCE_WORK.delete(tx, &key);
    Ok(())
}
