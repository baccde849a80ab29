//! DescribeDomain and ListDomains.

use sagegate_api::sagemaker::{
    DescribeDomainRequest, DescribeDomainResponse, DomainDetails, ListDomainsRequest,
    ListDomainsResponse,
};
use sagegate_gate::{Access, Authorized, Call, Fault, Need, Needs, Operation, Scope};
use sagegate_store::{Read, Tx};

use super::faults::not_found;
use super::ids::DomainId;
use super::listing::Page;
use super::records::{self, DOMAINS, DomainRecord};
use super::site::{self, Site};

/// A need of an action on a domain, with the domain's tags if it exists.
pub(super) fn need(
    action: &'static str,
    scope: &Scope,
    id: &DomainId,
    state: &dyn Read,
) -> Result<Need, Fault> {
    let arn = id.arn(scope);
    let tags = records::tags(state, scope, &arn)?;
    let pairs = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    Ok(Need::on(action, arn).resource_tags("sagemaker", pairs))
}

/// The domain of this id.
///
/// # Errors
/// `ResourceNotFound`.
pub(super) fn require(
    state: &dyn Read,
    scope: &Scope,
    id: &DomainId,
) -> Result<DomainRecord, Fault> {
    records::domain(state, scope, id)?.ok_or_else(|| not_found("Domain", id.as_str()))
}

/// Tells about a domain.
#[derive(Debug)]
pub struct DescribeDomain;

impl Operation for DescribeDomain {
    type Input = DescribeDomainRequest;
    type Output = DescribeDomainResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "DescribeDomain";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        let id = DomainId::of_request(&call.input.domain_id)?;
        Ok(need("sagemaker:DescribeDomain", call.scope, &id, state)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let id = DomainId::of_request(&call.input.domain_id)?;
        let record = records::shared_domain(tx, call.scope, &id)?
            .ok_or_else(|| not_found("Domain", id.as_str()))?;
        let record = &*record;
        let url = site::url(tx, &Site::read(tx)?, call.scope, record)?;
        let subnets = &record.subnet_ids;
        Ok(DescribeDomainResponse {
            domain_arn: Some(id.arn(call.scope)),
            domain_id: Some(id.to_string()),
            domain_name: Some(record.name.clone()),
            home_efs_file_system_id: record.home_efs_id.clone(),
            // There is no Identity Center here that could have made an application.
            single_sign_on_managed_application_instance_id: None,
            single_sign_on_application_arn: None,
            status: Some(record.status.0),
            creation_time: Some(record.created.into()),
            last_modified_time: Some(record.modified.into()),
            failure_reason: record.failure_reason.clone(),
            security_group_id_for_domain_boundary: record.boundary_group.clone(),
            auth_mode: Some(record.auth_mode.0),
            default_user_settings: Some(record.default_user_settings.0.clone()),
            domain_settings: record.domain_settings.as_ref().map(|it| it.0.clone()),
            app_network_access_type: Some(record.app_network_access_type.0),
            home_efs_file_system_kms_key_id: record.kms_key_id.clone(),
            subnet_ids: (!subnets.is_empty()).then(|| subnets.clone()),
            url,
            vpc_id: record.vpc_id.clone(),
            kms_key_id: record.kms_key_id.clone(),
            app_security_group_management: record.app_security_group_management.map(|it| it.0),
            home_efs_file_system_creation: Some(record.home_efs_creation.0),
            tag_propagation: Some(record.tag_propagation.0),
            default_space_settings: record.default_space_settings.as_ref().map(|it| it.0.clone()),
        })
    }
}

/// Lists domains, oldest first.
#[derive(Debug)]
pub struct ListDomains;

impl Operation for ListDomains {
    type Input = ListDomainsRequest;
    type Output = ListDomainsResponse;
    const SERVICE: &'static str = "sagemaker";
    const NAME: &'static str = "ListDomains";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        // SageMaker decides this list on a collection (SPEC T4).
        let every = call.scope.arn("sagemaker", "domain/*");
        Ok(Need::on("sagemaker:ListDomains", every).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let scope = call.scope;
        let prefix = (scope.account.as_str(), scope.region.as_str());
        let found = DOMAINS.scan(tx, &prefix, None, usize::MAX)?.into_iter().map(|(_, it)| it);
        let page = Page {
            descending: false,
            token: call.input.next_token.as_deref(),
            limit: call.input.max_results,
        };
        let (found, next_token) = page.of(found, |it| (it.created.millis(), it.id.to_string()))?;
        let site = Site::read(tx)?;
        let mut domains = Vec::with_capacity(found.len());
        for it in found {
            let url = site::url(tx, &site, scope, &it)?;
            domains.push(DomainDetails {
                domain_arn: Some(it.id.arn(scope)),
                domain_id: Some(it.id.to_string()),
                domain_name: Some(it.name),
                status: Some(it.status.0),
                creation_time: Some(it.created.into()),
                last_modified_time: Some(it.modified.into()),
                url,
            });
        }
        Ok(ListDomainsResponse { domains: Some(domains), next_token })
    }
}
