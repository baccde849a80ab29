//! UpdateDomain.

use sagegate_api::sagemaker::{
    AppNetworkAccessType, DomainSettings, DomainStatus, ExecutionRoleIdentityConfig,
    HomeEfsFileSystemCreation, UpdateDomainRequest, UpdateDomainResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::create_domain::check_r_studio;
use super::faults::{busy, validation};
use super::ids::DomainId;
use super::neighbours;
use super::read_domain::{need, require};
use super::records::{self, DomainRecord};
use super::settings::{
    Given, as_settings, check_space_settings, check_user_settings, over, sharing_key,
};
use super::shapes::{Stored, Word};
use super::space_records::APPS;

/// Changes a domain. What the request does not name stays as it is, at every depth.
#[derive(Debug)]
pub struct UpdateDomain;

fn given(input: &UpdateDomainRequest) -> Given<'_> {
    Given::default()
        .and(input.default_user_settings.as_ref())
        .and(input.default_space_settings.as_ref())
        .and(input.domain_settings_for_update.as_ref())
}

impl Operation for UpdateDomain {
    type Input = UpdateDomainRequest;
    type Output = UpdateDomainResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "UpdateDomain";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let id = DomainId::of_request(&input.domain_id)?;
        let given = given(input);
        let need = given
            .keys(call.scope, need("sagemaker:UpdateDomain", call.scope, &id, state)?)
            .key_if(
                "sagemaker:AppNetworkAccessType",
                input.app_network_access_type.map(AppNetworkAccessType::as_str),
            )
            .key_if("sagemaker:VpcSubnets", input.subnet_ids.clone())
            .key_if(
                "sagemaker:DomainSharingOutputKmsKeyArn",
                sharing_key(call.scope, input.default_user_settings.as_ref()),
            );
        Ok(given.pass_roles(call.scope, need.into()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let id = DomainId::of_request(&input.domain_id)?;
        let arn = id.arn(scope);
        let mut record = require(tx, scope, &id)?;
        let status = record.status.0;
        if !matches!(status, DomainStatus::InService | DomainStatus::UpdateFailed) {
            return Err(busy("update", "Domain", &arn, status.as_str()));
        }
        check_apps(tx, scope, input, &record)?;
        apply(input, &mut record)?;
        // What the request does not name is not asked again: something that the domain has had may be
        // gone, and would bar every other change.
        let vpc = record.vpc_id.as_deref();
        if input.vpc_id.is_some() || input.subnet_ids.is_some() {
            neighbours::check_network(tx, scope, vpc, &record.subnet_ids, &[])?;
        }
        let groups = given(input).security_groups();
        neighbours::check_security_groups(tx, scope, vpc, &groups)?;
        given(input).check_roles(tx, scope, &arn, call.now)?;
        given(input).check_named(tx, scope)?;
        record.status = Word(DomainStatus::Updating);
        record.failure_reason = None;
        record.modified = call.now;
        record.cause = Some(call.request_id.to_owned());
        records::put_domain(tx, scope, &record)?;
        records::put_work(tx, scope, &id, "")?;
        Ok(UpdateDomainResponse { domain_arn: Some(arn) })
    }
}

/// Which network apps have and whom their roles name is settled when they start: it cannot change under
/// apps that are InService, Pending or Deleting (SageMaker API, UpdateDomain, `AppNetworkAccessType`,
/// `SubnetIds`, and DomainSettings, `ExecutionRoleIdentityConfig`; the text: SPEC 2.6).
fn check_apps(
    state: &dyn Read,
    scope: &Scope,
    input: &UpdateDomainRequest,
    record: &DomainRecord,
) -> Result<(), Fault> {
    let access =
        input.app_network_access_type.is_some_and(|it| it != record.app_network_access_type.0);
    let removes = |now: &Vec<String>| record.subnet_ids.iter().any(|had| !now.contains(had));
    let subnets = input.subnet_ids.as_ref().is_some_and(removes);
    let settings = input.domain_settings_for_update.as_ref();
    let had = record.domain_settings.as_ref().and_then(|it| it.0.execution_role_identity_config);
    let identity = settings
        .and_then(|it| it.execution_role_identity_config)
        .is_some_and(|new| had.unwrap_or(ExecutionRoleIdentityConfig::Disabled) != new);
    if !(access || subnets || identity) {
        return Ok(());
    }
    let within = (scope.account.as_str(), scope.region.as_str());
    let apps = APPS.scan(state, &within, None, usize::MAX)?;
    if apps.iter().any(|(_, it)| it.domain == record.id && it.is_alive()) {
        return Err(validation(format!(
            "Unable to update Domain [{}] with InService App. Delete all InService apps in the domain \
             including shared Apps for [domain-shared] User Profile, and try again.",
            record.id.arn(scope)
        )));
    }
    Ok(())
}

/// Lays the request over the record.
fn apply(input: &UpdateDomainRequest, record: &mut DomainRecord) -> Result<(), Fault> {
    let had_studio_server = has_r_studio(record.domain_settings.as_ref());
    if let Some(update) = &input.default_user_settings {
        let now = over(&record.default_user_settings.0, update)?;
        check_user_settings(&now, "DefaultUserSettings")?;
        record.default_user_settings = Stored(now);
    }
    if let Some(update) = &input.default_space_settings {
        let base = record.default_space_settings.take().unwrap_or_default();
        let now = over(&base.0, update)?;
        check_space_settings(&now, "DefaultSpaceSettings")?;
        record.default_space_settings = Some(Stored(now));
    }
    if let Some(update) = &input.domain_settings_for_update {
        let base = record.domain_settings.take().unwrap_or_default();
        record.domain_settings = Some(Stored(over(&base.0, &as_settings(update))?));
    }
    let with_studio_server = has_r_studio(record.domain_settings.as_ref());
    if let Some(access) = input.app_network_access_type
        && access != record.app_network_access_type.0
    {
        if had_studio_server || with_studio_server {
            return Err(validation(
                "AppNetworkAccessType cannot be changed for a domain whose \
                 RStudioServerProDomainSettings name a DomainExecutionRoleArn.",
            ));
        }
        record.app_network_access_type = Word(access);
    }
    if let Some(management) = input.app_security_group_management {
        record.app_security_group_management = Some(Word(management));
    }
    let vpc_only = record.app_network_access_type.0 == AppNetworkAccessType::VpcOnly;
    if with_studio_server {
        check_r_studio(vpc_only, record.app_security_group_management.map(|it| it.0))?;
    }
    if let Some(vpc) = &input.vpc_id {
        if record.vpc_id.as_ref().is_some_and(|had| had != vpc) {
            return Err(validation(
                "VpcId can be given only to a domain that was created without a VPC.",
            ));
        }
        record.vpc_id = Some(vpc.clone());
    }
    if let Some(subnets) = &input.subnet_ids {
        record.subnet_ids.clone_from(subnets);
    }
    if record.vpc_id.is_some() == record.subnet_ids.is_empty() {
        return Err(validation("VpcId and SubnetIds must be given together."));
    }
    if vpc_only && record.vpc_id.is_none() {
        return Err(validation(
            "AppNetworkAccessType can be VpcOnly only with VpcId and SubnetIds.",
        ));
    }
    if let Some(creation) = input.home_efs_file_system_creation {
        let had = record.home_efs_creation.0 == HomeEfsFileSystemCreation::Enabled;
        if had && creation == HomeEfsFileSystemCreation::Disabled {
            return Err(validation(
                "HomeEfsFileSystemCreation cannot be changed from Enabled to Disabled.",
            ));
        }
        record.home_efs_creation = Word(creation);
    }
    if let Some(propagation) = input.tag_propagation {
        record.tag_propagation = Word(propagation);
    }
    Ok(())
}

fn has_r_studio(settings: Option<&Stored<DomainSettings>>) -> bool {
    settings.is_some_and(|it| it.0.r_studio_server_pro_domain_settings.is_some())
}
