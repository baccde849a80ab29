//! What SageMaker keeps of a notebook instance, its states, and what happens to it after a call.
//!
//! Pending → InService → Stopping → Stopped → Pending …; Stopped → Updating → Stopped; Stopped or
//! Failed → Deleting → gone (SPEC 2.5). Pending, InService and Stopping follow what runs, by
//! [`super::workload`]; the others are brought on here, as soon as the call is committed.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sagegate_api::sagemaker::{
    DirectInternetAccess, IPAddressType, NotebookInstanceAcceleratorType, NotebookInstanceStatus,
    RootAccess,
};
use sagegate_gate::env::{Env, Time};
use sagegate_gate::{Fault, Need, Scope};
use sagegate_store::{Read, Record, StoreError, Table, Tx};
use serde::{Deserialize, Serialize};

use super::faults::validation;
use super::named::{self, Named, Names};
use super::neighbours;
use super::records::{self, DOORS};
use super::resource_work::{self, Kind};
use super::shapes::Word;
use super::site::{self, Site};
use crate::binding::Binding;
use crate::ec2::network_interface::{self, Plan, Wanted};
use crate::ec2::records::{Attachment, Holder, Interface, Subnet, default_group, get};

/// Notebook instances by `(account, region, name in lower case)`.
pub const NOTEBOOKS: Table<(String, String, String), NotebookRecord> =
    Table::new("sagemaker.notebook");
/// Which notebook instance a run belongs to: its scope and name, by the run's id.
pub const RUNS: Table<String, RunRecord> = Table::new("sagemaker.notebook-run");

/// A notebook instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotebookRecord {
    /// The name as spelled at its making.
    pub name: String,
    /// Which making of it this is.
    pub incarnation: String,
    /// When it was made.
    pub created: Time,
    /// When it was last changed.
    pub modified: Time,
    /// The life-cycle's state.
    pub status: Word<NotebookInstanceStatus>,
    /// Why it failed.
    #[serde(default)]
    pub failure_reason: Option<String>,
    /// The instance type, such as `ml.t3.medium`.
    pub instance_type: String,
    /// The ARN of the role of the code in it.
    pub role: String,
    /// The subnet that it has an address in.
    #[serde(default)]
    pub subnet: Option<String>,
    /// The security groups of its network interface.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Its network interface in the subnet, once it is made.
    #[serde(default)]
    pub interface: Option<String>,
    /// IPv4, or both.
    pub ip_address_type: Word<IPAddressType>,
    /// The key of its volume.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// The name of its lifecycle configuration, as spelled at the configuration's making.
    #[serde(default)]
    pub lifecycle_config: Option<String>,
    /// Whether it reaches the internet by itself.
    pub direct_internet: Word<DirectInternetAccess>,
    /// The size of its volume, in GB.
    pub volume_gb: i32,
    /// Elastic Inference accelerators.
    #[serde(default)]
    pub accelerators: Vec<Word<NotebookInstanceAcceleratorType>>,
    /// The URL of the Git repository that it opens in.
    #[serde(default)]
    pub default_repository: Option<String>,
    /// URLs of further Git repositories.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Whether its users are root.
    pub root_access: Word<RootAccess>,
    /// The environment that it runs, such as `notebook-al2023-v1`.
    pub platform: String,
    /// The least version of the instance metadata service: `1` or `2`.
    pub imds: String,
    /// The loopback address of its door.
    pub door: Ipv4Addr,
    /// The first label of its host name: `<name>-<four characters>`.
    pub label: String,
    /// Its present or last run.
    pub run: Run,
    /// Whether it has ever served: the script of its creation runs until then.
    #[serde(default)]
    pub has_served: bool,
}

/// A run of a notebook instance: from a start to the stop or failure after it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The id: `notebook-` and a UUID. Never given twice.
    pub id: String,
    /// Whether all that it needs around it is there.
    #[serde(default)]
    pub ready: bool,
    /// The script for the creation, in base64, as it was at this start.
    #[serde(default)]
    pub on_create: Option<String>,
    /// The script for every start, in base64, as it was at this start.
    #[serde(default)]
    pub on_start: Option<String>,
    /// When its user last did something.
    #[serde(default)]
    pub active: Option<Time>,
}

impl Record for NotebookRecord {}

/// Where the notebook instance of a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The account.
    pub account: sagegate_gate::AccountId,
    /// The region.
    pub region: sagegate_gate::Region,
    /// The name in lower case.
    pub name: String,
}

impl Record for RunRecord {}

impl Named for NotebookRecord {
    const TABLE: Names<Self> = NOTEBOOKS;
    const KIND: &'static str = "NotebookInstance";
    const PATH: &'static str = "notebook-instance";
    const LOWER: bool = true;

    fn name(&self) -> &str {
        &self.name
    }
}

impl NotebookRecord {
    /// The ARN.
    #[must_use]
    pub fn arn(&self, scope: &Scope) -> String {
        Named::arn(self, scope)
    }

    /// The id of its home directory, of `a-z`, `0-9` and `-`: the same for as long as it exists, and
    /// never that of another one under the same name.
    #[must_use]
    pub fn home(&self) -> String {
        format!("notebook-{}", self.incarnation)
    }
}

/// The notebook instance of this name.
///
/// # Errors
/// `ValidationException` with the word `RecordNotFound`, by which clients tell "gone" (SPEC 2.6).
pub(super) fn require(
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<NotebookRecord, Fault> {
    named::find(state, scope, name)?.ok_or_else(|| {
        let arn = named::arn::<NotebookRecord>(scope, name);
        validation(format!("RecordNotFound: Notebook Instance [{arn}] does not exist."))
    })
}

/// A need of an action on the notebook instance of this name, with its tags if it exists.
pub(super) fn need(
    action: &'static str,
    state: &dyn Read,
    scope: &Scope,
    name: &str,
) -> Result<Need, Fault> {
    named::need::<NotebookRecord>(action, state, scope, name)
}

/// Refuses what cannot be done in the present state, in SageMaker's words.
///
/// # Errors
/// `ValidationException`.
pub(super) fn check_state(
    record: &NotebookRecord,
    scope: &Scope,
    from: &[NotebookInstanceStatus],
    to: NotebookInstanceStatus,
) -> Result<(), Fault> {
    let status = record.status.0;
    if from.contains(&status) {
        return Ok(());
    }
    let from: Vec<&str> = from.iter().map(|it| it.as_str()).collect();
    Err(validation(format!(
        "Status ({status}) not in ([{}]). Unable to transition to ({to}) for Notebook Instance ({}).",
        from.join(", "),
        record.arn(scope)
    )))
}

/// Writes one back, and has what comes after be done.
pub(super) fn put_with_work(
    tx: &mut Tx,
    scope: &Scope,
    record: &NotebookRecord,
) -> Result<(), StoreError> {
    named::put(tx, scope, record)?;
    resource_work::note(tx, scope, Kind::Notebook, &record.name)
}

/// The notebook instance whose present run has this id.
pub(super) fn of_run(
    state: &dyn Read,
    id: &str,
) -> Result<Option<(Scope, NotebookRecord)>, StoreError> {
    let Some(at) = RUNS.get(state, id)? else { return Ok(None) };
    let scope = Scope { account: at.account, region: at.region };
    let found = named::find::<NotebookRecord>(state, &scope, &at.name)?;
    Ok(found.filter(|it| it.run.id == id).map(|it| (scope, it)))
}

/// A run that is to begin, with the scripts of a lifecycle configuration as they are now.
pub(super) fn begin_run(
    tx: &mut Tx,
    env: &Env,
    scope: &Scope,
    name: &str,
    config: Option<&str>,
) -> Result<Run, Fault> {
    let config =
        config.map(|it| super::notebook_config::require("describe", tx, scope, it)).transpose()?;
    let id = format!("notebook-{}", env.uuid());
    let at = RunRecord {
        account: scope.account.clone(),
        region: scope.region.clone(),
        name: name.to_ascii_lowercase(),
    };
    RUNS.put(tx, id.as_str(), &at)?;
    let (on_create, on_start) = config.map_or((None, None), |it| (it.on_create, it.on_start));
    Ok(Run { id, ready: false, on_create, on_start, active: None })
}

/// Brings a notebook instance on.
pub(super) fn advance(tx: &mut Tx, env: &Env, scope: &Scope, name: &str) -> Result<(), Fault> {
    let Some(mut record) = named::find::<NotebookRecord>(tx, scope, name)? else { return Ok(()) };
    match record.status.0 {
        NotebookInstanceStatus::Pending if !record.run.ready => {
            match prepare(tx, env, scope, &mut record) {
                Ok(ready) => record.run.ready = ready,
                Err(fault) if fault.sender => {
                    record.status = Word(NotebookInstanceStatus::Failed);
                    record.failure_reason = Some(fault.message);
                    record.modified = env.now();
                }
                Err(fault) => return Err(fault),
            }
        }
        NotebookInstanceStatus::Updating => {
            record.status = Word(NotebookInstanceStatus::Stopped);
            record.modified = env.now();
        }
        NotebookInstanceStatus::Deleting => return remove(tx, scope, &record),
        _ => return Ok(()),
    }
    Ok(named::put(tx, scope, &record)?)
}

/// Makes what a run needs around it. False while its door is not open yet: work is noted again when
/// it has been tried.
fn prepare(
    tx: &mut Tx,
    env: &Env,
    scope: &Scope,
    record: &mut NotebookRecord,
) -> Result<bool, Fault> {
    // The role may have changed between the call and this moment.
    neighbours::check_assumable(tx, scope, &record.role, &record.arn(scope), env.now())?;
    if let (Some(id), None) = (&record.subnet, &record.interface) {
        let subnet: Option<Subnet> = get(tx, scope, id)?;
        let subnet =
            subnet.ok_or_else(|| validation(format!("The subnet ID '{id}' does not exist.")))?;
        check_groups(tx, scope, &subnet.vpc, &record.groups)?;
        let groups = if record.groups.is_empty() {
            vec![default_group(tx, scope, &subnet.vpc)?.id]
        } else {
            record.groups.clone()
        };
        let plan = Plan {
            description: format!(
                "[Do not delete] Network Interface created to access resources in your VPC for \
                 SageMaker Notebook Instance {}",
                record.label
            ),
            groups,
            address: None,
            secondary: Wanted::default(),
            ipv6: Wanted::default(),
            attachment: Some(Attachment {
                kind: Holder::NotebookInstance,
                holder: record.arn(scope),
                id: format!("ela-attach-0{}", env.hex(16)),
                time: env.now(),
            }),
        };
        let interface = network_interface::make(tx, scope, env, &subnet, plan)?;
        record.interface = Some(interface.id);
    }
    match site::door_binding(tx, &Site::read(tx)?, record.door)? {
        Binding::Bound => Ok(true),
        Binding::Waiting => Ok(false),
        Binding::Failed(reason) => Err(validation(format!(
            "The address of the notebook instance's URL cannot be opened: {reason}"
        ))),
    }
}

/// Whether security groups are there and belong to a VPC.
///
/// # Errors
/// `ValidationException` naming the one that does not.
pub(super) fn check_groups(
    state: &dyn Read,
    scope: &Scope,
    vpc: &str,
    groups: &[String],
) -> Result<(), Fault> {
    for id in groups {
        match crate::ec2::vpc_of_security_group(state, scope, id)? {
            None => {
                return Err(validation(format!("The security group '{id}' does not exist.")));
            }
            Some(of) if of != vpc => {
                return Err(validation(format!(
                    "The security group '{id}' is not in the vpc '{vpc}' of the subnet."
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn remove(tx: &mut Tx, scope: &Scope, record: &NotebookRecord) -> Result<(), Fault> {
    if let Some(id) = &record.interface
        && let Some(interface) = get::<Interface>(tx, scope, id)?
    {
        network_interface::remove(tx, scope, &interface)?;
    }
    DOORS.delete(tx, record.door.to_string().as_str());
    RUNS.delete(tx, record.run.id.as_str());
    records::put_tags(tx, scope, &record.arn(scope), BTreeMap::new())?;
    Ok(named::delete(tx, scope, record)?)
}
