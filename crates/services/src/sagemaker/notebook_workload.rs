//! What should run of notebook instances, and what is seen of it: the part of [`super::workload`] that
//! is about them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sagegate_api::sagemaker::{DirectInternetAccess, NotebookInstanceStatus as Status, RootAccess};
use sagegate_gate::env::Time;
use sagegate_gate::{AccountId, Fault, Region, Scope};
use sagegate_store::{Read, Tx};

use super::named;
use super::notebook_records::{self, NOTEBOOKS};
use super::shapes::Word;
use super::workload::{Observed, Wanted};

/// The longest `FailureReason` (SPEC 2.4), in characters.
const REASON: usize = 1_024;

/// A notebook instance that is to run or to stop: a JupyterLab whose root is its home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredNotebook {
    /// The id of this run, of `a-z`, `0-9` and `-`, at most 64 characters. Never given twice; no app
    /// has one that begins like it (`notebook-`).
    pub id: String,
    /// The account and region.
    pub scope: Scope,
    /// The name as spelled at its making.
    pub name: String,
    /// The ARN.
    pub arn: String,
    /// The id of the home directory, of `a-z`, `0-9` and `-`, which outlives the run.
    pub home: String,
    /// The ARN of the role of the code inside. Its credentials carry no keys of Studio.
    pub execution_role: String,
    /// The instance type, such as `ml.t3.medium`.
    pub instance_type: String,
    /// A script to run before `on_start`, once in the life of the notebook instance: it is here until
    /// [`Observed::Serving`] has been reported for the first time.
    pub on_create: Option<Vec<u8>>,
    /// A script to run before the app starts.
    pub on_start: Option<Vec<u8>>,
    /// The size of its volume, in GB.
    pub volume_gb: i32,
    /// Its network interface in a subnet, `eni-…`, if it was made with one.
    pub interface: Option<String>,
    /// Whether it reaches the internet by itself (`DirectInternetAccess`).
    pub direct_internet: bool,
    /// Whether its users are root inside it (`RootAccess`).
    pub root_access: bool,
    /// The URLs of the Git repositories to clone into the home directory; that which it opens in comes
    /// first, if `opens_in_repository`.
    pub repositories: Vec<String>,
    /// Whether it opens in the directory of the first repository.
    pub opens_in_repository: bool,
    /// The Elastic Inference accelerators to attach, such as `ml.eia2.medium`.
    pub accelerators: Vec<String>,
    /// Whether it is to run.
    pub state: Wanted,
}

/// All notebook instances that are to run, or to be stopped, of all accounts. What runs and is not
/// among them is nobody's and is to be stopped without a report.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn notebooks(state: &dyn Read) -> Result<Vec<DesiredNotebook>, Fault> {
    let mut out = Vec::new();
    for ((account, region, _), it) in NOTEBOOKS.scan(state, &(), None, usize::MAX)? {
        let wanted = match it.status.0 {
            Status::Pending if it.run.ready => Wanted::Run,
            Status::InService => Wanted::Run,
            Status::Stopping => Wanted::Stop,
            _ => continue,
        };
        let internal = |it: sagegate_gate::ids::InvalidId| Fault::internal(it.to_string());
        let scope = Scope {
            account: AccountId::parse(&account).map_err(internal)?,
            region: Region::parse(&region).map_err(internal)?,
        };
        let opens_in_repository = it.default_repository.is_some();
        out.push(DesiredNotebook {
            arn: it.arn(&scope),
            home: it.home(),
            on_create: script(it.run.on_create.as_deref().filter(|_| !it.has_served))?,
            on_start: script(it.run.on_start.as_deref())?,
            direct_internet: it.direct_internet.0 == DirectInternetAccess::Enabled,
            root_access: it.root_access.0 == RootAccess::Enabled,
            repositories: it.default_repository.into_iter().chain(it.repositories).collect(),
            opens_in_repository,
            accelerators: it.accelerators.iter().map(|it| it.0.to_string()).collect(),
            id: it.run.id,
            interface: it.interface,
            scope,
            name: it.name,
            execution_role: it.role,
            instance_type: it.instance_type,
            volume_gb: it.volume_gb,
            state: wanted,
        });
    }
    Ok(out)
}

fn script(stored: Option<&str>) -> Result<Option<Vec<u8>>, Fault> {
    let decoded = stored.map(|it| STANDARD.decode(it.trim_ascii_end())).transpose();
    decoded.map_err(|_| Fault::internal("the script of a notebook instance is not base64"))
}

/// The ids of the home directories of all notebook instances.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn notebook_homes(state: &dyn Read) -> Result<Vec<String>, Fault> {
    let found = NOTEBOOKS.scan(state, &(), None, usize::MAX)?;
    Ok(found.into_iter().map(|(_, it)| it.home()).collect())
}

/// Takes down what was seen of a run of a notebook instance. What is seen of one that is not known
/// (any more), and what comes too late to matter, changes nothing.
///
/// # Errors
/// A [`Fault`] of the store.
pub(super) fn report(tx: &mut Tx, id: &str, what: &Observed, now: Time) -> Result<(), Fault> {
    let Some((scope, mut it)) = notebook_records::of_run(tx, id)? else { return Ok(()) };
    match (what, it.status.0) {
        (Observed::Serving, Status::Pending) => {
            it.status = Word(Status::InService);
            it.has_served = true;
            it.modified = now;
        }
        (Observed::Failed(reason), Status::Pending | Status::InService) => {
            it.status = Word(Status::Failed);
            it.failure_reason = Some(reason.chars().take(REASON).collect());
            it.modified = now;
        }
        (Observed::Stopped, Status::Pending | Status::InService) => {
            it.status = Word(Status::Failed);
            it.failure_reason = Some("The notebook instance has stopped by itself.".to_owned());
            it.modified = now;
        }
        (Observed::Stopped | Observed::Failed(_), Status::Stopping) => {
            it.status = Word(Status::Stopped);
            it.modified = now;
        }
        (Observed::Active(at), Status::InService) if it.run.active.is_none_or(|it| it < *at) => {
            it.run.active = Some(*at);
        }
        _ => return Ok(()),
    }
    Ok(named::put(tx, &scope, &it)?)
}
