//! Managed policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, and what the operations
//! on managed policies share.

use sagegate_policy::PolicyType;
use sagegate_store::StoreError;

use super::case_tags::CaseTags;
use super::entities::arn_of;
use super::faults::{invalid_input, no_such_policy, validation};
use super::managed::Managed;
use super::prelude::*;
use super::records::{
    ATTACHED_TO, BOUNDARY_OF, POLICY_VERSIONS, PolicyRecord, PolicyVersionRecord,
};
use super::{aws_managed, documents, managed, policy_tags};

/// Checks that a text has the form of a managed policy's ARN.
///
/// # Errors
/// `ValidationError` if it is no ARN, `InvalidInput` if it is that of something else.
pub fn check_arn(text: &str) -> Result<(), Fault> {
    let message = || format!("ARN {text} is not valid.");
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [start, partition, service, region, account, resource] = parts.as_slice() else {
        return Err(validation(message()));
    };
    if *start != "arn" || partition.is_empty() {
        return Err(validation(message()));
    }
    let owner = *account == "aws"
        || (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    let name = resource.strip_prefix("policy/").unwrap_or_default();
    if *service == "iam" && region.is_empty() && owner && !name.is_empty() {
        return Ok(());
    }
    Err(invalid_input(message()))
}

/// The account's own policy of this ARN; `None` for AWS's and for unknown ones.
///
/// # Errors
/// [`StoreError`].
pub fn own(state: &dyn Read, scope: &Scope, arn: &str) -> Result<Option<PolicyRecord>, StoreError> {
    let Some((_, name)) = arn.rsplit_once('/') else { return Ok(None) };
    let found = entities::find::<PolicyRecord>(state, &scope.account, name)?;
    Ok(found.filter(|record| entities::arn(scope, record) == arn))
}

/// The account's own policy of this ARN, to be changed.
///
/// # Errors
/// `NoSuchEntity`, `AccessDenied` for AWS's, which nobody may change.
pub fn require_own(state: &dyn Read, scope: &Scope, arn: &str) -> Result<PolicyRecord, Fault> {
    check_arn(arn)?;
    if aws_managed::is_aws_arn(arn) {
        return Err(Fault::client("AccessDenied", 403, "Policy is outside your own account."));
    }
    own(state, scope, arn)?.ok_or_else(|| no_such_policy(arn))
}

/// A permission asked on a managed policy, which need not exist, with its tags.
///
/// # Errors
/// As [`check_arn`]: an ARN of another form names nothing that a permission could be asked on.
pub fn need(
    action: &'static str,
    scope: &Scope,
    state: &dyn Read,
    arn: &str,
) -> Result<Need, Fault> {
    check_arn(arn)?;
    let need = Need::on(action, arn).shown_as(format!("policy {arn}"));
    Ok(match own(state, scope, arn)? {
        Some(policy) => policy_tags::resource_tags(need, &policy.tags),
        None => need,
    })
}

/// How many users, groups and roles a policy is attached to, and how many it bounds.
///
/// # Errors
/// [`StoreError`].
pub fn usage(state: &dyn Read, scope: &Scope, arn: &str) -> Result<(i32, i32), StoreError> {
    let of = (scope.account.as_str(), arn);
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    Ok((number(ATTACHED_TO.count(state, &of)?), number(BOUNDARY_OF.count(state, &of)?)))
}

/// A policy as lists have it: without description and tags.
#[must_use]
pub fn listed(policy: &Managed, (attached, bounding): (i32, i32)) -> api::Policy {
    api::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn.clone()),
        path: Some(policy.path.clone()),
        default_version_id: Some(format!("v{}", policy.version)),
        attachment_count: Some(attached),
        permissions_boundary_usage_count: Some(bounding),
        is_attachable: Some(true),
        create_date: Some(policy.created.whole_seconds().into()),
        update_date: Some(policy.updated.whole_seconds().into()),
        ..api::Policy::default()
    }
}

/// Checks that IAM would keep this document as a managed policy.
///
/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded`.
pub fn check_document(text: &str) -> Result<(), Fault> {
    documents::check_managed_size(text)?;
    documents::check(text, PolicyType::Identity)
}

/// The account's own policies, as every managed policy is seen.
///
/// # Errors
/// [`StoreError`].
pub fn all_own(state: &dyn Read, scope: &Scope) -> Result<Vec<Managed>, StoreError> {
    let found =
        super::records::POLICIES.scan(state, &(scope.account.as_str(),), None, usize::MAX)?;
    let arns = found.into_iter().map(|(_, record)| entities::arn(scope, &record));
    let found = arns.map(|arn| managed::find(state, scope, &arn)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// iam:CreatePolicy.
#[derive(Debug)]
pub struct CreatePolicy;

impl Operation for CreatePolicy {
    type Input = api::CreatePolicyRequest;
    type Output = api::CreatePolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreatePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let input = call.input;
        let path = input.path.as_deref().unwrap_or("/");
        let arn = arn_of(call.scope, EntityKind::Policy, path, &input.policy_name);
        Ok(policy_tags::with_tagging(
            Need::on("iam:CreatePolicy", arn.clone()),
            Need::on("iam:TagPolicy", arn),
            input.tags.as_deref(),
        ))
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        check_document(&input.policy_document)?;
        let record = PolicyRecord {
            id: entities::new_id(call.env, EntityKind::Policy),
            name: input.policy_name.clone(),
            path: input.path.clone().unwrap_or_else(|| "/".to_owned()),
            created: call.now,
            updated: call.now,
            description: input.description.clone(),
            default_version: 1,
            last_version: 1,
            tags: CaseTags::of_request(input.tags.as_deref())?,
        };
        entities::insert(tx, account, &record)?;
        let version =
            PolicyVersionRecord { document: input.policy_document.clone(), created: call.now };
        POLICY_VERSIONS.put(tx, &(account.as_str(), record.id.as_str(), 1_u64), &version)?;
        let arn = entities::arn(call.scope, &record);
        let policy = managed::find(tx, call.scope, &arn)?.ok_or_else(|| no_such_policy(&arn))?;
        let tags = (!record.tags.is_empty()).then(|| input.tags.clone()).flatten();
        let answer = api::Policy { tags, ..listed(&policy, (0, 0)) };
        Ok(api::CreatePolicyResponse { policy: Some(answer) })
    }
}

/// iam:GetPolicy.
#[derive(Debug)]
pub struct GetPolicy;

impl Operation for GetPolicy {
    type Input = api::GetPolicyRequest;
    type Output = api::GetPolicyResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetPolicy";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:GetPolicy", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let arn = &call.input.policy_arn;
        let policy = managed::find(tx, call.scope, arn)?.ok_or_else(|| no_such_policy(arn))?;
        let tags = own(tx, call.scope, arn)?.map(|own| own.tags.to_list()).unwrap_or_default();
        let answer = api::Policy {
            description: policy.description.clone(),
            tags: Some(tags),
            ..listed(&policy, usage(tx, call.scope, arn)?)
        };
        Ok(api::GetPolicyResponse { policy: Some(answer) })
    }
}

/// iam:ListPolicies.
#[derive(Debug)]
pub struct ListPolicies;

impl Operation for ListPolicies {
    type Input = api::ListPoliciesRequest;
    type Output = api::ListPoliciesResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListPolicies";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, _: &dyn Read) -> Result<Needs, Fault> {
        let prefix = call.input.path_prefix.as_deref().unwrap_or("/");
        Ok(Need::any("iam:ListPolicies").shown_as(format!("policy path {prefix}")).into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, scope) = (call.input, call.scope);
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let prefix = input.path_prefix.as_deref().unwrap_or("/");
        let scope_of = input.scope.unwrap_or(api::PolicyScopeType::All);
        let mut policies = Vec::new();
        if scope_of != api::PolicyScopeType::Local {
            let partition = scope.region.partition();
            policies.extend(aws_managed::all().map(|it| it.as_managed(it.arn(partition))));
        }
        if scope_of != api::PolicyScopeType::Aws {
            policies.extend(all_own(tx, scope)?);
        }
        let mut found = Vec::new();
        for policy in policies {
            let (attached, bounding) = usage(tx, scope, &policy.arn)?;
            let used = match input.policy_usage_filter {
                None => true,
                Some(api::PolicyUsageType::PermissionsPolicy) => attached > 0,
                Some(api::PolicyUsageType::PermissionsBoundary) => bounding > 0,
            };
            let attached_only = input.only_attached.unwrap_or_default();
            if policy.path.starts_with(prefix) && used && (attached > 0 || !attached_only) {
                let key = (policy.name.to_lowercase(), policy.arn.clone());
                found.push((key, listed(&policy, (attached, bounding))));
            }
        }
        let found = page.take(found);
        Ok(api::ListPoliciesResponse {
            is_truncated: found.truncated(),
            policies: Some(found.items),
            marker: found.marker,
        })
    }
}

/// iam:DeletePolicy.
#[derive(Debug)]
pub struct DeletePolicy;

impl Operation for DeletePolicy {
    type Input = api::DeletePolicyRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeletePolicy";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:DeletePolicy", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (scope, arn) = (call.scope, &call.input.policy_arn);
        let conflict = |message: &str| Err(Fault::client("DeleteConflict", 409, message));
        let policy = require_own(tx, scope, arn)?;
        if usage(tx, scope, arn)? != (0, 0) {
            return conflict("Cannot delete a policy attached to entities.");
        }
        let of = (scope.account.as_str(), policy.id.as_str());
        let versions = POLICY_VERSIONS.scan(tx, &of, None, usize::MAX)?;
        if versions.len() > 1 {
            return conflict(
                "This policy has more than one version. Before you delete a policy, you must \
                 delete the policy's versions. The default version is deleted with the policy.",
            );
        }
        for (key, _) in versions {
            POLICY_VERSIONS.delete(tx, &key);
        }
        entities::remove(tx, &scope.account, &policy)?;
        Ok(Unit)
    }
}
