//! CreateDomain.

use sagegate_api::sagemaker::{
    AppNetworkAccessType, AppSecurityGroupManagement, CreateDomainRequest, CreateDomainResponse,
    DomainStatus, HomeEfsFileSystemCreation, TagPropagation,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation};
use sagegate_store::{Read, Tx};

use super::faults::{in_use, over_limit, validation};
use super::ids::DomainId;
use super::neighbours;
use super::records::{self, DOMAIN_NAMES, DOMAINS, DomainRecord, DoorOf};
use super::settings::{Given, check_space_settings, check_user_settings, key_arn, sharing_key};
use super::shapes::{Stored, Word};
use super::site::{self, Site};
use super::tagging;
use crate::iam::service_linked;

/// Domains of an account in a region, unless AWS raises it (Service Quotas, Amazon SageMaker,
/// "Total domains"). The text in SPEC 2.6 is from the time when it was one; since domains share a
/// VPC and an account may have several, it is five.
pub(super) const TOTAL_DOMAINS: usize = 5;

/// Makes a Studio domain.
#[derive(Debug)]
pub struct CreateDomain;

fn given(input: &CreateDomainRequest) -> Given<'_> {
    Given::default()
        .and(Some(&input.default_user_settings))
        .and(input.default_space_settings.as_ref())
        .and(input.domain_settings.as_ref())
}

/// The key of the file system; the older member means the same.
fn kms_key(input: &CreateDomainRequest) -> Option<&String> {
    input.kms_key_id.as_ref().or(input.home_efs_file_system_kms_key_id.as_ref())
}

impl Operation for CreateDomain {
    type Input = CreateDomainRequest;
    type Output = CreateDomainResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "CreateDomain";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let arn = DomainId::of_creation(call.request_id).arn(call.scope);
        let given = given(input);
        let need = given
            .keys(call.scope, Need::on("sagemaker:CreateDomain", arn.clone()))
            .key("sagemaker:AuthMode", input.auth_mode.as_str())
            .key_if(
                "sagemaker:AppNetworkAccessType",
                input.app_network_access_type.map(AppNetworkAccessType::as_str),
            )
            .key_if("sagemaker:VpcSubnets", input.subnet_ids.clone())
            .key_if("sagemaker:VolumeKmsKeyArn", kms_key(input).map(|it| key_arn(call.scope, it)))
            .key_if(
                "sagemaker:DomainSharingOutputKmsKeyArn",
                sharing_key(call.scope, Some(&input.default_user_settings)),
            )
            .request_tags(tagging::pairs(input.tags.as_deref()));
        let needs = given.pass_roles(call.scope, need.into());
        Ok(tagging::and_add_tags(needs, Self::NAME, &arn, input.tags.as_deref()))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let (account, region) = (scope.account.as_str(), scope.region.as_str());
        let id = DomainId::of_creation(call.request_id);
        let arn = id.arn(scope);
        let tags = tagging::checked(input.tags.as_deref())?;
        check(input)?;

        let name = input.domain_name.to_ascii_lowercase();
        if DOMAIN_NAMES.contains(tx, &(account, region, name.as_str()))? {
            return Err(in_use(format!(
                "The Domain with DomainName {} already exists. Please use a different DomainName.",
                input.domain_name
            )));
        }
        let used = DOMAINS.count(tx, &(account, region))?;
        if used >= TOTAL_DOMAINS {
            return Err(over_limit("Total domains", "Domains", TOTAL_DOMAINS, used));
        }
        if records::domain(tx, scope, &id)?.is_some() {
            return Err(Fault::internal("a request id has come twice"));
        }
        let vpc = input.vpc_id.as_deref();
        neighbours::check_network(
            tx,
            scope,
            vpc,
            input.subnet_ids.as_deref().unwrap_or_default(),
            &given(input).security_groups(),
        )?;
        given(input).check_roles(tx, scope, &arn, call.now)?;
        given(input).check_named(tx, scope)?;

        service_linked::ensure(call, tx, neighbours::SERVICE)?;
        let door = site::allot_door(tx, scope, DoorOf::Domain(id.clone()))?;
        let record = DomainRecord {
            id: id.clone(),
            incarnation: call.env.uuid(),
            name: input.domain_name.clone(),
            created: call.now,
            modified: call.now,
            status: Word(DomainStatus::Pending),
            failure_reason: None,
            auth_mode: Word(input.auth_mode),
            default_user_settings: Stored(input.default_user_settings.clone()),
            domain_settings: input.domain_settings.clone().map(Stored),
            default_space_settings: input.default_space_settings.clone().map(Stored),
            app_network_access_type: Word(
                input.app_network_access_type.unwrap_or(AppNetworkAccessType::PublicInternetOnly),
            ),
            vpc_id: input.vpc_id.clone(),
            subnet_ids: input.subnet_ids.clone().unwrap_or_default(),
            kms_key_id: kms_key(input).cloned(),
            app_security_group_management: input.app_security_group_management.map(Word),
            home_efs_creation: Word(
                input.home_efs_file_system_creation.unwrap_or(HomeEfsFileSystemCreation::Enabled),
            ),
            tag_propagation: Word(input.tag_propagation.unwrap_or(TagPropagation::Disabled)),
            home_efs_id: None,
            nfs_groups: None,
            boundary_group: None,
            door,
            retention: None,
            cause: Some(call.request_id.to_owned()),
        };
        DOMAIN_NAMES.put(tx, &(account, region, name.as_str()), &id.to_string())?;
        records::put_domain(tx, scope, &record)?;
        records::put_tags(tx, scope, &arn, tags)?;
        records::put_work(tx, scope, &id, "")?;
        Ok(CreateDomainResponse {
            domain_arn: Some(arn),
            domain_id: Some(id.to_string()),
            url: Some(Site::read(tx)?.studio_origin(scope, &id, door)),
        })
    }
}

/// What joins members of the request (SageMaker API, CreateDomain; SPEC 2.5).
fn check(input: &CreateDomainRequest) -> Result<(), Fault> {
    check_user_settings(&input.default_user_settings, "DefaultUserSettings")?;
    if let Some(settings) = &input.default_space_settings {
        check_space_settings(settings, "DefaultSpaceSettings")?;
    }
    if let (Some(new), Some(old)) = (&input.kms_key_id, &input.home_efs_file_system_kms_key_id)
        && new != old
    {
        return Err(validation(
            "KmsKeyId and HomeEfsFileSystemKmsKeyId name different keys; give KmsKeyId alone.",
        ));
    }
    let vpc_only = input.app_network_access_type == Some(AppNetworkAccessType::VpcOnly);
    let settings = input.domain_settings.as_ref();
    let unified = settings.is_some_and(|it| it.unified_studio_settings.is_some());
    if input.vpc_id.is_none() && (vpc_only || !unified) {
        return Err(validation(
            "VpcId and SubnetIds are required, except for a domain of Amazon SageMaker Unified \
             Studio whose AppNetworkAccessType is PublicInternetOnly.",
        ));
    }
    if input.vpc_id.is_some() != input.subnet_ids.as_ref().is_some_and(|it| !it.is_empty()) {
        return Err(validation("VpcId and SubnetIds must be given together."));
    }
    if settings.is_some_and(|it| it.r_studio_server_pro_domain_settings.is_some()) {
        check_r_studio(vpc_only, input.app_security_group_management)?;
    }
    Ok(())
}

/// "Required when AppNetworkAccessType is VpcOnly and DomainExecutionRoleArn is provided. If setting
/// up the domain for use with RStudio, this value must be set to Service." (SageMaker API,
/// CreateDomain, `AppSecurityGroupManagement`)
pub(super) fn check_r_studio(
    vpc_only: bool,
    management: Option<AppSecurityGroupManagement>,
) -> Result<(), Fault> {
    let wrong = management == Some(AppSecurityGroupManagement::Customer);
    if wrong || (vpc_only && management.is_none()) {
        return Err(validation(
            "AppSecurityGroupManagement must be Service for a domain with RStudio settings.",
        ));
    }
    Ok(())
}
