//! CreateNotebookInstance, UpdateNotebookInstance, StartNotebookInstance, StopNotebookInstance,
//! DeleteNotebookInstance.

use sagegate_api::Unit;
use sagegate_api::sagemaker::{
    CreateNotebookInstanceInput, CreateNotebookInstanceOutput, DeleteNotebookInstanceInput,
    DirectInternetAccess, IPAddressType, NotebookInstanceAcceleratorType,
    NotebookInstanceStatus as Status, RootAccess, StartNotebookInstanceInput,
    StopNotebookInstanceInput, UpdateNotebookInstanceInput, UpdateNotebookInstanceOutput,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::validation;
use super::named;
use super::neighbours;
use super::notebook_config::{self, NotebookConfigRecord};
use super::notebook_records::{
    NotebookRecord, RUNS, begin_run, check_groups, check_state, need, put_with_work, require,
};
use super::records::{self, DoorOf};
use super::settings::key_arn;
use super::shapes::Word;
use super::site;
use super::tagging;
use crate::ec2;

/// The environment where the request names none (SageMaker API, `PlatformIdentifier`).
const PLATFORM: &str = "notebook-al2023-v1";
/// The size of a volume in GB where the request names none (SageMaker API, `VolumeSizeInGB`).
const VOLUME: i32 = 5;
/// The least version of the instance metadata service where the request names none (SageMaker API,
/// `MinimumInstanceMetadataServiceVersion`).
const IMDS: &str = "1";

/// The states from which most changes go.
const AT_REST: [Status; 2] = [Status::Stopped, Status::Failed];

fn accelerators(given: Option<&Vec<NotebookInstanceAcceleratorType>>) -> Option<Vec<String>> {
    given.map(|it| it.iter().map(ToString::to_string).collect())
}

fn config_arns(scope: &Scope, name: Option<&String>) -> Option<Vec<String>> {
    name.map(|it| vec![named::arn::<NotebookConfigRecord>(scope, it)])
}

/// A repository is given by its URL. One that is given by name would be a resource of the account, of
/// which there is none.
fn check_repositories<'a>(given: impl IntoIterator<Item = &'a String>) -> Result<(), Fault> {
    for repository in given {
        if !repository.starts_with("https://") {
            return Err(validation(format!(
                "The code repository '{repository}' does not exist. Give the URL of a repository."
            )));
        }
    }
    Ok(())
}

/// No subnet has IPv6 addresses.
fn check_address_type(given: Option<IPAddressType>) -> Result<(), Fault> {
    if given == Some(IPAddressType::Dualstack) {
        return Err(validation(
            "IpAddressType dualstack needs a subnet with an IPv6 CIDR block; no subnet has one.",
        ));
    }
    Ok(())
}

/// Makes a notebook instance and starts it.
#[derive(Debug)]
pub struct CreateNotebookInstance;

impl Operation for CreateNotebookInstance {
    type Input = CreateNotebookInstanceInput;
    type Output = CreateNotebookInstanceOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateNotebookInstance";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let (input, scope, tags) = (call.input, call.scope, call.input.tags.as_deref());
        let arn = named::arn::<NotebookRecord>(scope, &input.notebook_instance_name);
        let imds = input.instance_metadata_service_configuration.as_ref();
        let groups = input.security_group_ids.clone().filter(|it| !it.is_empty());
        // What the request leaves open is told as it will be: a policy that denies instances with
        // direct internet access must hold for those that get it by default.
        let need = Need::on("sagemaker:CreateNotebookInstance", arn.clone())
            .key("sagemaker:InstanceTypes", vec![input.instance_type.clone()])
            .key(
                "sagemaker:DirectInternetAccess",
                input.direct_internet_access.unwrap_or(DirectInternetAccess::Enabled).as_str(),
            )
            .key("sagemaker:RootAccess", input.root_access.unwrap_or(RootAccess::Enabled).as_str())
            .key(
                "sagemaker:MinimumInstanceMetadataServiceVersion",
                imds.map_or(IMDS, |it| it.minimum_instance_metadata_service_version.as_str()),
            )
            .key_if("sagemaker:AcceleratorTypes", accelerators(input.accelerator_types.as_ref()))
            .key_if(
                "sagemaker:VolumeKmsKeyArn",
                input.kms_key_id.as_ref().map(|it| key_arn(scope, it)),
            )
            .key_if("sagemaker:VpcSubnets", input.subnet_id.clone().map(|it| vec![it]))
            .key_if("sagemaker:VpcSecurityGroupIds", groups)
            .key_if(
                "sagemaker:NotebookInstanceLifecycleConfigArns",
                config_arns(scope, input.lifecycle_config_name.as_ref()),
            )
            .request_tags(tagging::pairs(tags));
        let needs = Needs::from(need).and(neighbours::pass_role(&input.role_arn));
        Ok(tagging::and_add_tags(needs, Self::NAME, &arn, tags))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope, env) = (call.input, call.scope, call.env);
        let name = &input.notebook_instance_name;
        let arn = named::arn::<NotebookRecord>(scope, name);
        let tags = tagging::checked(input.tags.as_deref())?;
        if named::find::<NotebookRecord>(tx, scope, name)?.is_some() {
            return Err(validation(format!("Cannot create a duplicate Notebook Instance ({arn})")));
        }
        check_address_type(input.ip_address_type)?;
        check_repositories(
            input
                .default_code_repository
                .iter()
                .chain(input.additional_code_repositories.iter().flatten()),
        )?;
        let groups = check_network(tx, scope, input)?;
        neighbours::check_assumable(tx, scope, &input.role_arn, &arn, call.now)?;
        let config = input.lifecycle_config_name.as_deref();
        let config =
            config.map(|it| notebook_config::require("describe", tx, scope, it)).transpose()?;
        let config = config.map(|it| it.name);

        let of = DoorOf::Notebook(name.to_ascii_lowercase());
        let door = site::allot_door(tx, scope, of)?;
        let run = begin_run(tx, env, scope, name, config.as_deref())?;
        let imds = input.instance_metadata_service_configuration.as_ref();
        let record = NotebookRecord {
            name: name.clone(),
            incarnation: env.uuid(),
            created: call.now,
            modified: call.now,
            status: Word(Status::Pending),
            failure_reason: None,
            instance_type: input.instance_type.clone(),
            role: input.role_arn.clone(),
            subnet: input.subnet_id.clone(),
            groups,
            interface: None,
            ip_address_type: Word(IPAddressType::Ipv4),
            kms_key: input.kms_key_id.clone(),
            lifecycle_config: config,
            direct_internet: Word(
                input.direct_internet_access.unwrap_or(DirectInternetAccess::Enabled),
            ),
            volume_gb: input.volume_size_in_gb.unwrap_or(VOLUME),
            accelerators: input.accelerator_types.iter().flatten().map(|it| Word(*it)).collect(),
            default_repository: input.default_code_repository.clone(),
            repositories: input.additional_code_repositories.clone().unwrap_or_default(),
            root_access: Word(input.root_access.unwrap_or(RootAccess::Enabled)),
            platform: input.platform_identifier.clone().unwrap_or_else(|| PLATFORM.to_owned()),
            imds: imds.map_or_else(
                || IMDS.to_owned(),
                |it| it.minimum_instance_metadata_service_version.clone(),
            ),
            door,
            label: format!("{}-{}", name.to_ascii_lowercase(), env.base32_lower(4)),
            run,
            has_served: false,
        };
        records::put_tags(tx, scope, &arn, tags)?;
        put_with_work(tx, scope, &record)?;
        Ok(CreateNotebookInstanceOutput { notebook_instance_arn: Some(arn) })
    }
}

/// Whether the subnet and the security groups are there and belong together. The groups.
fn check_network(
    state: &dyn Read,
    scope: &Scope,
    input: &CreateNotebookInstanceInput,
) -> Result<Vec<String>, Fault> {
    let mut groups: Vec<String> = Vec::new();
    for id in input.security_group_ids.iter().flatten() {
        if !groups.contains(id) {
            groups.push(id.clone());
        }
    }
    let Some(subnet) = &input.subnet_id else {
        if !groups.is_empty() {
            return Err(validation("SecurityGroupIds can be given only together with SubnetId."));
        }
        // SageMaker API, `DirectInternetAccess`.
        if input.direct_internet_access == Some(DirectInternetAccess::Disabled) {
            return Err(validation(
                "DirectInternetAccess can be Disabled only if SubnetId is given.",
            ));
        }
        return Ok(groups);
    };
    let Some(vpc) = ec2::vpc_of_subnet(state, scope, subnet)? else {
        return Err(validation(format!("The subnet ID '{subnet}' does not exist.")));
    };
    check_groups(state, scope, &vpc, &groups)?;
    Ok(groups)
}

/// Changes a notebook instance that does not run. What the request does not name stays as it is.
#[derive(Debug)]
pub struct UpdateNotebookInstance;

impl Operation for UpdateNotebookInstance {
    type Input = UpdateNotebookInstanceInput;
    type Output = UpdateNotebookInstanceOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateNotebookInstance";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let (input, scope) = (call.input, call.scope);
        let (action, name) = ("sagemaker:UpdateNotebookInstance", &input.notebook_instance_name);
        let imds = input.instance_metadata_service_configuration.as_ref();
        let need = need(action, state, scope, name)?
            .key_if("sagemaker:InstanceTypes", input.instance_type.clone().map(|it| vec![it]))
            .key_if("sagemaker:RootAccess", input.root_access.map(RootAccess::as_str))
            .key_if(
                "sagemaker:MinimumInstanceMetadataServiceVersion",
                imds.map(|it| it.minimum_instance_metadata_service_version.clone()),
            )
            .key_if("sagemaker:AcceleratorTypes", accelerators(input.accelerator_types.as_ref()))
            .key_if(
                "sagemaker:NotebookInstanceLifecycleConfigArns",
                config_arns(scope, input.lifecycle_config_name.as_ref()),
            );
        let passed = input.role_arn.as_deref().map(neighbours::pass_role);
        Ok(Needs(std::iter::once(need).chain(passed).collect()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let mut record = require(tx, scope, &input.notebook_instance_name)?;
        check_state(&record, scope, &AT_REST, Status::Updating)?;
        if let Some(role) = &input.role_arn {
            neighbours::check_assumable(tx, scope, role, &record.arn(scope), call.now)?;
        }
        if let Some(name) = input.lifecycle_config_name.as_deref() {
            let config = notebook_config::require("describe", tx, scope, name)?;
            record.lifecycle_config = Some(config.name);
        }
        apply(input, &mut record)?;
        record.status = Word(Status::Updating);
        record.failure_reason = None;
        record.modified = call.now;
        put_with_work(tx, scope, &record)?;
        Ok(UpdateNotebookInstanceOutput {})
    }
}

/// Lays the request over the record.
fn apply(input: &UpdateNotebookInstanceInput, record: &mut NotebookRecord) -> Result<(), Fault> {
    for (given, away, member) in [
        (
            input.lifecycle_config_name.is_some(),
            input.disassociate_lifecycle_config,
            "LifecycleConfigName",
        ),
        (
            input.accelerator_types.is_some(),
            input.disassociate_accelerator_types,
            "AcceleratorTypes",
        ),
        (
            input.default_code_repository.is_some(),
            input.disassociate_default_code_repository,
            "DefaultCodeRepository",
        ),
        (
            input.additional_code_repositories.is_some(),
            input.disassociate_additional_code_repositories,
            "AdditionalCodeRepositories",
        ),
    ] {
        if given && away == Some(true) {
            return Err(validation(format!(
                "{member} cannot be set and disassociated in the same request."
            )));
        }
    }
    check_address_type(input.ip_address_type)?;
    check_repositories(
        input
            .default_code_repository
            .iter()
            .chain(input.additional_code_repositories.iter().flatten()),
    )?;
    if let Some(size) = input.volume_size_in_gb {
        // "You can increase the volume size …, but you can't decrease" it (SageMaker API).
        if size < record.volume_gb {
            return Err(validation(format!(
                "VolumeSizeInGB cannot be decreased from {} to {size}.",
                record.volume_gb
            )));
        }
        record.volume_gb = size;
    }
    if input.disassociate_lifecycle_config == Some(true) {
        record.lifecycle_config = None;
    }
    if let Some(accelerators) = &input.accelerator_types {
        record.accelerators = accelerators.iter().map(|it| Word(*it)).collect();
    } else if input.disassociate_accelerator_types == Some(true) {
        record.accelerators.clear();
    }
    if let Some(repository) = &input.default_code_repository {
        record.default_repository = Some(repository.clone());
    } else if input.disassociate_default_code_repository == Some(true) {
        record.default_repository = None;
    }
    if let Some(repositories) = &input.additional_code_repositories {
        record.repositories.clone_from(repositories);
    } else if input.disassociate_additional_code_repositories == Some(true) {
        record.repositories.clear();
    }
    if let Some(instance_type) = &input.instance_type {
        record.instance_type.clone_from(instance_type);
    }
    if let Some(platform) = &input.platform_identifier {
        record.platform.clone_from(platform);
    }
    if let Some(role) = &input.role_arn {
        record.role.clone_from(role);
    }
    if let Some(access) = input.root_access {
        record.root_access = Word(access);
    }
    if let Some(imds) = &input.instance_metadata_service_configuration {
        record.imds.clone_from(&imds.minimum_instance_metadata_service_version);
    }
    Ok(())
}

/// Starts a notebook instance.
#[derive(Debug)]
pub struct StartNotebookInstance;

impl Operation for StartNotebookInstance {
    type Input = StartNotebookInstanceInput;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "StartNotebookInstance";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_name;
        Ok(need("sagemaker:StartNotebookInstance", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let mut record = require(tx, scope, &call.input.notebook_instance_name)?;
        check_state(&record, scope, &AT_REST, Status::Pending)?;
        RUNS.delete(tx, record.run.id.as_str());
        let config = record.lifecycle_config.as_deref();
        record.run = begin_run(tx, call.env, scope, &record.name, config)?;
        record.status = Word(Status::Pending);
        record.failure_reason = None;
        record.modified = call.now;
        put_with_work(tx, scope, &record)?;
        Ok(Unit)
    }
}

/// Stops a notebook instance. Its volume is kept.
#[derive(Debug)]
pub struct StopNotebookInstance;

impl Operation for StopNotebookInstance {
    type Input = StopNotebookInstanceInput;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "StopNotebookInstance";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_name;
        Ok(need("sagemaker:StopNotebookInstance", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let mut record = require(tx, scope, &call.input.notebook_instance_name)?;
        check_state(&record, scope, &[Status::InService], Status::Stopping)?;
        record.status = Word(Status::Stopping);
        record.modified = call.now;
        named::put(tx, scope, &record)?;
        Ok(Unit)
    }
}

/// Deletes a notebook instance that does not run, with its volume and its network interface.
#[derive(Debug)]
pub struct DeleteNotebookInstance;

impl Operation for DeleteNotebookInstance {
    type Input = DeleteNotebookInstanceInput;
    type Output = Unit;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DeleteNotebookInstance";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_name;
        Ok(need("sagemaker:DeleteNotebookInstance", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Unit, Fault> {
        let scope = call.scope;
        let mut record = require(tx, scope, &call.input.notebook_instance_name)?;
        check_state(&record, scope, &AT_REST, Status::Deleting)?;
        record.status = Word(Status::Deleting);
        record.modified = call.now;
        put_with_work(tx, scope, &record)?;
        Ok(Unit)
    }
}
