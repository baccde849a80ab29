//! DescribeNotebookInstance and ListNotebookInstances.

use sagegate_api::sagemaker::{
    DescribeNotebookInstanceInput, DescribeNotebookInstanceOutput,
    InstanceMetadataServiceConfiguration, ListNotebookInstancesInput, ListNotebookInstancesOutput,
    NotebookInstanceSortKey as By, NotebookInstanceSortOrder, NotebookInstanceSummary,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::listing::{Bounds, Page, contains};
use super::named;
use super::notebook_records::{NotebookRecord, need, require};
use super::site::{self, Site};
use crate::binding::Binding;

/// The URL of a notebook instance, as answers name it: host and port without a scheme, as SageMaker
/// does. Nothing while its address is not listened on by us.
fn url(
    state: &dyn Read,
    site: &Site,
    scope: &Scope,
    record: &NotebookRecord,
) -> Result<Option<String>, Fault> {
    let bound = site::door_binding(state, site, record.door)? == Binding::Bound;
    let origin = site.notebook_origin(scope, &record.label, record.door);
    Ok(bound.then(|| origin.split_once("://").map_or(origin.clone(), |(_, it)| it.to_owned())))
}

/// A list as answers have it: absent where it is empty.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Tells about a notebook instance.
#[derive(Debug)]
pub struct DescribeNotebookInstance;

impl Operation for DescribeNotebookInstance {
    type Input = DescribeNotebookInstanceInput;
    type Output = DescribeNotebookInstanceOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeNotebookInstance";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let name = &call.input.notebook_instance_name;
        Ok(need("sagemaker:DescribeNotebookInstance", state, call.scope, name)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let record = require(tx, call.scope, &call.input.notebook_instance_name)?;
        let url = url(tx, &Site::read(tx)?, call.scope, &record)?;
        Ok(DescribeNotebookInstanceOutput {
            notebook_instance_arn: Some(record.arn(call.scope)),
            notebook_instance_name: Some(record.name),
            notebook_instance_status: Some(record.status.0),
            failure_reason: record.failure_reason,
            url,
            instance_type: Some(record.instance_type),
            ip_address_type: Some(record.ip_address_type.0),
            subnet_id: record.subnet,
            security_groups: some(record.groups),
            role_arn: Some(record.role),
            kms_key_id: record.kms_key,
            network_interface_id: record.interface,
            last_modified_time: Some(record.modified.into()),
            creation_time: Some(record.created.into()),
            notebook_instance_lifecycle_config_name: record.lifecycle_config,
            direct_internet_access: Some(record.direct_internet.0),
            volume_size_in_gb: Some(record.volume_gb),
            accelerator_types: some(record.accelerators.into_iter().map(|it| it.0).collect()),
            default_code_repository: record.default_repository,
            additional_code_repositories: some(record.repositories),
            root_access: Some(record.root_access.0),
            platform_identifier: Some(record.platform),
            instance_metadata_service_configuration: Some(InstanceMetadataServiceConfiguration {
                minimum_instance_metadata_service_version: record.imds,
            }),
        })
    }
}

/// Lists notebook instances.
#[derive(Debug)]
pub struct ListNotebookInstances;

impl Operation for ListNotebookInstances {
    type Input = ListNotebookInstancesInput;
    type Output = ListNotebookInstancesOutput;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListNotebookInstances";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let action = "sagemaker:ListNotebookInstances";
        Ok(named::need_list::<NotebookRecord>(action, call.scope).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let created = Bounds::exclusive(input.creation_time_after, input.creation_time_before);
        let modified =
            Bounds::exclusive(input.last_modified_time_after, input.last_modified_time_before);
        // A filter on what an instance does not have holds for none.
        let part_of = |has: &Option<String>, part: &Option<String>| match part {
            Some(part) => has.as_ref().is_some_and(|it| contains(it, Some(part))),
            None => true,
        };
        let found = named::all::<NotebookRecord>(tx, scope)?.into_iter().filter(|it| {
            let other = input.additional_code_repository_equals.as_ref();
            contains(&it.name, input.name_contains.as_deref())
                && created.hold(it.created)
                && modified.hold(it.modified)
                && input.status_equals.is_none_or(|wanted| wanted == it.status.0)
                && part_of(
                    &it.lifecycle_config,
                    &input.notebook_instance_lifecycle_config_name_contains,
                )
                && part_of(&it.default_repository, &input.default_code_repository_contains)
                && other.is_none_or(|other| it.repositories.contains(other))
        });
        let by = input.sort_by.unwrap_or(By::Name);
        let page = Page {
            descending: input.sort_order == Some(NotebookInstanceSortOrder::Descending),
            token: input.next_token.as_deref(),
            limit: input.max_results,
        };
        let (found, next_token) = page.of(found, |it| {
            let (time, status) = match by {
                By::Name => (0, ""),
                By::CreationTime => (it.created.millis(), ""),
                By::Status => (0, it.status.0.as_str()),
            };
            (time, status.to_owned(), it.name.to_ascii_lowercase())
        })?;
        let site = Site::read(tx)?;
        let mut notebooks = Vec::with_capacity(found.len());
        for it in found {
            notebooks.push(NotebookInstanceSummary {
                url: url(tx, &site, scope, &it)?,
                notebook_instance_arn: Some(it.arn(scope)),
                notebook_instance_name: Some(it.name),
                notebook_instance_status: Some(it.status.0),
                instance_type: Some(it.instance_type),
                creation_time: Some(it.created.into()),
                last_modified_time: Some(it.modified.into()),
                notebook_instance_lifecycle_config_name: it.lifecycle_config,
                default_code_repository: it.default_repository,
                additional_code_repositories: some(it.repositories),
            });
        }
        Ok(ListNotebookInstancesOutput { next_token, notebook_instances: Some(notebooks) })
    }
}
