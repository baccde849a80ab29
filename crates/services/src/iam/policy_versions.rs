//! Versions of managed policies: at most five, numbered from 1, no number used twice.

use super::entities;
use super::faults::{limit_exceeded, no_such};
use super::policies::{check_document, need, require_own};
use super::prelude::*;
use super::records::{POLICY_VERSIONS, PolicyRecord, PolicyVersionRecord};
use super::{aws_managed, documents, policies};

/// How many versions a policy may have.
const LIMIT: usize = 5;

/// A version as answers have it; only GetPolicyVersion tells the document.
#[must_use]
pub fn answer(number: u64, version: &PolicyVersionRecord, default: u64) -> api::PolicyVersion {
    api::PolicyVersion {
        document: None,
        version_id: Some(format!("v{number}")),
        is_default_version: Some(number == default),
        create_date: Some(version.created.whole_seconds().into()),
    }
}

/// All versions of a policy, newest first, and the number of the default one.
///
/// # Errors
/// `NoSuchEntity`.
pub fn all(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
) -> Result<(Vec<(u64, PolicyVersionRecord)>, u64), Fault> {
    if let Some(policy) = aws_managed::by_arn(arn) {
        let version =
            PolicyVersionRecord { document: policy.document.to_owned(), created: policy.updated };
        return Ok((vec![(policy.version, version)], policy.version));
    }
    let policy =
        policies::own(state, scope, arn)?.ok_or_else(|| super::faults::no_such_policy(arn))?;
    let of = (scope.account.as_str(), policy.id.as_str());
    let found = POLICY_VERSIONS.scan_rev(state, &of, None, usize::MAX)?;
    let found = found.into_iter().map(|((_, _, number), version)| (number, version)).collect();
    Ok((found, policy.default_version))
}

fn no_such_version(arn: &str, version: &str) -> Fault {
    no_such(format!("Policy {arn} version {version} does not exist or is not attachable."))
}

/// The number in `v3`; what may follow a point is not distinguished (IAM API Reference).
fn number(version: &str) -> Option<u64> {
    let digits = version.strip_prefix('v')?;
    digits.split_once('.').map_or(digits, |(number, _)| number).parse().ok()
}

/// The account's own policy and the number of one of its versions.
fn require_version(
    state: &dyn Read,
    scope: &Scope,
    arn: &str,
    version: &str,
) -> Result<(PolicyRecord, u64), Fault> {
    let policy = match require_own(state, scope, arn) {
        Err(fault) if fault.code == "NoSuchEntity" => return Err(no_such_version(arn, version)),
        other => other?,
    };
    let missing = || no_such_version(arn, version);
    let number = number(version).ok_or_else(missing)?;
    let key = (scope.account.as_str(), policy.id.as_str(), number);
    if POLICY_VERSIONS.contains(state, &key)? { Ok((policy, number)) } else { Err(missing()) }
}

/// iam:CreatePolicyVersion.
#[derive(Debug)]
pub struct CreatePolicyVersion;

impl Operation for CreatePolicyVersion {
    type Input = api::CreatePolicyVersionRequest;
    type Output = api::CreatePolicyVersionResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "CreatePolicyVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:CreatePolicyVersion", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (input, account) = (call.input, &call.scope.account);
        let mut policy = require_own(tx, call.scope, &input.policy_arn)?;
        check_document(&input.policy_document)?;
        if POLICY_VERSIONS.count(tx, &(account.as_str(), policy.id.as_str()))? >= LIMIT {
            return Err(limit_exceeded(
                "A managed policy can have up to 5 versions. Before you create a new version, you \
                 must delete an existing version.",
            ));
        }
        let number = policy.last_version.saturating_add(1);
        let version =
            PolicyVersionRecord { document: input.policy_document.clone(), created: call.now };
        POLICY_VERSIONS.put(tx, &(account.as_str(), policy.id.as_str(), number), &version)?;
        policy.last_version = number;
        policy.updated = call.now;
        if input.set_as_default.unwrap_or_default() {
            policy.default_version = number;
        }
        entities::update(tx, account, &policy)?;
        let answer = answer(number, &version, policy.default_version);
        Ok(api::CreatePolicyVersionResponse { policy_version: Some(answer) })
    }
}

/// iam:GetPolicyVersion.
#[derive(Debug)]
pub struct GetPolicyVersion;

impl Operation for GetPolicyVersion {
    type Input = api::GetPolicyVersionRequest;
    type Output = api::GetPolicyVersionResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "GetPolicyVersion";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:GetPolicyVersion", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let (arn, id) = (&call.input.policy_arn, &call.input.version_id);
        let missing = || no_such_version(arn, id);
        let (versions, default) = match all(tx, call.scope, arn) {
            Err(fault) if fault.code == "NoSuchEntity" => return Err(missing()),
            other => other?,
        };
        let wanted = number(id);
        let found = versions.into_iter().find(|(number, _)| Some(*number) == wanted);
        let (number, version) = found.ok_or_else(missing)?;
        let document = Some(documents::encode(&version.document));
        let answer = api::PolicyVersion { document, ..answer(number, &version, default) };
        Ok(api::GetPolicyVersionResponse { policy_version: Some(answer) })
    }
}

/// iam:ListPolicyVersions.
#[derive(Debug)]
pub struct ListPolicyVersions;

impl Operation for ListPolicyVersions {
    type Input = api::ListPolicyVersionsRequest;
    type Output = api::ListPolicyVersionsResponse;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "ListPolicyVersions";
    const ACCESS: Access = Access::Read;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:ListPolicyVersions", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let page = Page::of(input.marker.as_deref(), input.max_items)?;
        let (versions, default) = all(tx, call.scope, &input.policy_arn)?;
        // Newest first.
        let found = versions
            .iter()
            .map(|(number, version)| (u64::MAX - number, answer(*number, version, default)))
            .collect();
        let found = page.take(found);
        Ok(api::ListPolicyVersionsResponse {
            is_truncated: found.truncated(),
            versions: Some(found.items),
            marker: found.marker,
        })
    }
}

/// iam:SetDefaultPolicyVersion.
#[derive(Debug)]
pub struct SetDefaultPolicyVersion;

impl Operation for SetDefaultPolicyVersion {
    type Input = api::SetDefaultPolicyVersionRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "SetDefaultPolicyVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:SetDefaultPolicyVersion", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let (mut policy, number) =
            require_version(tx, call.scope, &input.policy_arn, &input.version_id)?;
        policy.default_version = number;
        entities::update(tx, &call.scope.account, &policy)?;
        Ok(Unit)
    }
}

/// iam:DeletePolicyVersion.
#[derive(Debug)]
pub struct DeletePolicyVersion;

impl Operation for DeletePolicyVersion {
    type Input = api::DeletePolicyVersionRequest;
    type Output = Unit;
    const SERVICE: &'static str = "iam";
    const NAME: &'static str = "DeletePolicyVersion";
    const ACCESS: Access = Access::Write;

    fn needs(call: &Call<'_, Self::Input>, state: &dyn Read) -> Result<Needs, Fault> {
        Ok(need("iam:DeletePolicyVersion", call.scope, state, &call.input.policy_arn)?.into())
    }

    fn run(call: &Authorized<'_, Self>, tx: &mut Tx) -> Result<Self::Output, Fault> {
        let input = call.input;
        let (policy, number) =
            require_version(tx, call.scope, &input.policy_arn, &input.version_id)?;
        if number == policy.default_version {
            return Err(Fault::client(
                "DeleteConflict",
                409,
                "Cannot delete the default version of a policy.",
            ));
        }
        let key = (call.scope.account.as_str(), policy.id.as_str(), number);
        POLICY_VERSIONS.delete(tx, &key);
        Ok(Unit)
    }
}
